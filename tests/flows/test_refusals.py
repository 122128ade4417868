"""Runs that must fail are refused before anything is started, with exit code 2 and no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli.app import app
from flows.config.loading import ConfigError
from storage.errors import ForPeople


def refusal(home: Path, *words: str) -> str:
    done = CliRunner().invoke(app, words, env={"MATHMILL_HOME": str(home)})
    if done.exit_code == 2 and isinstance(done.exception, SystemExit):
        return done.output  # of the command line's own parser
    assert isinstance(done.exception, ForPeople), done.exception
    assert "Starting Prefect" not in done.output
    return str(done.exception)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("up", "--port", "99999"), "port"),
        (("up", "--port", "-1"), "port"),
        (("teacher", "serve", "--port", "99999"), "port"),
        (("teacher", "serve", "--port", "-1"), "port"),
        (("nightly", "--deadline", "2020-01-01T06:00"), "is past"),
        (("nightly", "--deadline", "0m"), "is past"),
        (("plan", "nightly", "--deadline", "2020-01-01"), "is past"),
        (("nightly", "--deadline", "999999h"), "longer than a year"),
        (("nightly", "--deadline", "999999999d"), "longer than a year"),
        (("nightly", "--deadline", "9" * 5000 + "h"), "is no time"),
        (("nightly", "--deadline", "1e309m"), "is no time"),
        (("nightly", "--batch"), "MATHMILL_TEACHER__BASE_URL"),
        (("nightly", "--set", "answers=files"), "MATHMILL_TEACHER__BASE_URL"),
        (("nightly", "--set", "generate.languages={fr: 1}"), "fr"),
        (("nightly", "--set", "generate.languages={en: 0}"), "above 0"),
        (("nightly", "--set", "target=" + "[" * 3000), "nested too deeply"),
        (("sql", "SELECT 1", "--memory", "4XB"), "4XB"),
        (("sql", "SELECT 1", "--seconds", "0"), "0 seconds"),
        (
            ("nightly", "--set", "decontaminate.benchmarks=[nosuch.jsonl]"),
            "decontaminate.benchmarks: there is no nosuch",
        ),
        (("nightly", "--set", "weakness.probe=nosuch.jsonl"), "weakness.probe: there is no nosuch"),
        (("nightly", "--set", "gates.min_recall={nosuch: 0.9}"), "no leaks of a kind 'nosuch'"),
        (("evaluate", "nosuch"), "neither a role"),
        (("evaluate", "student", "--baseline", "nosuch"), "neither a role"),
        (("evaluate", "hf:/no/such"), "there is no folder /no/such"),
        (("evaluate", "--baseline", "hf:a/b/c"), "there is no folder a/b/c"),
        (("evaluate", "--benchmark", "nosuch.jsonl"), "cannot read nosuch.jsonl"),
        (("evaluate", "--set", "also.nosuch=[choice]"), "no benchmark 'nosuch'"),
        (("evaluate", "--set", "instead.nosuch=program"), "setting instead: no benchmark 'nosuch'"),
        (("evaluate", "--set", "instead.probe=likelihood"), "instead: probe by likelihood, but student"),
        (("evaluate", "--set", "domains.probe=nosuch"), "no domain 'nosuch'"),
        (("rebuild", "nosuch"), "there is no dataset 'nosuch'"),
        (("rebuild", "--set", "base=2020.01.01"), "there is no dataset 'math-sft'"),
        (("rebuild", "--set", "only=[]"), "setting only"),
        (("rebuild", "--set", "only.source=[]"), "setting only.source"),
        (("rebuild", "--set", "without.source="), "setting without.source"),
        (("rebuild", "--set", "without.nosuch=[a]"), "unknown column 'nosuch'"),
        (("rebuild", "--set", "scorers=[nosuch]"), "unknown scorer 'nosuch'"),
        (("critic", "train"), "no files of labelled solutions"),
        (("critic", "train", "nosuch.jsonl"), "there is no file nosuch.jsonl"),
        (("critic", "evaluate", "nosuch.jsonl"), "there is no file nosuch.jsonl"),
        (("verdict", "nosuch"), "there is no dataset 'nosuch'"),
        (("verdict", "--set", "training.nosuch=1"), "setting training.nosuch: there is no such setting"),
        (("verdict", "--set", "training.steps=0"), "setting training.steps"),
        (("verdict", "--set", "training.seed=1"), "training.seed: the verdict sets it itself"),
        (("verdict", "--base", "/no/such"), "training.steps"),
        (("verdict", "--benchmark", "nosuch.jsonl"), "there is no nosuch.jsonl"),
        (("verdict", "--without", "nosuch"), "unknown column 'nosuch'"),
        (("train", "nosuch"), "there is no dataset 'nosuch'"),
        (("train", "--method", "nosuch"), "no method 'nosuch'"),
        (("train", "--set", "nosuch=1"), "there is no such setting"),
        (("migrate", "nosuch"), "there is no dataset 'nosuch'"),
    ],
)
def test_refused(tmp_path: Path, words: tuple[str, ...], expected: str) -> None:
    assert expected in refusal(tmp_path / "home", *words)


def test_dedup_names_a_size_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"question": "What is 2 + 3?"}\n')
    line = refusal(
        tmp_path, "dedup", str(tmp_path / "a.jsonl"), "--to", str(tmp_path / "out"), "--memory", "4XB"
    )
    assert "--memory '4XB' is no size of memory" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_deep_yaml_is_one_line(tmp_path: Path) -> None:
    from flows.config.nightly import load_config

    (tmp_path / "deep.yaml").write_text("a: " + "[" * 5000)
    with pytest.raises(ConfigError, match="nested too deeply"):
        load_config(tmp_path / "deep.yaml", [])


@pytest.mark.slow
def test_a_full_disk_is_named_before_prefect_is_started(tmp_path: Path) -> None:
    """A limit on the size of files reads as a full disk; in a process of its own, since it holds for the whole of one."""
    program = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))\n"
        "sys.argv = ['mathmill', 'nightly', '--target', '5']\n"
        "from flows.cli.app import main\n"
        "main()\n"
    )
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("MATHMILL_", "PREFECT_"))
    }
    home = str(tmp_path / "home")
    done = subprocess.run(
        [sys.executable, "-c", program], env=kept | {"MATHMILL_HOME": home}, cwd=Path(__file__).parents[2],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr.strip().splitlines()[-1] == (
        f"mathmill: the disk under {home} is full; nothing was changed. Fix: free space there or set MATHMILL_HOME elsewhere"
    )
