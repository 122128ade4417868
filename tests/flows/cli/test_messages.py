"""What commands say about wrong words, seeds that cannot be read and options without effect: one line, with the fix."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli.app import app
from flows.cli.nightly import unusable_seeds
from flows.config.nightly import Nightly
from storage.datasets.store import Store
from storage.rows import Row, to_table
from tasks.stages.ingest import IngestError


def run(*words: str) -> subprocess.CompletedProcess[str]:
    program = "from flows.cli.app import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, timeout=120
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nightlyy"], "No such command 'nightlyy'. Did you mean 'nightly'? Fix: see ./mathmill --help"),
        (["nightly", "--trget", "3"], "No such option: --trget (Possible options: --set, --target). Fix: see ./mathmill nightly --help"),
        (["show"], "Missing argument 'NAME[@VERSION]'. Fix: see ./mathmill show --help"),
        (["export", "math-sft", "x", "--format", "mesages"], "Invalid value for '--format': 'mesages' is not one of 'messages', 'prompt-completion', 'prompt-only', 'preference', 'unpaired-preference', 'step-preference', 'stepwise-supervision', 'parquet', 'packed', 'verl', 'nemo-gym', 'verifiers', 'trl-grpo'. Did you mean messages? Fix: see ./mathmill export --help"),
        (["ledger", "imprt"], "No such command 'imprt'. Did you mean 'import'? Fix: see ./mathmill ledger --help"),
    ],
)  # fmt: skip
def test_wrong_words_are_one_line_with_the_fix(words: list[str], message: str) -> None:
    done = run(*words)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"mathmill: {message}\n")


@pytest.mark.slow
def test_exit_codes_and_help_are_what_they_were() -> None:
    assert (run("--version").returncode, run("show", "--help").returncode) == (0, 0)
    assert "Usage:" in run().stdout + run().stderr
    assert run("show", "nothing-of-that-name").returncode == 2


def test_a_forecast_names_the_seeds_that_cannot_be_used(tmp_path: Path) -> None:
    seeds = tmp_path / "mine.jsonl"
    seeds.write_text('{"question": "What is 2 + 2?", "answer": "4"}\n{"question": broken\n{"answer": "5"}\n')
    fine = tmp_path / "fine.jsonl"
    fine.write_text('{"question": "What is 3 + 2?", "answer": "5"}\n')
    night = Nightly.model_validate({"seeds": {"files": [str(seeds), str(fine)]}})
    (line,) = unusable_seeds(night)
    assert line.startswith(f"{seeds}: 2 of 3 records cannot be used, for example: ingest: line 2: not JSON")
    assert "Fix: " in line
    fine.write_text("{broken\n")
    with pytest.raises(IngestError, match=r"fine\.jsonl"):
        unusable_seeds(night)


@pytest.mark.parametrize(("thinking", "reasoning_printed"), [(None, True), ("because", False)])
def test_an_export_says_where_inline_thinking_changes_nothing(
    thinking: str | None, reasoning_printed: bool, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    row = Row("What is 2 + 3?", "en", solution="5", solution_format="cot", reasoning=thinking)
    Store(home).publish("d", [to_table([row])], lineage={"run": "r"})
    for option, heard in (("inline", reasoning_printed), ("field", False)):
        words = ["export", "d", str(tmp_path / option), "--reasoning", option]
        done = CliRunner().invoke(app, words, env={"MATHMILL_HOME": str(home), "MATHMILL_ENV_FILE": ""})
        assert done.exit_code == 0
        assert ("so --reasoning inline changes nothing" in done.stderr) == heard


@pytest.mark.slow
def test_several_wrong_settings_are_a_line_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATHMILL_HOME", str(tmp_path))
    done = run("nightly", "--set", "targets=3", "--set", "mix.boots=2")
    first, second = done.stderr.splitlines()
    assert done.returncode == 2
    assert first.startswith("mathmill: setting mix.boots: there is no such setting. Fix: use mix.boost;")
    assert second.startswith("mathmill: setting targets: there is no such setting. Fix: use target;")
