"""Derivatives at a point.

Level 1: of a quadratic or cubic. Level 2: of a product. Level 3: of a quotient. There are over 100,000
questions at level 1.
"""

from __future__ import annotations

import random

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
concepts = ("power rule", "product rule", "quotient rule")
_SHAPES = {1: "{p}", 2: "({p})({q})", 3: "\\frac{{{p}}}{{{q}}}"}
templates = {
    "en": {
        form: [
            f"Let $f(x) = {shape}$. Find $f'({{a}})$.",
            f"What is the derivative of $f(x) = {shape}$ at $x = {{a}}$?",
            f"Compute the slope of the graph of $f(x) = {shape}$ at $x = {{a}}$.",
        ]
        for form, shape in _SHAPES.items()
    },
    "zh": {
        form: [
            f"已知 $f(x) = {shape}$，求 $f'({{a}})$。",
            f"求函数 $f(x) = {shape}$ 在 $x = {{a}}$ 处的导数。",
        ]
        for form, shape in _SHAPES.items()
    },
}
slots = {"p": Polynomial(degree=5), "q": Polynomial(degree=4), "a": Number(-100, 100)}


def draw(rng: random.Random, level: int) -> Values:
    a = rng.randint(-4, 5)
    if level == 1:
        return {"form": 1, "p": polynomial(factors(rng, rng.choice((2, 3)), 9)), "a": a}
    while True:
        p, q = factors(rng, 2 if level == 2 else rng.choice((1, 2)), 7), factors(rng, rng.choice((1, 2)), 6)
        if level == 2 or evaluate(q, a):
            return {"form": level, "p": polynomial(p), "q": polynomial(q), "a": a}


def derivative(p: list[int]) -> list[int]:
    """Return the coefficients of the derivative, highest power first."""
    return [factor * power for factor, power in zip(p, range(len(p) - 1, 0, -1), strict=False)] or [0]


def _python(p: list[int]) -> str:
    return f"({python_polynomial(p)})"


def work(values: Values, language: str) -> Worked:
    form, a, p = int(values["form"]), int(values["a"]), coefficients(values["p"])
    steps = Steps(language)
    slope = derivative(p)
    head = "from sympy import diff, symbols\nx = symbols('x')\n"
    if form == 1:
        value = evaluate(slope, a)
        steps.say(
            f"By the power rule, f'(x) = {polynomial(slope)}.",
            f"由幂函数求导法则，f'(x) = {polynomial(slope)}。",
        )
        line = f"{substituted(slope, a)} = {value}"
        steps.say(f"At x = {a} this is {line}.", f"在 x = {a} 处：{line}。")
        return Worked(str(value), steps.all(), f"{head}print(diff({_python(p)}, x).subs(x, {a}))")
    q = coefficients(values["q"])
    sides = {"u": p, "v": q, "u'": slope, "v'": derivative(q)}
    text = {name: f"{name} = {polynomial(side)}" for name, side in sides.items()}
    steps.say(
        f"Differentiate both parts: {'; '.join(text.values())}.", f"分别求导：{'；'.join(text.values())}。"
    )
    at = {name: evaluate(side, a) for name, side in sides.items()}
    lines = [
        f"{name}: {substituted(side, a)} = {at[name]}" if len(side) > 1 else f"{name}: {at[name]}"
        for name, side in sides.items()
    ]
    steps.say(f"At x = {a}, {'; '.join(lines)}.", f"在 x = {a} 处，{'；'.join(lines)}。")
    u, v, du, dv = (plain(at[name]) for name in ("u", "v", "u'", "v'"))
    if form == 2:
        total = at["u'"] * at["v"] + at["u"] * at["v'"]
        line = f"{du} * {v} + {u} * {dv} = {total}"
        steps.say(f"The product rule u'v + uv' gives {line}.", f"由乘积法则 u'v + uv'：{line}。")
        return Worked(
            str(total), steps.all(), f"{head}print(diff({_python(p)}*{_python(q)}, x).subs(x, {a}))"
        )
    require(at["v"] != 0, "the function is not defined there")
    top = at["u'"] * at["v"] - at["u"] * at["v'"]
    line = f"{du} * {v} - {u} * {dv} = {top}"
    steps.say(f"In the quotient rule, u'v - uv' is {line}.", f"商的求导法则中 u'v - uv'：{line}。")
    result = top / at["v"] ** 2
    line = f"{top} / {v}^2 = {result}"
    steps.say(f"Divide by v^2: {line}.", f"除以 v^2：{line}。")
    return Worked(
        fraction(result), steps.all(), f"{head}print(diff({_python(p)}/{_python(q)}, x).subs(x, {a}))"
    )
