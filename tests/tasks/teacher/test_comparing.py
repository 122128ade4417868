from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.teacher.comparing import same_answer, surd


@pytest.mark.parametrize(
    ("stated", "own", "same"),
    [
        ("0.5", r"\frac{1}{2}", True),
        ("(2, 3)", "(2,3)", True),
        ("(2, 3)", "(3, 2)", False),
        ("x^2 - 4", "(x - 2)(x + 2)", True),
        ("2 - 6x^3", "-6x^3 + 2", True),
        ("x^2 - 4", "x^2 - 5", False),
        (r"\begin{pmatrix} 1 & 2 \end{pmatrix}", r"\begin{pmatrix} 1 & 3 \end{pmatrix}", False),
        (r"2\sqrt{8}", r"4\sqrt{2}", True),
        (r"5\sqrt{36}", r"5\sqrt{31}", False),
        (r"\frac{3\sqrt{2}}{2}", r"\frac{\sqrt{18}}{2}", True),
        (r"1 + \sqrt{5}", r"1 - \sqrt{5}", False),
        ("√12", r"2\sqrt{3}", True),
        (r"\sqrt{2}\sqrt{3}", r"\sqrt{6}", True),
        (r"x \le 3", r"(-\infty, 3]", None),
    ],
)
def test_same_answer(stated: str, own: str, same: bool | None) -> None:
    assert same_answer(stated, own) is same


def test_a_surd_in_lowest_terms() -> None:
    assert surd(r"\frac{1 + 2\sqrt{12}}{3}") == (Fraction(1, 3), Fraction(4, 3), 3)
    assert surd(r"(1 + \sqrt{2})^2") == (3, 2, 2)
    assert surd(r"\sqrt{49}") == (7, 0, 1)
    assert surd("r + 1") is None
    assert surd(r"x\sqrt{2}") is None


@given(st.integers(1, 60), st.integers(1, 400), st.integers(1, 60), st.integers(1, 400))
def test_surds_are_equal_exactly_when_their_squares_are(a: int, n: int, b: int, m: int) -> None:
    assert (surd(rf"{a}\sqrt{{{n}}}") == surd(rf"{b}\sqrt{{{m}}}")) == (a * a * n == b * b * m)


@given(st.text(alphabet=r"0123456789\sqrt{}()+-*/^x .,√", max_size=40))
def test_any_text_is_compared(text: str) -> None:
    assert same_answer(text, r"\sqrt{2}") in (True, False, None)
