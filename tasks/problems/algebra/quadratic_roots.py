"""The larger root of a quadratic equation.

Level 1: monic, integer roots. Level 2: leading coefficient above 1, rational roots. Level 3: roots with
a surd. There are about 800 equations in three phrasings at level 1, many more above.
"""

from __future__ import annotations

import random
from fractions import Fraction
from math import gcd

from tasks.problems.machinery.family import Values, Worked, nonzero
from tasks.problems.machinery.notation import (
    coefficients,
    fraction,
    plain,
    polynomial,
    python_polynomial,
    require,
    root,
    square_factor,
    square_part,
)
from tasks.problems.machinery.slots import Polynomial

subdomain = "quadratic equations"
concepts = ("quadratic formula", "discriminant", "surds")
templates = {
    "en": [
        "Find the larger root of ${p} = 0$.",
        "What is the greatest real number $x$ with ${p} = 0$?",
        "The equation ${p} = 0$ has two real solutions. Give the larger one in exact form.",
    ],
    "zh": [
        "求方程 ${p} = 0$ 较大的根。",
        "一元二次方程 ${p} = 0$ 有两个不相等的实数根，其中较大的一个是多少？（写出精确值）",
    ],
}
slots = {"p": Polynomial(degree=2)}


def draw(rng: random.Random, level: int) -> Values:
    if level == 3:
        while True:
            a, b, c = rng.randint(1, 4), rng.randint(-12, 12), nonzero(rng, 12)
            square = b * b - 4 * a * c
            if square > 0 and square_part(square)[1] > 1:
                return {"p": polynomial([a, b, c])}
    a = 1 if level == 1 else rng.randint(2, 6)
    while True:
        r, s = nonzero(rng, 20), nonzero(rng, 20)
        if gcd(a, s) == 1 and Fraction(s, a) != r:
            return {"p": polynomial([a, -a * r - s, r * s])}


def work(values: Values, language: str) -> Worked:
    zh = language == "zh"
    factors = coefficients(values["p"])
    require(len(factors) == 3, "no quadratic")
    a, b, c = factors
    require(
        a > 0 and max(map(abs, factors)) <= 10**4,
        "a leading coefficient that is not positive, or large numbers",
    )
    square = b * b - 4 * a * c
    require(square > 0, "the roots are not real and different")
    outside, inside = square_part(square)
    bb, four = plain(b), f"4 * {a} * {plain(c)}"
    steps = [
        f"判别式：{bb}^2 - {four} = {square}。" if zh else f"The discriminant is {bb}^2 - {four} = {square}.",
        f"由求根公式，较大的根为 x = ({-b} + sqrt({square})) / (2 * {a})。"
        if zh
        else f"By the quadratic formula the larger root is x = ({-b} + sqrt({square})) / (2 * {a}).",
    ]
    program = f"from sympy import latex, solve, symbols\nx = symbols('x', real=True)\nprint(latex(max(solve({python_polynomial([a, b, c])}, x))))"
    if inside == 1:
        x = Fraction(outside - b, 2 * a)
        steps.append(
            f"sqrt({square}) = {outside}，所以 x = ({-b} + {outside}) / {2 * a} = {x}。"
            if zh
            else f"Since sqrt({square}) = {outside}, x = ({-b} + {outside}) / {2 * a} = {x}."
        )
        return Worked(fraction(x), tuple(steps), program)
    common = gcd(gcd(b, outside), 2 * a)
    answer = _surd(-b // common, outside // common, inside, 2 * a // common)
    steps.append(
        f"因为 {square_factor(square, language)}，化简得 x = ${answer}$。"
        if zh
        else f"As {square_factor(square)}, the exact root is x = ${answer}$."
    )
    return Worked(answer, tuple(steps), program)


def _surd(whole: int, outside: int, inside: int, bottom: int) -> str:
    """Return (whole + outside * sqrt(inside)) / bottom as LaTeX."""
    surd = root(outside * outside * inside)
    top = f"{whole} + {surd}" if whole else surd
    return top if bottom == 1 else rf"\frac{{{top}}}{{{bottom}}}"
