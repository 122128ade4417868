"""What the wording of steps says: errors that are worded in a way of their own are seen, by models that do not know the question."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.critics import step_phrases
from tasks.critics.labelled import LabelledSolution
from tasks.critics.step_phrases import FEWEST, NO_PHRASES, PHRASES, fit_phrases
from tests.tasks.critics.erring import RIGHT, erring

FIRST = PHRASES.index("worded_first")
HAZARD = PHRASES.index("worded_hazard")


def solutions(count: int) -> list[LabelledSolution]:
    """Return solutions of which the wrong ones have "mistakenly" in their first wrong step and a wrong step behind it."""
    return erring(
        count, lambda number: (f"We mistakenly take {number} here.", "That carries the error on, 100%.")
    )


def test_a_wording_of_errors_is_learned_and_the_first_is_told_from_what_follows() -> None:
    phrases, columns = fit_phrases(solutions(FEWEST), seed=1)
    assert [table.shape for table in columns] == [(4, len(PHRASES))] * (2 * FEWEST)
    wrong = (
        "First add 3 and 4.",
        "We mistakenly take 9 here.",
        "That carries the error on, 100%.",
        "It is 1.",
    )
    table = phrases.columns(wrong)
    assert int(np.argmax(table[:, FIRST])) == 1
    assert table[1, HAZARD] > phrases.columns(RIGHT)[:, HAZARD].max()
    assert table[:, PHRASES.index("worded_first_rank")].tolist()[1] == 0
    again, _ = fit_phrases(solutions(FEWEST), seed=1)
    assert (again.weights == phrases.weights).all()


def test_a_solution_is_read_by_models_that_do_not_know_its_question(monkeypatch: pytest.MonkeyPatch) -> None:
    taught: list[set[str]] = []
    fitted = step_phrases._fitted

    def spied(known: list[LabelledSolution], tables: object) -> object:
        taught.append({one.group for one in known})
        return fitted(known, tables)  # type: ignore[arg-type]

    monkeypatch.setattr(step_phrases, "_fitted", spied)
    given = solutions(FEWEST)
    fit_phrases(given, seed=1)
    *parts, whole = taught
    assert whole == {one.group for one in given}
    held = [whole - part for part in parts]
    assert set().union(*held) == whole
    assert sum(map(len, held)) == len(whole)


def test_too_few_known_places_say_nothing() -> None:
    phrases, columns = fit_phrases(solutions(FEWEST - 1), seed=1)
    assert phrases is NO_PHRASES
    assert not any(table[:, FIRST].any() for table in columns)
