"""The scorer that asks a trained critic: what it scores, and where it says a solution is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.reasons import Code
from storage.rows import WRONG_STEP, Row, column, reasons_of, to_table
from tasks.critics.trained import FOLDER, TrainedCritic, critic_folder, load, train
from tasks.stages.score import score
from tests.tasks.critics.test_trained import SETTINGS, TOOLS, labelled

QUESTION = "Problem 9999: what is the sum of 31, 52, 77, 20?"
RIGHT = "Add the next one: 31 + 52 = 83.\n\nAdd the next one: 83 + 77 = 160.\nAdd the next one: 160 + 20 = 180.\nThe answer is 180."
WRONG = "Add the next one: 31 + 52 = 83.\n\nAdd the next one: 83 + 1544 = 1627.\nAdd the next one: 1627 + 20 = 1647.\nThe answer is 1647."


@pytest.fixture(scope="module")
def critic(tmp_path_factory: pytest.TempPathFactory) -> TrainedCritic:
    folder = tmp_path_factory.mktemp("critics") / "c"
    train(labelled(), SETTINGS, "words", TOOLS).save(folder)
    return load(folder, TOOLS)


@pytest.mark.slow
def test_wrong_solutions_are_dropped_and_programs_are_not_judged(
    critic: TrainedCritic,
) -> None:
    rows = [
        Row(QUESTION, "en", solution=RIGHT, solution_format="cot"),
        Row(QUESTION, "en", solution=WRONG, solution_format="cot"),
        Row(QUESTION, "en", solution="print(180)", solution_format="pot"),
        Row(QUESTION, "en"),
    ]
    ticked: list[int] = []
    outcome = score(
        to_table(rows),
        name="trained_critic",
        thresholds={"trained_critic": 0.5},
        tick=ticked.append,
        trained_critic=critic,
    )
    assert sum(ticked) == 4
    given = [dict(pairs).get("trained_critic") for pairs in column(outcome.rows, "scores")]
    assert given[2:] == [None, None]
    assert given[0] > 0.5 > given[1]  # type: ignore[operator]
    reasons = reasons_of(outcome.rows)
    assert [why.code if why else None for why in reasons] == [None, Code.BELOW_THRESHOLD, None, None]
    # a step that it calls wrong would be evidence elsewhere
    assert all(WRONG_STEP not in dict(pairs or ()) for pairs in column(outcome.rows, "verdicts"))
    assert outcome.facts == {"trained_critic": {"identity": critic.identity, "solutions": 2}}


def test_a_critic_is_loaded_by_name_or_path(critic: TrainedCritic, tmp_path: Path) -> None:
    critic.save(tmp_path / FOLDER / "mine")
    assert critic_folder("mine", tmp_path) == tmp_path / FOLDER / "mine"
    assert critic_folder(str(tmp_path / "x"), tmp_path) == tmp_path / "x"
