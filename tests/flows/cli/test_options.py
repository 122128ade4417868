"""The options of commands that start a flow: one declaration, that of the flow's settings class."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from flows.cli.app import app
from flows.cli.options import SettingsCommand

RUNNER = CliRunner()
COMMANDS = {
    "nightly": {
        "--target": "number of accepted rows to produce",
        "--min-share": "least share of a domain",
        "--seeds": "files of seed problems",
        "--budget-usd": "most that the run may spend",
        "--budget-tokens": "most tokens that the run may pay for",
        "--deadline": "when to stop sending calls",
    },
    "rebuild": {"--what-if": "only count"},
    "correct": {},
    "maintain": {"--apply": "apply the changes"},
    "import": {
        "--dataset": "dataset that gets the new version",
        "--license": "licence of the records",
        "--kind": "what a record is",
        "--map": "column -> field",
        "--convert": "python file with a function",
        "--verify": "execute the programs",
        "--dry-run": "only show ten rows",
    },
    "documents": {
        "--dataset": "dataset that gets the new version",
        "--license": "licence of the documents",
        "--max-tokens": "tokens of a chunk",
        "--tokenizer": "name or folder of the tokenizer",
        "--dry-run": "only show the structure",
    },
    "corpus": {
        "--dataset": "dataset that gets the new version",
        "--tokenizer": "name or folder of the tokenizer",
    },
    "make": {"--dataset": "dataset that gets a new version", "--target": "number of accepted rows"},
    "weakness": {
        "--probe": "files of probe items",
        "--pool": "datasets or versions whose questions may be neighbours",
        "--dataset": "beginning of the names",
        "--arm": "arms to publish",
        "--rows": "rows of each arm",
        "--quotas": "what decides the rows",
        "--dry-run": "only show",
    },
    "rft": {
        "--dataset": "beginning of the names",
        "--questions": "questions of the version at most",
        "--samples": "solutions of each question in the first round",
        "--most-samples": "solutions of a question in all rounds",
        "--allocate": "which questions are sampled again",
        "--most": "right solutions of a question that stay",
        "--budget-usd": "most that the run may spend",
        "--dry-run": "only forecast",
    },
    "evaluate": {
        "--baseline": "another model",
        "--benchmark": "files of benchmark items",
        "--task": "tasks of lm-evaluation-harness",
        "--samples": "answers per item",
        "--limit": "most items per benchmark",
    },
    "verdict": {
        "--validated": "version to compare with",
        "--base": "checkpoint from which both trainings start",
        "--seeds": "number of trainings",
        "--benchmark": "files of benchmark items",
        "--without": "column whose values are left out",
    },
    "attribution": {
        "--by": "column whose values are compared",
        "--items": "file of items",
        "--check": "values that a training is repeated without",
        "--base": "checkpoint that learns",
    },
    "train": {"--method": "training method", "--base": "folder or hub name"},
    "proof": {
        "--quick": "a tiny student",
        "--to": "page to write",
        "--only": "experiments to run",
    },
}


def commands() -> dict[str, Any]:
    group: Any = typer.main.get_command(app)
    return {name: command for name, command in group.commands.items() if isinstance(command, SettingsCommand)}


def shown(arguments: list[str], home: Path) -> dict[str, Any]:
    """Return the settings that a command would use."""
    done = RUNNER.invoke(app, [*arguments, "--show-config"], env={"MATHMILL_HOME": str(home)})
    assert done.exit_code == 0, done.output
    settings: dict[str, Any] = yaml.safe_load(done.stdout)
    return settings


def test_every_command_that_starts_a_flow_takes_its_options_from_the_settings_of_the_flow() -> None:
    assert set(commands()) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_an_option_is_the_description_of_its_setting(name: str) -> None:
    command = commands()[name]
    helps = {option.opts[0]: option.help or "" for option in command.get_params(typer.Context(command))}
    for option, words in COMMANDS[name].items():
        assert helps[option].lower().startswith(words)
        assert helps[option].endswith(".")


def test_an_option_overrides_the_file_and_a_missing_one_does_not(tmp_path: Path) -> None:
    one, other = str(tmp_path / "one.jsonl"), str(tmp_path / "other.jsonl")
    for path in (one, other):
        Path(path).write_text('{"question": "What is 2 + 3?"}\n')
    file = tmp_path / "night.yaml"
    file.write_text("target: 70\nbudget: {usd: 3.0, tokens: 900}\nmix: {at_least: {algebra: 0.5}}\n")
    night = shown(
        ["nightly", "--config", str(file), "--budget-usd", "1.5", "--seeds", one, "--seeds", other],
        tmp_path,
    )
    assert night["target"] == 70
    assert night["budget"] == {"usd": 1.5, "tokens": 900, "deadline": None}
    assert night["seeds"]["files"] == [one, other]
    assert night["mix"]["at_least"] == {"algebra": 0.5}
    night = shown(
        ["nightly", "--min-share", "algebra=0.2", "--min-share", "geometry=0.1", "--offline"], tmp_path
    )
    assert night["mix"]["at_least"] == {"algebra": 0.2, "geometry": 0.1}
    assert night["answers"] == "offline"


@pytest.mark.slow
def test_arguments_and_flags_set_settings(tmp_path: Path) -> None:
    rebuild = shown(["rebuild", "books", "--what-if", "--set", "thresholds.answer=0.7"], tmp_path)
    assert (rebuild["dataset"], rebuild["what_if"]) == ("books", True)
    assert rebuild["thresholds"] == {"answer": 0.7}
    assert shown(["rebuild"], tmp_path)["dataset"] == "math-sft"
    train = shown(["train", "a=0.8", "b@production=0.2", "--method", "rft"], tmp_path)
    assert [(one["dataset"], one["weight"]) for one in train["data"]] == [("a", 0.8), ("b@production", 0.2)]
    assert train["method"] == "rft"
    assert shown(["evaluate", "teacher", "--benchmark", "x.jsonl"], tmp_path)["benchmarks"] == ["x.jsonl"]
    assert shown(["maintain", "--apply"], tmp_path)["apply"] is True


def test_two_options_for_one_setting_are_refused(tmp_path: Path) -> None:
    done = RUNNER.invoke(app, ["nightly", "--offline", "--batch"], env={"MATHMILL_HOME": str(tmp_path)})
    assert str(done.exception) == "--offline and --batch both set answers. Fix: give one of them"


@pytest.mark.slow
def test_the_help_of_all_commands_imports_no_settings_class() -> None:
    program = """
import sys
from flows.cli.app import app
try:
    app(["--help"])
except SystemExit:
    pass
loaded = {"pyarrow", "prefect", "flows.config.nightly", "tasks.training.config"} & set(sys.modules)
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120, stdout=subprocess.DEVNULL)
