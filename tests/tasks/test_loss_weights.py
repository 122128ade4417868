"""Loss weights: monotone in score and pass rate, bounded, and only of rows that are verified."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.rows import SOLUTION_BY, Row, to_table
from tasks.loss_weights import LossWeights, banded, loss_weights
from tasks.selection import PASS_RATE
from tasks.stages import rejudge

SHARES = st.floats(0, 1, width=32)
SETTINGS = LossWeights(most=3.0)


def weight(settings: LossWeights = SETTINGS, **fields: Any) -> float:
    (value,) = loss_weights(to_table([Row("q", "en", solution="s", **fields)]), settings).to_pylist()
    return float(value)


@given(SHARES, SHARES, SHARES, SHARES)
def test_a_lower_score_or_pass_rate_never_weighs_less_and_the_bounds_hold(
    score: float, passed: float, less: float, fewer: float
) -> None:
    one = weight(correctness=1.0, scores={"answer": score, PASS_RATE: passed})
    other = weight(correctness=1.0, scores={"answer": min(score, less), PASS_RATE: min(passed, fewer)})
    assert 1 <= one <= other <= 3


def test_the_formula_is_the_stated_one() -> None:
    assert weight(correctness=0.95, scores={"answer": 0.5, PASS_RATE: 0.75}) == pytest.approx(2.0)
    both = LossWeights(most=3.0, critic=["answer", "trained_critic"])
    assert weight(both, correctness=0.95, scores={"answer": 0.9, "trained_critic": 0.25}) == pytest.approx(
        2.5
    )
    # without a pass rate the share of samples that agree; the pass rate goes before it
    assert weight(correctness=0.95, difficulty=0.5) == pytest.approx(2.0)
    assert weight(correctness=0.95, difficulty=0.5, scores={PASS_RATE: 1.0}) == 1.0


@pytest.mark.parametrize(
    ("fields", "counted"),
    [
        ({"correctness": 0.9}, True),
        ({"correctness": 0.89}, False),
        ({}, False),
        ({"verdicts": {"equivalent": "equal"}}, True),
        ({"verdicts": {"equivalent": "different"}}, False),
        ({"verdicts": {SOLUTION_BY: "source"}}, True),
    ],
)
def test_only_rows_that_are_verified_can_be_hard(fields: dict[str, Any], counted: bool) -> None:
    assert weight(scores={"answer": 0.0}, **fields) == (3.0 if counted else 1.0)


def test_what_is_not_known_makes_no_row_hard_and_off_is_one() -> None:
    assert weight(correctness=1.0) == 1.0
    assert weight(LossWeights(on=False), correctness=1.0, scores={"answer": 0.0}) == 1.0


def test_a_rebuild_reads_the_verdicts_as_columns() -> None:
    row = to_table([Row("q", "en", solution="s", scores={"answer": 0.0}, verdicts={"equivalent": "equal"})])
    read = row.select([name for name in rejudge.columns() if name in row.column_names])
    for name in (SOLUTION_BY, "equivalent"):
        read = read.append_column(name, pc.map_lookup(row.column("verdicts"), name, "first"))
    assert loss_weights(read, SETTINGS).to_pylist() == [3.0]


def test_bands_count_every_weight_once() -> None:
    bands = banded(pa.chunked_array([pa.array([1.0, 1.2, 1.25, 1.6, 2.0, None], pa.float32())])).to_pylist()
    assert bands == ["1", "up to 1.25", "up to 1.25", "up to 1.75", "up to 2.00", "1"]
    assert banded(pa.chunked_array([pa.array([1.0, 1.0], pa.float32())])).to_pylist() == ["1", "1"]


def test_newer_pass_rates_stand_in_place_of_those_of_the_rows() -> None:
    rows = [Row(text, "en", solution="s", correctness=1.0, scores={PASS_RATE: 0.75}) for text in ("p", "q")]
    assert loss_weights(to_table(rows), SETTINGS).to_pylist() == [1.5, 1.5]
    newer = {rows[1].problem_id: 0.25, "other": 0.0}
    assert loss_weights(to_table(rows), SETTINGS, newer).to_pylist() == [1.5, 2.5]
