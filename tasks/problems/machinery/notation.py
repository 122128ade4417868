"""Exact mathematics as text: fractions, roots, polynomials and matrices as a solver would box them.

Answers are LaTeX (`\\frac{3}{4}`, `2\\sqrt{3}`, `\\begin{pmatrix}...`). Worked steps write the same numbers as plain
arithmetic (`3/4`, `(-2) * 5 = -10`), so that every equality in them can be evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from math import isqrt


class Unworkable(ValueError):
    """The values have no exact answer: they are outside a slot's bounds, or the problem has no solution."""


def require(condition: bool, message: str) -> None:
    """Raise Unworkable with the message unless the condition holds."""
    if not condition:
        raise Unworkable(message)


def fraction(value: Fraction | int) -> str:
    """Return a number as LaTeX: `3`, `\\frac{3}{4}`, `-\\frac{3}{4}`."""
    value = Fraction(value)
    if value.denominator == 1:
        return str(value.numerator)
    sign = "-" if value < 0 else ""
    return rf"{sign}\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"


def plain(value: Fraction | int) -> str:
    """Return a number as an operand of plain arithmetic: `3`, `(3/4)`, `(-3)`."""
    value = Fraction(value)
    return str(value) if value >= 0 and value.denominator == 1 else f"({value})"


def signed(value: Fraction | int) -> str:
    """Return a number as a later term of a sum: `+ 5`, `- 3`."""
    return f"{'-' if value < 0 else '+'} {abs(value)}"


def square_part(number: int) -> tuple[int, int]:
    """Return (k, m) with number = k^2 * m and m without square factors. Raises Unworkable unless 1 <= number <= 10^9."""
    require(1 <= number <= 10**9, f"the root of {number} is out of bounds")
    outside, inside, factor = 1, number, 2
    while factor * factor <= inside:
        while inside % (factor * factor) == 0:
            inside //= factor * factor
            outside *= factor
        factor += 1
    return outside, inside


def square_factor(number: int, language: str = "en") -> str:
    """Return the reason why a root simplifies as a clause, `12 = 2^2 * 3` or `9 = 3^2`, or the statement that it does not."""
    outside, inside = square_part(number)
    if outside == 1:
        return f"{number} 没有平方因数" if language == "zh" else f"{number} has no square factor"
    return f"{number} = {outside}^2" + (f" * {inside}" if inside > 1 else "")


def root(number: int) -> str:
    """Return the square root of a positive integer as LaTeX: `4`, `\\sqrt{3}`, `2\\sqrt{3}`."""
    outside, inside = square_part(number)
    if inside == 1:
        return str(outside)
    return (str(outside) if outside > 1 else "") + rf"\sqrt{{{inside}}}"


def prime_powers(number: int) -> dict[int, int]:
    """Return the prime factors with their exponents, in order. Raises Unworkable unless 1 <= number <= 10^9."""
    require(1 <= number <= 10**9, f"{number} is too large to factor here")
    exponents: dict[int, int] = {}
    prime = 2
    while prime * prime <= number:
        while number % prime == 0:
            number //= prime
            exponents[prime] = exponents.get(prime, 0) + 1
        prime += 1
    if number > 1:
        exponents[number] = 1
    return exponents


def times_root(factor: Fraction, inside: int) -> str:
    """Return factor * sqrt(inside) as LaTeX, for a positive factor."""
    if inside == 1:
        return fraction(factor)
    top = root(inside) if factor.numerator == 1 else f"{factor.numerator}{root(inside)}"
    return top if factor.denominator == 1 else rf"\frac{{{top}}}{{{factor.denominator}}}"


def exact_root(number: int) -> int:
    """Return the root of a perfect square. Raises Unworkable for other numbers."""
    require(number >= 0 and isqrt(number) ** 2 == number, f"{number} is no perfect square")
    return isqrt(number)


def times_pi(value: Fraction | int) -> str:
    """Return a multiple of pi as LaTeX: `\\pi`, `12\\pi`, `\\frac{3\\pi}{2}`."""
    value = Fraction(value)
    top = (str(value.numerator) if value.numerator != 1 else "") + r"\pi"
    return top if value.denominator == 1 else rf"\frac{{{top}}}{{{value.denominator}}}"


