"""Quadratic inequalities.

Level 1: monic, integer roots, solution as an interval. Level 2: leading coefficient above 1, rational
roots. Level 3: the number of integer solutions between irrational roots. There are about 1,500
inequalities in each phrasing at level 1.
"""

from __future__ import annotations

import random
from fractions import Fraction
from math import gcd, isqrt

from tasks.problems.machinery.family import Steps, Values, Worked, nonzero
from tasks.problems.machinery.notation import (
    coefficients,
    fraction,
    plain,
    polynomial,
    python_polynomial,
    require,
    square_part,
)
from tasks.problems.machinery.slots import Polynomial, Words

subdomain = "inequalities"
concepts = ("quadratic inequalities", "sign of a quadratic", "intervals")
SIGNS = Words(en=("<", r"\le"), zh=("<", r"\le"))
templates = {
    "en": {
        1: [
            "Solve ${p} {sign} 0$ and give the solution as an interval.",
            "On which interval of real numbers $x$ is ${p} {sign} 0$?",
            "Write the set of all real $x$ with ${p} {sign} 0$ in interval notation.",
        ],
        3: [
            "How many integers $x$ satisfy ${p} < 0$?",
            "Find the number of integers $x$ for which ${p} < 0$.",
            "Count the integer solutions of ${p} < 0$.",
        ],
    },
    "zh": {
        1: ["解不等式 ${p} {sign} 0$，用区间表示解集。", "求使 ${p} {sign} 0$ 成立的实数 $x$ 的取值区间。"],
        3: ["满足 ${p} < 0$ 的整数 $x$ 有多少个？", "求不等式 ${p} < 0$ 的整数解的个数。"],
    },
}
slots = {"p": Polynomial(degree=2), "sign": SIGNS}


def draw(rng: random.Random, level: int) -> Values:
    sign = rng.randrange(len(SIGNS))
    while True:
        if level == 3:
            a, b, c = rng.randint(1, 5), rng.randint(-20, 20), -rng.randint(5, 150)
            if square_part(b * b - 4 * a * c)[1] > 1:
                return {"form": 3, "p": polynomial([a, b, c])}
            continue
        a = 1 if level == 1 else rng.randint(2, 6)
        r, s = nonzero(rng, 20), nonzero(rng, 20)
        if gcd(a, s) == 1 and Fraction(s, a) != r:
            return {"form": 1, "p": polynomial([a, -a * r - s, r * s]), "sign": sign}


def work(values: Values, language: str) -> Worked:
    factors = coefficients(values["p"])
    require(
        len(factors) == 3 and factors[0] > 0 and max(map(abs, factors)) <= 10**4,
        "not a parabola that opens upwards",
    )
    a, b, c = factors
    square = b * b - 4 * a * c
    require(square > 0, "no two real roots")
    steps = Steps(language)
    line = f"{plain(b)}^2 - 4 * {a} * {plain(c)} = {square}"
    steps.say(f"The discriminant is {line}.", f"判别式：{line}。")
    python = python_polynomial([a, b, c])
    if values["form"] == 3:
        return _count(a, b, square, python, steps)
    outside = isqrt(square)
    require(outside**2 == square, "the roots are not rational")
    low, high = Fraction(-b - outside, 2 * a), Fraction(-b + outside, 2 * a)
    zeros = f"({-b} - {outside}) / {2 * a} = {low}", f"({-b} + {outside}) / {2 * a} = {high}"
    steps.say(
        f"Its root is {outside}, so the zeros are {zeros[0]} and {zeros[1]}.",
        f"它的平方根是 {outside}，两个零点为 {zeros[0]} 和 {zeros[1]}。",
    )
    steps.say(
        "The parabola opens upwards and is below zero between them.", "抛物线开口向上，在两个零点之间取负值。"
    )
    open_ends = SIGNS.show(values["sign"], "en") == "<"
    brackets = "()" if open_ends else "[]"
    answer = f"{brackets[0]}{fraction(low)}, {fraction(high)}{brackets[1]}"
    program = (
        "from sympy import latex, solve, symbols\nx = symbols('x', real=True)\n"
        f"low, high = sorted(solve({python}, x))\n"
        f"print('{brackets[0]}' + latex(low) + ', ' + latex(high) + '{brackets[1]}')"
    )
    return Worked(answer, steps.all(), program)


def _count(a: int, b: int, square: int, python: str, steps: Steps) -> Worked:
    outside = isqrt(square)
    require(outside**2 != square, "the roots are rational")
    # (2ax + b)^2 < square, and square is no square: |2ax + b| <= isqrt(square)
    most, least = (outside - b) // (2 * a), -((outside + b) // (2 * a))
    require(least <= most, "no integer between the roots")
    steps.say(
        f"Completing the square, the inequality says ({2 * a}x {'-' if b < 0 else '+'} {abs(b)})^2 < {square}."
        if b
        else f"The inequality says ({2 * a}x)^2 < {square}.",
        f"配方得 ({2 * a}x {'-' if b < 0 else '+'} {abs(b)})^2 < {square}。"
        if b
        else f"即 ({2 * a}x)^2 < {square}。",
    )
    line = f"{outside}^2 = {outside**2}", f"{outside + 1}^2 = {(outside + 1) ** 2}"
    steps.say(
        f"Since {line[0]} and {line[1]}, the bracket is an integer from {-outside} to {outside}.",
        f"因为 {line[0]}，{line[1]}，括号内的整数取值从 {-outside} 到 {outside}。",
    )
    steps.say(f"So the integers x run from {least} to {most}.", f"所以整数 x 从 {least} 到 {most}。")
    line_count = f"{most} - {plain(least)} + 1 = {most - least + 1}"
    steps.say(f"Their number is {line_count}.", f"个数：{line_count}。")
    bound = abs(b) + outside + 1
    program = f"print(sum(1 for x in range({-bound}, {bound + 1}) if {python} < 0))"
    return Worked(str(most - least + 1), steps.all(), program)
