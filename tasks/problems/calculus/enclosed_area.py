"""Areas between curves.

Level 1: a parabola and the x-axis. Level 2: a parabola and a line. Level 3: two parabolas. About
1,500 questions in each phrasing at level 1.
"""

from __future__ import annotations

import random
from fractions import Fraction
from math import isqrt

from tasks.problems.machinery.family import Steps, Values, Worked, nonzero
from tasks.problems.machinery.notation import (
    coefficients,
    evaluate,
    fraction,
    plain,
    polynomial,
    python_polynomial,
    require,
)
from tasks.problems.machinery.slots import Polynomial

subdomain = "integrals"
concepts = ("area between curves", "definite integrals", "intersections of curves")
templates = {
    "en": {
        1: [
            "Find the area enclosed by the curve $y = {p}$ and the $x$-axis.",
            "What is the area of the region bounded by $y = {p}$ and the $x$-axis?",
            "The graph of $y = {p}$ and the $x$-axis enclose a region. Compute its area.",
        ],
        2: [
            "Find the area enclosed by the curves $y = {p}$ and $y = {q}$.",
            "What is the area of the region bounded by $y = {p}$ and $y = {q}$?",
            "The graphs of $y = {p}$ and $y = {q}$ enclose a region. Compute its area.",
        ],
    },
    "zh": {
        1: [
            "求曲线 $y = {p}$ 与 $x$ 轴所围成图形的面积。",
            "抛物线 $y = {p}$ 与 $x$ 轴围成一个封闭区域，它的面积是多少？",
        ],
        2: [
            "求曲线 $y = {p}$ 与 $y = {q}$ 所围成图形的面积。",
            "$y = {p}$ 与 $y = {q}$ 的图象围成一个封闭区域，它的面积是多少？",
        ],
    },
}
slots = {"p": Polynomial(degree=2), "q": Polynomial(degree=2)}


def draw(rng: random.Random, level: int) -> Values:
    r = rng.randint(-9, 8)
    s = r + rng.randint(1, 9)
    a = rng.choice((-3, -2, -1, 1, 2, 3)) if level == 1 else nonzero(rng, 4)
    gap = [a, -a * (r + s), a * r * s]
    if level == 1:
        return {"form": 1, "p": polynomial(gap)}
    second = [
        0 if level == 2 else rng.choice([c for c in (-3, -2, -1, 1, 2, 3) if c != -a]),
        nonzero(rng, 6),
        rng.randint(-9, 9),
    ]
    first = [x + y for x, y in zip(gap, second, strict=True)]
    return {"form": 2, "p": polynomial(first), "q": polynomial(second)}


def work(values: Values, language: str) -> Worked:
    p, q = coefficients(values["p"]), coefficients(values.get("q", "0"))
    size = max(len(p), len(q))
    gap = [x - y for x, y in zip([0] * (size - len(p)) + p, [0] * (size - len(q)) + q, strict=True)]
    require(
        size == 3 and gap[0] != 0 and max(map(abs, gap)) <= 10**4, "the curves enclose no parabolic segment"
    )
    steps = Steps(language)
    a, b, c = gap
    if "q" in values:
        steps.say(f"The difference of the curves is {polynomial(gap)}.", f"两曲线之差为 {polynomial(gap)}。")
    square = b * b - 4 * a * c
    require(square > 0 and isqrt(square) ** 2 == square, "the curves do not meet in two rational points")
    line = f"{plain(b)}^2 - 4 * {plain(a)} * {plain(c)} = {square} = {isqrt(square)}^2"
    steps.say(f"For the points of intersection, the discriminant is {line}.", f"求交点，判别式：{line}。")
    low, high = sorted(Fraction(-b + sign * isqrt(square), 2 * a) for sign in (-1, 1))
    roots = [f"({-b} {'+' if sign > 0 else '-'} {isqrt(square)}) / {plain(2 * a)}" for sign in (-1, 1)]
    ends = [low, high] if a > 0 else [high, low]
    lines = [f"{text} = {end}" for text, end in zip(roots, ends, strict=True)]
    steps.say(
        f"The curves meet at x-coordinates {lines[0]} and {lines[1]}.",
        f"交点横坐标：{lines[0]}，{lines[1]}。",
    )
    anti = [Fraction(a, 3), Fraction(b, 2), Fraction(c), Fraction(0)]
    top, bottom = evaluate(anti, high), evaluate(anti, low)
    steps.say(
        f"An antiderivative of the difference is {polynomial(anti)}, with the values {top} and {bottom} there.",
        f"差的原函数为 {polynomial(anti)}，在右、左端点的值为 {top} 和 {bottom}。",
    )
    line = f"{top} - {plain(bottom)} = {top - bottom}"
    steps.say(
        f"The integral is {line}, and the area is its absolute value.", f"定积分：{line}，面积取其绝对值。"
    )
    python = python_polynomial([a, b, c])
    program = (
        "from sympy import Abs, integrate, solve, symbols\nx = symbols('x', real=True)\n"
        f"f = {python}\nlow, high = sorted(solve(f, x))\nprint(Abs(integrate(f, (x, low, high))))"
    )
    return Worked(fraction(abs(top - bottom)), steps.all(), program)
