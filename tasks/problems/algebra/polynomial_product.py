"""Expanding products of polynomials.

Level 1: two linear factors. Level 2: a linear and a quadratic factor. Level 3: two quadratic factors,
less a third polynomial. There are over 50,000 products at level 1.
"""

from __future__ import annotations

import random
from itertools import zip_longest

from tasks.problems.machinery.family import Values, Worked, factors
from tasks.problems.machinery.notation import coefficients, plain, polynomial, python_polynomial, require
from tasks.problems.machinery.slots import Polynomial

subdomain = "polynomials"
concepts = ("polynomial multiplication", "like terms")
templates = {
    "en": {
        1: [
            "Expand and simplify $({p})({q})$.",
            "Write $({p})({q})$ as a polynomial in standard form.",
            "Multiply ${p}$ by ${q}$ and collect like terms.",
        ],
        2: [
            "Expand and simplify $({p})({q}) - ({r})$.",
            "Write $({p})({q}) - ({r})$ as a polynomial in standard form.",
            "Multiply ${p}$ by ${q}$, subtract ${r}$ from the product, and collect like terms.",
        ],
    },
    "zh": {
        1: ["展开并化简：$({p})({q})$。", "计算多项式 ${p}$ 与 ${q}$ 的积，按 $x$ 的降幂排列。"],
        2: [
            "展开并化简：$({p})({q}) - ({r})$。",
            "用 ${p}$ 乘以 ${q}$，再从积中减去 ${r}$，结果按 $x$ 的降幂排列。",
        ],
    },
}
slots = dict.fromkeys("pqr", Polynomial(degree=3))


def draw(rng: random.Random, level: int) -> Values:
    if level == 1:
        return {"form": 1, "p": polynomial(factors(rng, 1, 9)), "q": polynomial(factors(rng, 1, 9))}
    p, q = factors(rng, level - 1, 9), factors(rng, 2, 9)
    if level == 2:
        return {"form": 1, "p": polynomial(p), "q": polynomial(q)}
    return {"form": 2, "p": polynomial(p), "q": polynomial(q), "r": polynomial(factors(rng, 3, 12))}


def work(values: Values, language: str) -> Worked:
    zh = language == "zh"
    p, q = coefficients(values["p"])[::-1], coefficients(values["q"])[::-1]  # lowest power first
    r = coefficients(values["r"])[::-1] if "r" in values else []
    require(len(p) > 1 and len(q) > 1, "a constant factor")
    steps, product = [], [0] * (len(p) + len(q) - 1)
    for power in range(len(product) - 1, -1, -1):
        pairs = [(p[i], q[power - i]) for i in range(len(p)) if 0 <= power - i < len(q)]
        pairs = [pair for pair in pairs if pair[0] and pair[1]]
        product[power] = sum(one * other for one, other in pairs)
        if not pairs:
            continue
        line = " + ".join(f"{plain(one)} * {plain(other)}" for one, other in pairs) + f" = {product[power]}"
        steps.append(f"{_named(power, zh)}：{line}。" if zh else f"{_named(power, zh)}: {line}.")
    total = [one - other for one, other in zip_longest(product, r, fillvalue=0)]
    if r:
        lines = ", ".join(
            f"{product[power]} - {plain(r[power])} = {total[power]}" for power in range(len(r) - 1, -1, -1)
        )
        lines = lines.replace(", ", "，") if zh else lines
        steps.append(
            f"逐项减去后一个多项式的系数：{lines}。"
            if zh
            else f"Subtract the coefficients of the last polynomial: {lines}."
        )
    answer = polynomial(total[::-1])
    require(any(total), "everything cancels")
    steps.append(f"结果：{answer}。" if zh else f"The result is {answer}.")
    python = " - ".join([f"({_python(p)})*({_python(q)})"] + ([f"({_python(r)})"] if r else []))
    program = f"from sympy import expand, latex, symbols\nx = symbols('x')\nprint(latex(expand({python})))"
    return Worked(answer, tuple(steps), program)


def _named(power: int, zh: bool) -> str:
    if power == 0:
        return "常数项" if zh else "The constant term"
    letter = "x" if power == 1 else f"x^{power}"
    return f"{letter} 的系数" if zh else f"The coefficient of {letter}"


def _python(lowest_first: list[int]) -> str:
    return python_polynomial(lowest_first[::-1])
