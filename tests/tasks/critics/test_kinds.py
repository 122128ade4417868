"""Kinds of critics: each is a file, and what is not trained is ready by its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from storage.datasets.steps import lines_of
from tasks.critics import Shown
from tasks.critics.evaluation import NOT_NAMED, opinion_of
from tasks.critics.kinds import (
    PLUGINS,
    CriticError,
    CriticTools,
    ready_kinds,
    settings_of,
    trained_kind,
    trained_kinds,
)
from tasks.critics.kinds.prompted import PromptedCritic, step_of_line
from tasks.critics.trained import opened
from tasks.llm.engine import Engine
from tasks.plugins import names
from tasks.settings import Section
from tests.tasks.critics.test_trained import TOOLS
from tests.tasks.scorers.test_scorers import solved

ASKED = "Ann has 2 apples, buys 3 and then 4 more. How many apples does she have?"
WRONG = Shown(ASKED, "2 + 3 = 6\n6 + 4 = 10\n\\boxed{10}", ("2 + 3 = 6", "6 + 4 = 10", "\\boxed{10}"), id="w")
RIGHT = Shown(ASKED, "2 + 3 = 5\n5 + 4 = 9\n\\boxed{9}", ("2 + 3 = 5", "5 + 4 = 9", "\\boxed{9}"), id="r")
EMPTY = Shown("What is 2 + 3 + 4?", "Nine.", ("Nine.",), id="e")


def test_every_file_is_a_kind_that_is_ready_or_trained() -> None:
    assert sorted([*ready_kinds(), *trained_kinds()]) == sorted(names(PLUGINS))
    for name in trained_kinds():
        assert issubclass(trained_kind(name).own_settings, Section)


def test_the_step_checker_is_a_critic() -> None:
    critic = opened("steps", Path("/nowhere"), TOOLS)
    wrong, right, empty = critic.judge([WRONG, RIGHT, EMPTY])
    assert (wrong.answer, wrong.first_wrong, wrong.step_scores) == (0.0, 0, (0.0, 1.0, 0.5))
    assert wrong.words is not None
    assert "2 + 3 = 6" in wrong.words
    assert (right.answer, right.first_wrong, right.right) == (1.0, None, None)
    assert empty.answer is None
    opinion = opinion_of("steps", [wrong, right, empty])
    assert opinion.right.tolist() == [0.0, 1.0, 0.5]
    assert opinion.first_wrong.tolist() == [0, NOT_NAMED, NOT_NAMED]


def test_the_prompted_critic_is_one_too(engine: Callable[..., Engine]) -> None:
    with pytest.raises(CriticError, match="asks a model"):
        opened("prompted", Path("/nowhere"), TOOLS)
    critic = opened("prompted", Path("/nowhere"), CriticTools(TOOLS.encoder, engine))
    assert isinstance(critic, PromptedCritic)
    rows = [*solved(20, wrong=False), *solved(20, wrong=True)]
    shown = [
        Shown(row.question, row.solution or "", tuple(lines_of(row.solution or "")), id=row.id)
        for row in rows
    ]
    opinions = critic.judge(shown)
    assert all(one.failure is None and one.words and one.instruction is not None for one in opinions)
    assert set(opinions[0].parts) == {"clarity", "solvability", "value"}
    right = opinion_of("prompted", opinions).says_right
    assert right[:20].sum() >= 16  # the embedded critic errs at its own seeded rate, about 6 %
    assert right[20:].sum() <= 4
    assert critic.identity.startswith("prompted:")


def test_a_failed_call_is_a_failure_and_no_opinion(engine: Callable[..., Engine]) -> None:
    critic = PromptedCritic(engine("critic", offline=True))
    opinion = critic.judge([RIGHT])[0]
    assert opinion.failure is not None
    assert opinion.answer is None


def test_lines_that_a_model_names_are_steps() -> None:
    text = "First: 1 + 1 = 2. Then more.\n\n\\[\n2 + 2 = 4\n\\]\nDone."
    one = Shown("?", text, ("First: 1 + 1 = 2.", "Then more.", "\\[\n2 + 2 = 4\n\\]", "Done."))
    assert [step_of_line(one, line) for line in (1, 2, 3, 4, 5, 99)] == [0, 2, 2, 2, 3, 3]


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (lambda: opened("nothing", Path("/nowhere"), TOOLS), "there is no critic nothing"),
        (lambda: trained_kind("steps"), "one of .*trees"),
        (lambda: settings_of("trees", {"round": 3}), "own.round: .*the kind trees has components"),
        (lambda: settings_of("trees", {"rounds": 0}), "own.rounds: "),
    ],
)
def test_what_does_not_exist_is_named(act: Callable[[], Any], expected: str) -> None:
    with pytest.raises(CriticError, match=expected) as error:
        act()
    assert "Fix: " in str(error.value)
    assert "\n" not in str(error.value)
