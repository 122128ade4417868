"""Tangents to the graphs of polynomials.

Level 1: the tangent of a parabola. Level 2: of a cubic. Level 3: where the tangent of a cubic meets the
curve again. There are over 10,000 questions at level 1.
"""

from __future__ import annotations

import random
from fractions import Fraction

from tasks.problems.machinery.family import Steps, Values, Worked, factors
from tasks.problems.machinery.notation import (
    coefficients,
    evaluate,
    fraction,
    plain,
    polynomial,
    python_polynomial,
    require,
    substituted,
)
from tasks.problems.machinery.slots import Number, Polynomial

subdomain = "derivatives"
concepts = ("tangent lines", "derivative as slope", "point-slope form")
templates = {
    "en": {
        1: [
            "Find the equation of the tangent line to $y = {p}$ at $x = {a}$, in the form $y = mx + n$.",
            "What is the tangent to the curve $y = {p}$ at the point with $x = {a}$? Answer in the form $y = mx + n$.",
            "Give the equation $y = mx + n$ of the line that touches the graph of $y = {p}$ at $x = {a}$.",
        ],
        3: [
            "The tangent line to $y = {p}$ at $x = {a}$ meets the curve in one more point. What is the $x$-coordinate of that point?",
            "At which other value of $x$ does the tangent to $y = {p}$ at $x = {a}$ intersect the curve?",
            "A line touches the graph of $y = {p}$ at $x = {a}$ and cuts it once more. Find the $x$-coordinate of the second common point.",
        ],
    },
    "zh": {
        1: [
            "求曲线 $y = {p}$ 在 $x = {a}$ 处的切线方程，写成 $y = mx + n$ 的形式。",
            "直线 $y = mx + n$ 与曲线 $y = {p}$ 在 $x = {a}$ 处相切，写出这条直线的方程。",
        ],
        3: [
            "曲线 $y = {p}$ 在 $x = {a}$ 处的切线与曲线还有另一个交点，求该交点的横坐标。",
            "一条直线与 $y = {p}$ 的图象在 $x = {a}$ 处相切，并与图象交于另一点，求另一点的横坐标。",
        ],
    },
}
slots = {"p": Polynomial(degree=3), "a": Number(-100, 100)}


def draw(rng: random.Random, level: int) -> Values:
    while True:
        p, a = factors(rng, min(level + 1, 3), 9), rng.randint(-4, 5)
        slope = p[0] * 2 * a + p[1] if level == 1 else 3 * p[0] * a * a + 2 * p[1] * a + p[2]
        if level == 3 and p[1] + 3 * p[0] * a:
            return {"form": 3, "p": polynomial(p), "a": a}
        if level < 3 and slope:
            return {"form": 1, "p": polynomial(p), "a": a}


def work(values: Values, language: str) -> Worked:
    p, a = coefficients(values["p"]), int(values["a"])
    require(len(p) in (3, 4), "not of degree 2 or 3")
    steps = Steps(language)
    python = python_polynomial(p)
    slope = [factor * power for factor, power in zip(p, range(len(p) - 1, 0, -1), strict=False)]
    if values["form"] == 3:
        require(len(p) == 4, "not a cubic")
        x = -Fraction(p[1], p[0]) - 2 * a
        require(x != a, "the tangent meets the curve only once")
        steps.say(
            f"Curve minus tangent is a cubic with the double root {a} and one more root r.",
            f"曲线减去切线得到的三次式以 {a} 为二重根，另有一个根 r。",
        )
        line = f"{-p[1]} / {plain(p[0])} = {x + 2 * a}"
        steps.say(
            f"The tangent changes no quadratic term, so by Vieta the roots sum to {line}.",
            f"减去切线不改变二次项，由韦达定理三根之和为 {line}。",
        )
        line = f"r = {x + 2 * a} - 2 * {plain(a)} = {x}"
        steps.say(f"Hence {line}.", f"所以 {line}。")
        program = (
            "from sympy import diff, solve, symbols\nx = symbols('x')\n"
            f"f = {python}\ntangent = f.subs(x, {a}) + diff(f, x).subs(x, {a}) * ({python_polynomial([1, -a])})\n"
            f"print([r for r in solve(f - tangent, x) if r != {a}][0])"
        )
        return Worked(fraction(x), steps.all(), program)
    m, y = int(evaluate(slope, a)), int(evaluate(p, a))
    steps.say(
        f"The derivative is {polynomial(slope)}; at x = {a} the slope is {substituted(slope, a)} = {m}.",
        f"导数为 {polynomial(slope)}，在 x = {a} 处斜率为 {substituted(slope, a)} = {m}。",
    )
    steps.say(
        f"The point of contact has y-coordinate {substituted(p, a)} = {y}.",
        f"切点的纵坐标：{substituted(p, a)} = {y}。",
    )
    n = y - m * a
    line = f"{y} - {plain(m)} * {plain(a)} = {n}"
    steps.say(f"The intercept is {line}.", f"截距：{line}。")
    program = (
        "from sympy import diff, expand, latex, symbols\nx = symbols('x')\n"
        f"f = {python}\ntangent = f.subs(x, {a}) + diff(f, x).subs(x, {a}) * ({python_polynomial([1, -a])})\n"
        "print('y =', latex(expand(tangent)))"
    )
    return Worked(f"y = {polynomial([m, n])}", steps.all(), program)
