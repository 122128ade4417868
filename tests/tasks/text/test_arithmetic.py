from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.text.arithmetic import number, polynomial, written
from tasks.text.expressions import NotAnExpression


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12*7", 84),
        ("3 × (4 + 5)", 27),
        ("2^10", 1024),
        ("2**3**1", 8),
        ("1,250 / 5", 250),
        ("15% * 80", 12),
        (r"\frac{3}{4} + 1", Fraction(7, 4)),
        (r"-\dfrac{1}{2}", Fraction(-1, 2)),
        (r"\sqrt{16}", 4),
        (r"\left(2 + 3\right) \times 4 \div 5", 4),
        ("5!", 120),
        ("3(4)(2)", 24),
        ("-3^2", -9),
        ("(-3)^2", 9),
        ("10 - -3", 13),
        ("2^-2", Fraction(1, 4)),
        ("0.1 + 0.2", Fraction(3, 10)),
        ("8 − 5", 3),
    ],
)
def test_value_of_an_expression(text: str, value: Fraction | int) -> None:
    assert number(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2 8",
        "1/0",
        "3x",
        "9" * 50,
        "2^100",
        "2^(1/2)",
        "(" * 100 + "1" + ")" * 100,
        "abc",
        "1 +",
        "(1",
        "10^39*10^39",
        "200!",
        r"\sqrt{2}",
    ],
)
def test_what_is_not_an_exact_number_is_none(text: str) -> None:
    assert number(text) is None


def test_polynomials_have_one_unknown() -> None:
    assert polynomial("3x + 4 - x") == ({0: Fraction(4), 1: Fraction(2)}, "x")
    assert polynomial("(t - 1)(t + 2)")[0] == {2: 1, 1: 1, 0: -2}
    for text in ("x + y", "sin x", "x^x", "1/x", "x!"):
        with pytest.raises(NotAnExpression):
            polynomial(text)


@given(st.text(alphabet="0123456789+-*/^(){}x!%., \\fracsqrt=", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    number(text)


@given(st.fractions(max_denominator=400))
def test_written_is_read_back(value: Fraction) -> None:
    for like in ("", r"\frac{1}{2}", r"\dfrac{1}{2}", "1/2", "0.5"):
        assert number(written(value, like)) == value


@given(
    st.lists(
        st.tuples(st.sampled_from("+-*/"), st.integers(-30, 30), st.integers(0, 2)), min_size=1, max_size=6
    )
)
def test_calculations_without_brackets_have_the_value_of_their_tree(
    parts: list[tuple[str, int, int]],
) -> None:
    text = "7" + "".join(f"{sign}{value / 10**places:.{places}f}" for sign, value, places in parts)
    try:
        tree = polynomial(text)[0].get(0, Fraction(0))
    except NotAnExpression:
        tree = None
    assert number(text) == tree
