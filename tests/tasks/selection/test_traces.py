"""The choice among the solutions of a question by each criterion, and the comparison of the criteria."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pydantic import ValidationError

from storage.reasons import Code
from storage.rows import Row, to_table
from tasks.selection import settings_of
from tasks.selection.traces import TracesSettings, select, totals


def rows() -> pa.Table:
    """Three solutions of one question, of 10, 30 and 100 characters, and one of another."""
    samples = [
        ("q", "a" * 10, None, "1/3"),
        ("q", "b" * 10, "r" * 20, "2/3"),
        ("q", "c" * 10, "r" * 90, "2/3"),
        ("p", "d" * 5, None, "1/1"),
    ]
    return to_table(
        Row(question, "en", solution=solution, reasoning=reasoning, verdicts={"consistent": share})
        for question, solution, reasoning, share in samples
    )


def kept_by(**settings: object) -> list[int]:
    chosen = select(rows(), settings=TracesSettings(**settings), seed=1, tick=lambda n: None)  # type: ignore[arg-type]
    assert all(why is None or why.code == Code.NOT_CHOSEN for why in chosen.reasons)
    return [place for place, why in enumerate(chosen.reasons) if why is None]


def test_the_solution_nearest_to_the_quantile_of_the_lengths_is_taken() -> None:
    assert kept_by(quantile=0) == [0, 3]
    assert kept_by() == [1, 3]
    assert kept_by(quantile=1) == [2, 3]
    assert kept_by(quantile=1, keep=2) == [1, 2, 3]


def test_the_solution_with_the_most_agreement_is_taken() -> None:
    assert 0 not in kept_by(by="agreement")
    assert kept_by(by="agreement", keep=2) == [1, 2, 3]


def test_what_other_criteria_would_take_is_counted() -> None:
    chosen = select(rows(), settings=TracesSettings(quantile=0), seed=1, tick=lambda n: None)
    total = totals([chosen.facts, chosen.facts, {"other": 1}])
    assert total["by"] == "length"
    agreement, length = total["criteria"]
    assert length == {"criterion": "length", "rows": 4, "characters": 7.5, "agreement": 0.667, "common": 1.0}
    assert (agreement["criterion"], agreement["rows"], agreement["common"]) == ("agreement", 4, 0.5)
    assert totals([{}]) == {}


def test_naturalness_needs_a_model() -> None:
    with pytest.raises(ValidationError, match="needs a model"):
        TracesSettings(by="log_probability")
    with pytest.raises(ValueError, match="traces"):
        settings_of("traces", {"by": "shortest"})
