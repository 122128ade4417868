"""Figures of a run of rejection sampling."""

from __future__ import annotations

from tasks.rft.allocation import Tally
from tasks.rft.summary import FAIL_RATE, UNSOLVED, by_fail_rate, questions_by_solved

TALLIES = {
    "easy": Tally(8, 8, 0),
    "hard": Tally(32, 1, 31),
    "unsolved": Tally(32, 0, 30),
    "cut": Tally(32, 0, 0),
}


def test_unsolved_questions_are_apart_from_hard_ones() -> None:
    lines = {line[FAIL_RATE]: line for line in by_fail_rate(TALLIES, {"stay": ["easy", "hard", "hard"]})}
    assert list(lines) == ["0", "over 0.75 to under 1", UNSOLVED, "not known", "all"]
    assert lines[UNSOLVED] == {FAIL_RATE: UNSOLVED, "questions": 1, "samples": 32, "stay": 0}
    assert lines["over 0.75 to under 1"]["stay"] == 2
    assert lines["all"]["samples"] == 104


def test_questions_are_counted_by_whether_they_are_solved() -> None:
    counts = questions_by_solved(TALLIES.values())
    assert {name: tuple(one.values()) for name, one in counts.items()} == {
        "always solved": (1, 8),
        "solved sometimes": (1, 32),
        "unsolved": (1, 32),
        "not judged": (1, 32),
    }
