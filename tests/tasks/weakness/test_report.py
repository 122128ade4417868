"""The report of a run of the flow weakness: every call has a line among its costs."""

from __future__ import annotations

from typing import Any

from tasks.weakness.report import (
    MEASURING,
    STUDENT,
    arm_cells,
    cost_cells,
    costs_in_words,
    neighbours_in_words,
)


def bill(role: str, completions: int, tokens: int, usd: float) -> dict[str, Any]:
    return {
        "role": role,
        "completions": completions,
        "prompt_tokens": tokens - completions,
        "completion_tokens": completions,
        "usd": usd,
    }


RECORD: dict[str, Any] = {
    "costs": [bill("student", 24, 9_000, 0.5)],
    "measuring": [bill("critic", 416, 98_000, 1.25)],
    "arms": {
        "math-retrieval": {"rows": 3, "calls": 0, "tokens": 0, "usd": 0.0, "contaminated": 1},
        "skills": {"rows": 2, "calls": 25, "tokens": 12_000, "usd": 0.125, "contaminated": 0},
    },
}


def test_the_costs_have_a_line_for_the_critic_that_measures_and_sum_to_the_total() -> None:
    *lines, total = cost_cells(RECORD)
    assert [line["for"] for line in lines] == [STUDENT, MEASURING, "arm skills"]
    assert total == {"for": "total", "calls": "465", "tokens": "119,000", "cost": "$1.8750"}
    assert sum(int(line["tokens"].replace(",", "")) for line in lines) == 119_000
    assert "tokens" not in arm_cells(RECORD)[0]


def test_what_is_estimated_is_marked_and_the_student_has_answered_already() -> None:
    arm = {"calls": 19.4, "tokens": 18_000.0, "usd": 0.25}
    record = {
        "costs": RECORD["costs"],
        "estimate": {
            "measuring": {"calls": 535.2, "tokens": 184_000.0, "usd": 1.0},
            "arms": {"skills": arm, "random": arm},
        },
    }
    assert [line["calls"] for line in cost_cells(record)] == ["24", "~535", "~19", "~19", "~597"]  # not 598.0
    assert [(line["for"], line["tokens"]) for line in cost_cells(record)] == [
        (STUDENT, "9,000"),
        (MEASURING, "~184,000"),
        ("arm skills", "~18,000"),
        ("arm random", "~18,000"),
        ("total", "~229,000"),
    ]
    assert costs_in_words(record).startswith("Estimated")


def test_a_student_that_fails_nothing_has_a_sentence() -> None:
    words = neighbours_in_words({"judged": 31, "failed": 0})
    assert words.startswith("Of 31 answers that could be judged none is wrong")
