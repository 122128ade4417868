"""The command that a stopped night prints continues it: the same limit does not stop it before its first call."""

from __future__ import annotations

import itertools
import shlex

import pytest

from flows.cli.nightly import continuing_command
from flows.config.nightly import Nightly, load_config
from flows.runner.limits import HOW_TO_GO_ON, SpentWhenStopped, Stopped

PAID = SpentWhenStopped(1.0, 1000, 0, 3, 20)
PAST = "2020-01-01T06:00"


def command(by: str, night: Nightly, *words: str, spent: SpentWhenStopped = PAID) -> list[str]:
    return shlex.split(
        continuing_command(Stopped(by, f"stopped by {by}", spent), night.budget, ["nightly", *words])
    )[1:]


def test_an_offline_night_continues_online() -> None:
    night = Nightly(answers="offline")
    assert command("offline", night, "--target", "20", "--offline") == ["nightly", "--target", "20"]
    by_file = command("offline", night, "--config", "night.yaml")
    assert by_file == ["nightly", "--config", "night.yaml", "--set", "answers=online"]
    by_set = command("offline", night, "--set", "answers=offline")
    assert load_config(None, by_set[2::2]).answers == "online"


@pytest.mark.parametrize(
    "words", [("--deadline", PAST), (f"--deadline={PAST}",), ("--set", f"budget.deadline={PAST}")]
)
def test_a_moment_that_is_past_is_left_out(words: tuple[str, ...]) -> None:
    night = Nightly.model_validate({"budget": {"deadline": PAST}})
    arguments = command("deadline", night, "--target", "20", *words)
    assert arguments[:3] == ["nightly", "--target", "20"]
    sets = [value for option, value in itertools.pairwise(arguments) if option == "--set"]
    assert load_config(None, sets).budget.deadline is None
    assert "--deadline" not in " ".join(arguments)


@pytest.mark.parametrize("deadline", ["90m", "06:30"])
def test_a_deadline_that_comes_again_stays(deadline: str) -> None:
    night = Nightly.model_validate({"budget": {"deadline": deadline}})
    assert command("deadline", night, "--deadline", deadline) == ["nightly", "--deadline", deadline]


def test_a_budget_counts_anew_unless_it_is_less_than_one_call() -> None:
    night = Nightly.model_validate({"budget": {"usd": 0.5}})
    assert command("usd", night, "--budget-usd", "0.5") == ["nightly", "--budget-usd", "0.5"]
    nothing = SpentWhenStopped(0.0, 0, 0, 0, 20)
    assert (
        continuing_command(Stopped("usd", "stopped by --budget-usd", nothing), night.budget, ["nightly"])
        == ""
    )


def test_every_limit_names_the_command_that_continues() -> None:
    assert set(HOW_TO_GO_ON) == {"usd", "tokens", "deadline", "offline", "files"}
