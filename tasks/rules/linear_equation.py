"""ax + b = c, integer root. The exemplar: copy this file to add a family."""

from __future__ import annotations

import random

from tasks.rules.family import Values, Worked

subdomain = "linear equations"
concepts = ("linear equations", "inverse operations")
templates = {
    "en": [
        "Solve for x: {a}x + {b} = {c}.",
        "What value of x satisfies {a}x + {b} = {c}?",
        "If {a} times a number plus {b} equals {c}, what is the number?",
    ],
    "zh": [
        "解方程：{a}x + {b} = {c}，求 x 的值。",
        "一个数的 {a} 倍加上 {b} 等于 {c}，这个数是多少？",
    ],
}


def draw(rng: random.Random, level: int) -> Values:
    bound = (9, 30, 200)[level - 1]
    a, b, x = rng.randint(2, bound), rng.randint(1, bound * 2), rng.randint(1, bound)
    return {"a": a, "b": b, "c": a * x + b}


def work(values: Values, language: str) -> Worked:
    a, b, c = int(values["a"]), int(values["b"]), int(values["c"])
    x = (c - b) // a
    if language == "zh":
        steps = (
            f"两边同时减去 {b}：{a}x = {c} - {b} = {c - b}。",
            f"两边同时除以 {a}：x = {c - b} / {a} = {x}。",
        )
    else:
        steps = (
            f"Subtract {b} from both sides: {a}x = {c} - {b} = {c - b}.",
            f"Divide both sides by {a}: x = {c - b} / {a} = {x}.",
        )
    program = f"from sympy import Eq, solve, symbols\nx = symbols('x')\nprint(solve(Eq({a}*x + {b}, {c}), x)[0])"
    return Worked(str(x), steps, program)
