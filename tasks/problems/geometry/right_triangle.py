"""Right triangles.

Level 1: the hypotenuse in simplest radical form. Level 2: the area from hypotenuse and a leg. Level 3:
the altitude to the hypotenuse. There are over 1,000 questions in each phrasing at level 1.
"""

from __future__ import annotations

import random
from fractions import Fraction
from math import gcd

from tasks.problems.machinery.family import Steps, Values, Worked
from tasks.problems.machinery.notation import (
    exact_root,
    fraction,
    require,
    root,
    square_factor,
    square_part,
    times_root,
)
from tasks.problems.machinery.slots import Number

subdomain = "plane geometry"
concepts = ("Pythagorean theorem", "area of a triangle", "surds")
templates = {
    "en": {
        1: [
            "The legs of a right triangle are {a} cm and {b} cm long. How long is the hypotenuse, in cm? Give the exact value.",
            "A right triangle has legs of {a} cm and {b} cm. Find the exact length of its hypotenuse in cm.",
            "What is the exact length, in cm, of the diagonal of a rectangle with sides {a} cm and {b} cm?",
        ],
        2: [
            "A right triangle has a hypotenuse of {c} cm and one leg of {a} cm. What is its area in square centimetres?",
            "In a right triangle, the hypotenuse measures {c} cm and a leg measures {a} cm. Find the exact area in cm².",
            "The longest side of a right triangle is {c} cm and another side is {a} cm long. Compute the exact area of the triangle in cm².",
        ],
        3: [
            "The legs of a right triangle are {a} cm and {b} cm long. How long is the altitude to the hypotenuse, in cm?",
            "In a right triangle with legs of {a} cm and {b} cm, find the distance in cm from the right angle's vertex to the hypotenuse.",
            "A right triangle has legs of {a} cm and {b} cm. What is the length in cm of the height drawn to its hypotenuse?",
        ],
    },
    "zh": {
        1: [
            "直角三角形的两条直角边分别长 {a} 厘米和 {b} 厘米，斜边长多少厘米？（写出精确值）",
            "长方形的边长为 {a} 厘米和 {b} 厘米，它的对角线长多少厘米？（写出精确值）",
        ],
        2: [
            "直角三角形的斜边长 {c} 厘米，一条直角边长 {a} 厘米，它的面积是多少平方厘米？",
            "一个直角三角形的最长边为 {c} 厘米，另一边为 {a} 厘米，求它的面积的精确值（单位：平方厘米）。",
        ],
        3: [
            "直角三角形的两条直角边分别长 {a} 厘米和 {b} 厘米，斜边上的高是多少厘米？",
            "已知直角三角形的直角边为 {a} 厘米和 {b} 厘米，求直角顶点到斜边的距离（单位：厘米）。",
        ],
    },
}
slots = dict.fromkeys("abc", Number(1, 10**4))


def draw(rng: random.Random, level: int) -> Values:
    if level == 1:
        return {"form": 1, "a": rng.randint(2, 50), "b": rng.randint(2, 50)}
    if level == 2:
        c = rng.randint(5, 80)
        return {"form": 2, "c": c, "a": rng.randint(2, c - 1)}
    while True:
        # Pythagorean triples by Euclid's formula, and their multiples
        m, n, stretch = rng.randint(2, 14), rng.randint(1, 13), rng.randint(1, 25)
        if m > n and (m - n) % 2 and gcd(m, n) == 1:
            legs = [stretch * (m * m - n * n), stretch * 2 * m * n]
            rng.shuffle(legs)
            if max(legs) <= 1200:
                return {"form": 3, "a": legs[0], "b": legs[1]}


def work(values: Values, language: str) -> Worked:
    form, a = int(values["form"]), int(values["a"])
    steps = Steps(language)
    if form == 2:
        c = int(values["c"])
        require(a < c, "a leg longer than the hypotenuse")
        square = c * c - a * a
        outside, inside = square_part(square)
        line = f"{c}^2 - {a}^2 = {c * c} - {a * a} = {square}"
        steps.say(f"The square of the other leg is {line}.", f"另一条直角边的平方：{line}。")
        line = square_factor(square, language)
        steps.say(
            f"As {line}, that leg is ${root(square)}$.", f"因为 {line}，所以这条边长 ${root(square)}$。"
        )
        half = Fraction(a * outside, 2)
        answer = times_root(half, inside)
        line = f"1/2 * {a} * {outside} = {half}"
        steps.say(
            f"Half the product of the legs: {line}, so the area is ${answer}$.",
            f"两直角边之积的一半：{line}，所以面积为 ${answer}$。",
        )
        return Worked(
            answer,
            steps.all(),
            f"from sympy import latex, sqrt\nprint(latex({a} * sqrt({c}**2 - {a}**2) / 2))",
        )
    b = int(values["b"])
    square = a * a + b * b
    line = f"{a}^2 + {b}^2 = {a * a} + {b * b} = {square}"
    steps.say(f"By Pythagoras, the square of the hypotenuse is {line}.", f"由勾股定理，斜边的平方：{line}。")
    if form == 1:
        outside, inside = square_part(square)
        line = square_factor(square, language)
        steps.say(f"As {line}, its length is ${root(square)}$.", f"因为 {line}，斜边长 ${root(square)}$。")
        return Worked(
            root(square), steps.all(), f"from sympy import latex, sqrt\nprint(latex(sqrt({a}**2 + {b}**2)))"
        )
    c = exact_root(square)
    steps.say(f"As {c}^2 = {square}, it is {c} cm long.", f"因为 {c}^2 = {square}，斜边长 {c} 厘米。")
    height = Fraction(a * b, c)
    line = f"{a} * {b} / {c} = {height}"
    steps.say(
        f"Twice the area is both leg times leg and hypotenuse times altitude, so the altitude is {line} cm.",
        f"面积的两倍等于两直角边之积，也等于斜边乘高，所以高为 {line} 厘米。",
    )
    program = f"from fractions import Fraction\nfrom math import isqrt\nc = isqrt({a}**2 + {b}**2)\nprint(Fraction({a} * {b}, c))"
    return Worked(fraction(height), steps.all(), program)