def polynomial(coefficients: Sequence[int | Fraction], letter: str = "x") -> str:
    """Return the polynomial with these coefficients, highest power first: `2x^3 - 5x + 1`, `(2/3)x^2 - x`, or `0`."""
    text = ""
    for place, factor in enumerate(coefficients, start=1):
        power = len(coefficients) - place
        if factor == 0:
            continue
        size = plain(abs(Fraction(factor))) if abs(factor) != 1 or power == 0 else ""
        term = size + (letter if power else "") + (f"^{power}" if power > 1 else "")
        if text:
            text += f" {'-' if factor < 0 else '+'} {term}"
        else:
            text = ("-" if factor < 0 else "") + term
    return text or "0"


def python_polynomial(coefficients: Sequence[int | Fraction], letter: str = "x") -> str:
    """Return the polynomial with these coefficients, highest power first, as Python: `2*x**3 - 5*x + 1`, or `0`."""
    text = ""
    for place, factor in enumerate(coefficients, start=1):
        power = len(coefficients) - place
        if factor == 0:
            continue
        size = plain(abs(Fraction(factor))) if abs(factor) != 1 or power == 0 else ""
        unknown = (letter if power else "") + (f"**{power}" if power > 1 else "")
        term = f"{size}*{unknown}" if size and unknown else size or unknown
        text += (f" {'-' if factor < 0 else '+'} " if text else "-" if factor < 0 else "") + term
    return text or "0"


def coefficients(text: int | str, letter: str = "x", most: int = 9) -> list[int]:
    """Return the coefficients, highest power first, of a text that `polynomial` wrote. Raises Unworkable for other text."""
    by_power: dict[int, int] = {}
    body = re.sub(r"\s", "", str(text))
    for term in re.findall(r"[+-]?[^+-]+", body):
        match = re.fullmatch(rf"([+-]?)(\d{{0,9}})(?:({letter})(?:\^(\d))?)?", term)
        if match is None or not (match[2] or match[3]):
            raise Unworkable(f"{body} is no polynomial in {letter}")
        power = int(match[4] or 1) if match[3] else 0
        require(power <= most and power not in by_power, f"the powers of {body}")
        by_power[power] = int(match[1] + (match[2] or "1"))
    require(bool(by_power), "an empty polynomial")
    return [by_power.get(power, 0) for power in range(max(by_power), -1, -1)]


def evaluate(factors: Sequence[int | Fraction], at: int | Fraction) -> Fraction:
    """Return the value of a polynomial (highest power first) at a point."""
    total = Fraction(0)
    for factor in factors:
        total = total * at + factor
    return total


def substituted(factors: Sequence[int], at: int) -> str:
    """Return the value of a polynomial at an integer as plain arithmetic: `2 * 3^2 - 5 * 3 + 1`."""
    text, point = "", plain(at)
    for power, factor in zip(range(len(factors) - 1, -1, -1), factors, strict=True):
        if factor == 0:
            continue
        size = "" if power and abs(factor) == 1 else str(abs(factor))
        value = f"{point}^{power}" if power > 1 else point if power else ""
        term = f"{size} * {value}" if size and value else size or value
        if text:
            text += f" {'-' if factor < 0 else '+'} {term}"
        else:
            text = ("-" if factor < 0 else "") + term
    return text or "0"


def cells(value: int | str) -> list[list[int]]:
    """Return the integers of a `Matrix` slot."""
    return [[int(cell) for cell in row.split("&")] for row in str(value).split(r"\\")]


def inner(rows: Sequence[Sequence[int]]) -> str:
    """Return integers as the value of a `Matrix` slot."""
    return r" \\ ".join(" & ".join(str(cell) for cell in row) for row in rows)


def matrix(rows: Sequence[Sequence[int | Fraction]]) -> str:
    """Return a matrix as LaTeX."""
    body = r" \\ ".join(" & ".join(fraction(cell) for cell in row) for row in rows)
    return rf"\begin{{pmatrix}} {body} \end{{pmatrix}}"
