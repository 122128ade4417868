"""Triangles from three given parts.

Level 1: the third side from two sides and an angle of 60, 90 or 120 degrees. Level 2: the cosine of an
angle from three sides. Level 3: the area from three sides. There are over 3,000 questions at level 1.
"""

from __future__ import annotations

import random
from fractions import Fraction

from tasks.problems.machinery.family import Steps, Values, Worked
from tasks.problems.machinery.notation import (
    fraction,
    plain,
    require,
    root,
    square_factor,
    square_part,
    times_root,
)
from tasks.problems.machinery.slots import Number

subdomain = "trigonometry"
concepts = ("law of cosines", "Heron's formula", "exact values of cosine")
templates = {
    "en": {
        1: [
            "In triangle $ABC$, $a = {a}$, $b = {b}$ and the angle between these sides is $C = {t}^\\circ$. Find the exact length of $c$.",
            "Two sides of a triangle are {a} and {b} long and enclose an angle of {t}°. What is the exact length of the third side?",
            "A triangle has sides of length {a} and {b} with an angle of {t}° between them. Find the third side in simplest radical form.",
        ],
        2: [
            "In triangle $ABC$, $a = {a}$, $b = {b}$ and $c = {c}$. Find $\\cos C$, where $C$ is the angle opposite side $c$.",
            "The sides of a triangle are {a}, {b} and {c} long. What is the cosine of the angle opposite the side of length {c}?",
            "A triangle has side lengths {a}, {b} and {c}. Compute the cosine of the angle between the sides of length {a} and {b}.",
        ],
        3: [
            "In triangle $ABC$, $a = {a}$, $b = {b}$ and $c = {c}$. Find the exact area of the triangle.",
            "The sides of a triangle are {a}, {b} and {c} long. What is its exact area?",
            "A triangle has side lengths {a}, {b} and {c}. Compute its area in simplest radical form.",
        ],
    },
    "zh": {
        1: [
            "在 $\\triangle ABC$ 中，$a = {a}$，$b = {b}$，夹角 $C = {t}^\\circ$，求 $c$ 的长。",
            "三角形的两边长为 {a} 和 {b}，夹角为 {t}°，第三边长是多少？（写出精确值）",
        ],
        2: [
            "在 $\\triangle ABC$ 中，$a = {a}$，$b = {b}$，$c = {c}$，求 $\\cos C$ 的值。",
            "三角形的三边长为 {a}、{b}、{c}，求长为 {c} 的边所对角的余弦值。",
        ],
        3: [
            "在 $\\triangle ABC$ 中，$a = {a}$，$b = {b}$，$c = {c}$，求三角形的面积。",
            "三角形的三边长为 {a}、{b}、{c}，它的面积是多少？（写出精确值）",
        ],
    },
}
slots = dict.fromkeys("abc", Number(1, 150)) | {"t": Number(1, 179)}
_TWICE_COSINE = {60: 1, 90: 0, 120: -1}


def draw(rng: random.Random, level: int) -> Values:
    if level == 1:
        return {"form": 1, "a": rng.randint(2, 40), "b": rng.randint(2, 40), "t": rng.choice((60, 90, 120))}
    while True:
        a, b, c = (rng.randint(3, 25) for _ in range(3))
        if a + b > c and a + c > b and b + c > a and (level == 3 or len({a, b, c}) == 3):
            return {"form": level, "a": a, "b": b, "c": c}


def work(values: Values, language: str) -> Worked:
    form, a, b = int(values["form"]), int(values["a"]), int(values["b"])
    steps = Steps(language)
    if form == 1:
        t = int(values["t"])
        require(t in _TWICE_COSINE, f"no simple cosine for {t} degrees")
        twice = _TWICE_COSINE[t]
        square = a * a + b * b - a * b * twice
        steps.say(
            f"By the law of cosines, c^2 is a^2 + b^2 - 2ab * cos(C), and 2 * cos({t}°) is {twice}.",
            f"由余弦定理，c^2 等于 a^2 + b^2 - 2ab * cos(C)，而 2 * cos({t}°) 等于 {twice}。",
        )
        line = f"{a}^2 + {b}^2 - {a} * {b} * {plain(twice)} = {square}"
        steps.say(f"So c^2 is {line}.", f"所以 c^2 为 {line}。")
        outside, inside = square_part(square)
        line = square_factor(square, language)
        steps.say(
            f"As {line}, the third side is ${root(square)}$.", f"因为 {line}，第三边长 ${root(square)}$。"
        )
        program = f"from sympy import cos, latex, pi, simplify, sqrt\nprint(latex(simplify(sqrt({a}**2 + {b}**2 - 2*{a}*{b}*cos({t} * pi / 180)))))"
        return Worked(root(square), steps.all(), program)
    c = int(values["c"])
    require(a + b > c and a + c > b and b + c > a, "no triangle")
    if form == 2:
        require(len({a, b, c}) == 3, "equal sides: which angle is meant?")
        top = a * a + b * b - c * c
        line = f"{a}^2 + {b}^2 - {c}^2 = {top}"
        steps.say(
            f"By the law of cosines, 2ab * cos(C) is {line}.", f"由余弦定理，2ab * cos(C) 等于 {line}。"
        )
        cosine = Fraction(top, 2 * a * b)
        line = f"{top} / (2 * {a} * {b}) = {cosine}"
        steps.say(f"Hence cos(C) is {line}.", f"所以 cos(C) 为 {line}。")
        return Worked(
            fraction(cosine),
            steps.all(),
            f"from fractions import Fraction\nprint(Fraction({a}**2 + {b}**2 - {c}**2, 2 * {a} * {b}))",
        )
    around = a + b + c
    factors = around, around - 2 * a, around - 2 * b, around - 2 * c
    product = factors[0] * factors[1] * factors[2] * factors[3]
    require(product <= 10**9, "an area out of bounds")
    steps.say(f"The perimeter is {a} + {b} + {c} = {around}.", f"周长：{a} + {b} + {c} = {around}。")
    lines = [f"{around} - 2 * {side} = {around - 2 * side}" for side in (a, b, c)]
    steps.say(f"For Heron's formula: {'; '.join(lines)}.", f"海伦公式中：{'；'.join(lines)}。")
    line = " * ".join(map(str, factors)) + f" = {product}"
    steps.say(f"Sixteen times the squared area is {line}.", f"面积平方的 16 倍：{line}。")
    outside, inside = square_part(product)
    answer = times_root(Fraction(outside, 4), inside)
    line = square_factor(product, language)
    steps.say(
        f"As {line}, the area, a quarter of the root, is ${answer}$.",
        f"因为 {line}，面积是其平方根的四分之一，即 ${answer}$。",
    )
    program = f"from sympy import Rational, latex, sqrt\ns = Rational({around}, 2)\nprint(latex(sqrt(s * (s - {a}) * (s - {b}) * (s - {c}))))"
    return Worked(answer, steps.all(), program)
