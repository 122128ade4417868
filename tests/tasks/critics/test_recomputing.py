from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.critics.recomputing import calculations


def stated(text: str) -> list[tuple[str, str, bool]]:
    return [(statement.left_text, statement.right_text, statement.true) for statement in calculations(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Subtract 4: 3x = 19 - 4 = 15.", [("19 - 4", "15", True)]),
        ("so 3 + 4 = 8 apples", [("3 + 4", "8", False)]),
        ("x = 15 / 3 = 6.", [("15 / 3", "6", False)]),
        ("10 / 3 = 3.33", [("10 / 3", "3.33", True)]),
        ("10 / 3 = 3.34", [("10 / 3", "3.34", False)]),
        ("共 3 + 4 = 7 个", [("3 + 4", "7", True)]),
        (
            r"\frac{1}{2} \times 8 = 4, so 4 + 1 = 6",
            [(r"\frac{1}{2} \times 8", "4", True), ("4 + 1", "6", False)],
        ),
        ("1. 3 + 4 = 7", [("3 + 4", "7", True)]),
        ("5% of 80 = 4", [("5% of 80", "4", True)]),
        ("$2 + 2 = 5$", [("2 + 2", "5", False)]),
        ("2 * 3 = 6 = 5 + 1 = 7", [("2 * 3", "6", True), ("6", "5 + 1", True), ("5 + 1", "7", False)]),
        ("the integral is -5/3 - (1/3) = -2.", [("-5/3 - (1/3)", "-2", True)]),
        ("They cost 48/2 = <<48/2=24>>24 dollars", [("48/2", "24", True)]),
    ],
)
def test_statements_are_found_and_judged(text: str, expected: list[tuple[str, str, bool]]) -> None:
    assert stated(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "f(2) = 3",
        "17 ÷ 5 = 3 余 2",
        "17 / 5 = 3 remainder 2",
        "3x + 4 = 19",
        "log_2 8 = 3",
        "(1, 2) + (3, 4) = (4, 6)",
        "x^2 = 4",
        "= 5x",
        "12 mod 5 = 2",
        "x = 4, y = 3",
        r"\binom{5}{2} = 10",
        r"2 \times 3 = 6\pi",
        "2 + 3 >= 4",
        "2 + 3 != 4",
        "a - 3 = 2",
        "half of 80 = 40",
        "|3 - 5| = 2",
    ],
)
def test_what_is_not_plain_arithmetic_is_left_alone(text: str) -> None:
    assert stated(text) == []


@given(st.text(alphabet="0123456789+-*/=. ,()x%{}\\^!$\n余of", max_size=120))
def test_any_text_is_read_and_spans_lie_in_it(text: str) -> None:
    last = 0
    for statement in calculations(text):
        assert 0 <= statement.start < statement.right_at < statement.end <= len(text)
        assert text[statement.right_at : statement.end] == statement.right_text
        assert statement.end > last
        last = statement.end


@given(st.integers(-200, 200), st.integers(-200, 200), st.integers(-5, 5))
def test_sums_are_true_exactly_when_they_are(a: int, b: int, error: int) -> None:
    ((_, _, true),) = stated(f"We get ({a}) + ({b}) = {a + b + error} in all.")
    assert true == (error == 0)
