"""Where too few solutions calibrate the votes, a sentence says how many were requested, lost and used, and what the votes rest on."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.stages.calibrate import shortfall


def record(asked: int, failed: int, dropped: int, used: int, earlier: int = 0) -> dict[str, Any]:
    counts = {"asked": asked, "failed": failed, "dropped": dropped, "labelled": used}
    return {"weights": {}, "rows": earlier + used, **counts}


@pytest.mark.parametrize(
    "enough",
    [
        record(48, 4, 20, 24),
        record(4, 0, 0, 4),
        {"weights": {}, "rows": 0},  # no calibration was to be made, or the version is an older one
        {},
    ],
)
def test_enough_solutions_need_no_words(enough: dict[str, Any]) -> None:
    assert shortfall(enough) == ""


@pytest.mark.parametrize(
    ("few", "parts"),
    [
        (
            record(48, 48, 0, 0),
            ("on 0 of 48 solutions", "48 failed", "rest on the weights that mathmill starts with", "Fix: correct what"),
        ),
        (
            record(1200, 700, 100, 390, earlier=800),
            (
                "on 390 of 1,200 solutions", "700 failed, 100 gave no usable", "10 could not be compared",
                "these 390 and on the calibration of earlier nights, on 800 solutions", "Fix: correct what",
            ),
        ),
        (
            record(8, 1, 6, 1),
            ("on 1 of 8 solutions", "this one and on the weights that mathmill starts with, which count as 100", "verify.known"),
        ),
        (record(0, 0, 0, 0, earlier=20), ("No question with a known answer was asked", "on 20 solutions", "Fix: seeds")),
    ],
)  # fmt: skip
def test_too_few_are_named_with_their_number_basis_and_fix(
    few: dict[str, Any], parts: tuple[str, ...]
) -> None:
    text = shortfall(few)
    assert "\n" not in text
    for part in parts:
        assert part in text
