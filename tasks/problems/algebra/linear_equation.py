"""Linear equations in one unknown. The exemplar: copy this file to add a family.

Level 1: ax + b = c, integer root. Level 2: the unknown on both sides. Level 3: brackets on both sides,
rational root. There are about 3,000 equations at level 1, far more above.
"""

from __future__ import annotations

import random
from fractions import Fraction

from tasks.problems.machinery.family import Values, Worked, nonzero
from tasks.problems.machinery.notation import fraction, plain, python_polynomial, require, signed
from tasks.problems.machinery.slots import Number, Signed

subdomain = "linear equations"
concepts = ("linear equations", "inverse operations")
templates = {
    "en": {
        1: [
            "Solve for $x$: ${a}x {b} = {c}$.",
            "What value of $x$ satisfies ${a}x {b} = {c}$?",
            "Find the root of the equation ${a}x {b} = {c}$.",
        ],
        2: [
            "Solve for $x$: ${a}x {b} = {c}x {d}$.",
            "For which $x$ are ${a}x {b}$ and ${c}x {d}$ equal?",
            "Find the root of the equation ${a}x {b} = {c}x {d}$.",
        ],
        3: [
            "Solve for $x$: ${a}(x {b}) = {c}(x {d}) {e}$.",
            "Which number $x$ satisfies ${a}(x {b}) = {c}(x {d}) {e}$?",
            "Find the exact root of the equation ${a}(x {b}) = {c}(x {d}) {e}$.",
        ],
    },
    "zh": {
        1: ["解方程：${a}x {b} = {c}$，求 $x$ 的值。", "当 $x$ 取何值时，${a}x {b} = {c}$ 成立？"],
        2: [
            "解方程：${a}x {b} = {c}x {d}$，求 $x$ 的值。",
            "当 $x$ 取何值时，${a}x {b}$ 与 ${c}x {d}$ 相等？",
        ],
        3: [
            "解方程：${a}(x {b}) = {c}(x {d}) {e}$，求 $x$ 的值。",
            "当 $x$ 取何值时，${a}(x {b}) = {c}(x {d}) {e}$ 成立？",
        ],
    },
}
slots = {"a": Number(2, 10**4), "b": Signed(), "d": Signed(), "e": Signed()}


def draw(rng: random.Random, level: int) -> Values:
    b, d = nonzero(rng, 18), nonzero(rng, 15)
    if level == 1:
        a = rng.randint(2, 12)
        return {"form": 1, "a": a, "b": b, "c": a * rng.randint(1, 12) + b}
    a, c = rng.sample(range(2, 20 if level == 2 else 12), 2)
    if level == 2:
        b = d + (c - a) * nonzero(rng, 15) or c - a
        return {"form": 2, "a": a, "b": b, "c": c, "d": d}
    return {"form": 3, "a": a, "b": b, "c": c, "d": d, "e": nonzero(rng, 30)}


def work(values: Values, language: str) -> Worked:
    form, a, b, c = (int(values[name]) for name in ("form", "a", "b", "c"))
    d, e = int(values.get("d", 0)), int(values.get("e", 0))
    zh = language == "zh"
    steps = []
    left, right, slope = b, d, c  # ax + left = slope x + right
    if form == 1:
        slope, right = 0, c
    if form == 3:
        left, right = a * b, c * d + e
        products = f"{a} * {plain(b)} = {left}", f"{c} * {plain(d)} {signed(e)} = {right}"
        head = f"去括号：{products[0]}，{products[1]}" if zh else f"Expand: {products[0]} and {products[1]}"
        tail = f"{a}x {signed(left)} = {c}x {signed(right)}"
        steps.append(f"{head}，得 {tail}。" if zh else f"{head}, so {tail}.")
    require(a != slope, "the coefficients of x are equal")
    total, rest = a - slope, right - left
    if form > 1:
        moved = f"{a} - {slope} = {total}"
        steps.append(
            f"移项，x 的系数为 {moved}。" if zh else f"Collect x on the left; its coefficient is {moved}."
        )
    difference = f"{right} - {plain(left)} = {rest}"
    steps.append(
        f"常数项移到右边：{difference}。" if zh else f"Move the constants to the right: {difference}."
    )
    x = Fraction(rest, total)
    quotient = f"x = {rest} / {plain(total)} = {x}"
    steps.append(f"两边除以 x 的系数：{quotient}。" if zh else f"Divide by the coefficient of x: {quotient}.")
    sides = {
        1: f"{python_polynomial([a, b])}, {c}",
        2: f"{python_polynomial([a, b])}, {python_polynomial([c, d])}",
        3: f"{a}*({python_polynomial([1, b])}), {c}*({python_polynomial([1, d])}) {signed(e)}",
    }[form]
    program = f"from sympy import Eq, solve, symbols\nx = symbols('x')\nprint(solve(Eq({sides}), x)[0])"
    return Worked(fraction(x), tuple(steps), program)
