"""Comparison of two final answers, as exactly as a critic can without computer algebra."""

from __future__ import annotations

import math
import re
from fractions import Fraction

from tasks.answers.exact import decide
from tasks.text.arithmetic import polynomial
from tasks.text.expressions import NotAnExpression


def same_answer(stated: str, expected: str) -> bool | None:
    """Return whether two final answers are equal, or None if that takes more algebra than this critic knows."""
    judgement = decide(stated, expected)
    if judgement in ("equal", "different"):
        return judgement == "equal"
    a, b = surd(stated), surd(expected)
    if a is not None and b is not None:
        return a == b
    try:
        (p, x), (q, y) = polynomial(stated), polynomial(expected)
    except NotAnExpression:
        return _differ_in_numbers(stated, expected)
    return x == y and all(p.get(power, 0) == q.get(power, 0) for power in p.keys() | q.keys())


_ROOT = re.compile(r"\\sqrt\s*\{\s*(\d{1,12})\s*\}|(?:√|\bsqrt)\s*\(?(\d{1,12})\)?|\\sqrt\s*(\d)")


def surd(text: str) -> tuple[Fraction, Fraction, int] | None:
    """Return (a, b, n) of a number a + b sqrt(n) with square-free n (1 if there is no root), or None."""
    kernels: set[int] = set()

    def root(match: re.Match[str]) -> str:
        outside, kernel = _square_free(int(next(filter(None, match.groups()))))
        kernels.add(kernel)
        return f"({outside})" if kernel == 1 else f"({outside}r)"

    spelled = _ROOT.sub(root, text)
    try:
        poly, name = polynomial(spelled)
    except NotAnExpression:
        return None
    kernels.discard(1)
    if len(kernels) > 1 or (name and not (name == "r" and kernels)):
        return None
    n = kernels.pop() if kernels else 1
    rational = sum(
        (value * Fraction(n) ** (power // 2) for power, value in poly.items() if power % 2 == 0), Fraction(0)
    )
    irrational = sum(
        (value * Fraction(n) ** (power // 2) for power, value in poly.items() if power % 2), Fraction(0)
    )
    return (rational, irrational, n) if irrational else (rational, Fraction(0), 1)


def _square_free(number: int) -> tuple[int, int]:
    """Return (s, m) with number = s * s * m; m has no square factors up to 1000 squared."""
    outside, kernel, divisor = 1, number, 2
    while divisor <= 1000 and divisor * divisor <= kernel:
        if kernel % (divisor * divisor) == 0:
            kernel //= divisor * divisor
            outside *= divisor
        else:
            divisor += 1
    whole = math.isqrt(kernel)
    return (outside * whole, 1) if whole * whole == kernel else (outside, kernel)


def _differ_in_numbers(stated: str, expected: str) -> bool | None:
    """Return False if two texts differ only in their numbers (matrices, intervals), or None if they may still be equal: a
    root of a number with a square factor can be written in other ways."""
    a, b = (re.sub(r"\s", "", text) for text in (stated, expected))
    if re.sub(r"\d+", "0", a) != re.sub(r"\d+", "0", b):
        return None
    radicands = [int(digits) for digits in re.findall(r"\\sqrt\{?(\d{1,9})\}?", a + b)]
    return None if any(_square_free(radicand)[0] > 1 for radicand in radicands) else False
