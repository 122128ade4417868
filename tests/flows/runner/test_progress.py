"""What the lines of stages say."""

from __future__ import annotations

import pytest

from flows.nightly import CALIBRATE, SOLVE
from flows.runner.progress import reused


@pytest.mark.parametrize(
    ("before", "parts", "shown"),
    [(0, 3, ""), (3, 3, ", done before"), (1, 1, ", done before"), (1, 3, ", 1 of 3 parts done before")],
)
def test_parts_that_an_earlier_run_had_finished_are_no_new_work(before: int, parts: int, shown: str) -> None:
    assert reused(before, parts) == shown


def test_the_calibration_keeps_no_row_by_design() -> None:
    assert CALIBRATE.serves
    assert not SOLVE.serves
