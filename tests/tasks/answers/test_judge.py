"""The judge's contract: verdicts, bounds, threads, groups."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tasks.answers import Judge, group


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with Judge(workers=1) as judge:
        yield judge


def test_groups_are_stable_and_skip_the_missing(judge: Judge) -> None:
    answers = ["1", "1.0", None, "x=2", "2", "\\sqrt{4}", "3", "1"]
    assert group(answers, judge) == [0, 0, None, 1, 1, 1, 2, 0]
    assert group([], judge) == []
    assert group([None], judge) == [None]
