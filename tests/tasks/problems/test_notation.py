"""Polynomials in programs: written as people write them, and equal to what they stand for."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sympy import Poly, symbols, sympify

from tasks.problems.machinery.notation import python_polynomial


@pytest.mark.parametrize(
    ("coefficients", "expected"),
    [
        ([3, 0, -5], "3*x**2 - 5"),
        ([-1, 1, 0], "-x**2 + x"),
        ([1, -1, 1], "x**2 - x + 1"),
        ([-5], "-5"),
        ([0], "0"),
        ([Fraction(3, 4), 2], "(3/4)*x + 2"),
    ],
)
def test_a_polynomial_has_no_power_of_nought_and_no_needless_sign(
    coefficients: list[int | Fraction], expected: str
) -> None:
    assert python_polynomial(coefficients) == expected


@given(st.lists(st.integers(-20, 20), min_size=1, max_size=5))
def test_a_polynomial_is_the_one_with_these_coefficients(coefficients: list[int]) -> None:
    x = symbols("x")
    assert Poly(sympify(python_polynomial(coefficients)), x) == Poly(coefficients, x)
