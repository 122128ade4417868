"""Definite integrals of polynomials between integers.

Level 1: linear. Level 2: quadratic. Level 3: cubic, or the absolute value of a linear function. There
are over 50,000 integrals at level 1.
"""

from __future__ import annotations

import random
from fractions import Fraction

from tasks.problems.machinery.family import Values, Worked, factors
from tasks.problems.machinery.notation import (
    coefficients,
    evaluate,
    fraction,
    plain,
    polynomial,
    python_polynomial,
    require,
)
from tasks.problems.machinery.slots import Number, Polynomial

subdomain = "integrals"
concepts = ("definite integrals", "power rule", "fundamental theorem of calculus")
_PLAIN = r"\int_{{{a}}}^{{{b}}} ({p}) \, dx"
_ABSOLUTE = r"\int_{{{a}}}^{{{b}}} |{p}| \, dx"
templates = {
    "en": {
        form: [
            f"Evaluate ${shape}$.",
            f"Compute the definite integral ${shape}$.",
            f"What is the exact value of ${shape}$?",
        ]
        for form, shape in ((1, _PLAIN), (3, _ABSOLUTE))
    },
    "zh": {
        form: [f"计算定积分 ${shape}$。", f"求 ${shape}$ 的值。"]
        for form, shape in ((1, _PLAIN), (3, _ABSOLUTE))
    },
}
_BOUND = Number(-1000, 1000)
slots = {"p": Polynomial(degree=4), "a": _BOUND, "b": _BOUND}


def draw(rng: random.Random, level: int) -> Values:
    a = rng.randint(-4, 4)
    b = a + rng.randint(1, 5)
    if level < 3 or rng.random() < 0.5:
        return {"form": 1, "a": a, "b": b, "p": polynomial(factors(rng, level, 12))}
    a, b, slope = a - 3, b + 3, rng.randint(1, 6)
    crossing = rng.randint(a * slope + 1, b * slope - 1)
    return {"form": 3, "a": a, "b": b, "p": polynomial([slope, -crossing])}


def work(values: Values, language: str) -> Worked:
    zh = language == "zh"
    a, b, p = int(values["a"]), int(values["b"]), coefficients(values["p"])
    require(a < b, "the bounds are out of order")
    python = python_polynomial(p)
    head = "from sympy import Abs, integrate, symbols\nx = symbols('x', real=True)\n"
    if values["form"] == 3:
        return _absolute(a, b, p, zh, f"{head}print(integrate(Abs({python}), (x, {a}, {b})))")
    anti = _antiderivative(p)
    high, low = evaluate(anti, b), evaluate(anti, a)
    steps = (
        f"原函数：F(x) = {polynomial(anti)}。" if zh else f"An antiderivative is F(x) = {polynomial(anti)}.",
        f"F({b}) = {_at(p, b)} = {high}。" if zh else f"F({b}) = {_at(p, b)} = {high}.",
        f"F({a}) = {_at(p, a)} = {low}。" if zh else f"F({a}) = {_at(p, a)} = {low}.",
        f"定积分：{high} - {plain(low)} = {high - low}。"
        if zh
        else f"The integral is {high} - {plain(low)} = {high - low}.",
    )
    program = f"{head.replace('Abs, ', '')}print(integrate({python}, (x, {a}, {b})))"
    return Worked(fraction(high - low), steps, program)


def _antiderivative(p: list[int]) -> list[Fraction]:
    powers = range(len(p), 0, -1)
    return [Fraction(factor, power) for factor, power in zip(p, powers, strict=True)] + [Fraction(0)]


def _at(p: list[int], at: int) -> str:
    """Return the antiderivative at a point as plain arithmetic."""
    anti = _antiderivative(p)
    terms = [
        f"{plain(factor)} * {plain(at)}" + (f"^{power}" if power > 1 else "")
        for factor, power in zip(anti, range(len(p), -1, -1), strict=True)
        if factor
    ]
    return " + ".join(terms)


def _absolute(a: int, b: int, p: list[int], zh: bool, program: str) -> Worked:
    require(len(p) == 2, "not a linear function")
    zero = Fraction(-p[1], p[0])
    require(a < zero < b, "no change of sign between the bounds")
    sides = [abs(p[0]) * (end - zero) ** 2 / 2 for end in (a, b)]
    heights = [abs(p[0] * end + p[1]) for end in (a, b)]
    lines = [
        f"1/2 * {heights[0]} * ({zero} - {plain(a)}) = {sides[0]}",
        f"1/2 * {heights[1]} * ({b} - {plain(zero)}) = {sides[1]}",
        f"{sides[0]} + {sides[1]} = {sum(sides)}",
    ]
    heads = (
        (f"函数在 x = {zero} 处变号，左边三角形的面积", "右边三角形的面积", "两部分相加")
        if zh
        else (
            f"The function changes sign at x = {zero}. Area of the left triangle",
            "Area of the right triangle",
            "Their sum",
        )
    )
    steps = tuple(
        f"{head}：{line}。" if zh else f"{head}: {line}." for head, line in zip(heads, lines, strict=True)
    )
    return Worked(fraction(sum(sides)), steps, program)
