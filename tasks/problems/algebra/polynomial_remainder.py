"""The remainder theorem.

Level 1: the remainder of a quadratic divided by x - a. Level 2: of a polynomial of degree 4. Level 3: a
remainder is given, an unknown coefficient is asked. There are over 50,000 questions at level 1.
"""

from __future__ import annotations

import random
from fractions import Fraction

from tasks.problems.machinery.family import Steps, Values, Worked, factors, nonzero
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

subdomain = "polynomials"
concepts = ("remainder theorem", "polynomial division", "evaluating polynomials")
templates = {
    "en": {
        1: [
            "What is the remainder when ${p}$ is divided by ${q}$?",
            "Find the remainder of the division of ${p}$ by ${q}$.",
            "The polynomial ${p}$ is divided by ${q}$. What number is left over?",
        ],
        3: [
            "When ${p} + kx$ is divided by ${q}$, the remainder is {r}. Find $k$.",
            "For which number $k$ does the division of ${p} + kx$ by ${q}$ leave the remainder {r}?",
            "The polynomial ${p} + kx$ leaves a remainder of {r} on division by ${q}$. What is the value of $k$?",
        ],
    },
    "zh": {
        1: ["求 ${p}$ 除以 ${q}$ 的余数。", "多项式 ${p}$ 除以 ${q}$，余数是多少？"],
        3: [
            "多项式 ${p} + kx$ 除以 ${q}$ 的余数是 {r}，求 $k$ 的值。",
            "当 $k$ 取何值时，${p} + kx$ 除以 ${q}$ 余 {r}？",
        ],
    },
}
slots = {"p": Polynomial(degree=5), "q": Polynomial(degree=1), "r": Number(-(10**6), 10**6)}


def draw(rng: random.Random, level: int) -> Values:
    a = nonzero(rng, 6 if level == 1 else 4)
    divisor = polynomial([1, -a])
    if level < 3:
        return {"form": 1, "p": polynomial(factors(rng, 2 * level, 9)), "q": divisor}
    p = factors(rng, rng.choice((3, 4)), 7)
    p[-2] = 0
    return {"form": 3, "p": polynomial(p), "q": divisor, "r": int(evaluate(p, a)) + a * nonzero(rng, 12)}


def work(values: Values, language: str) -> Worked:
    p, q = coefficients(values["p"]), coefficients(values["q"])
    require(len(q) == 2 and q[0] == 1, "a divisor that is not x - a")
    steps = Steps(language)
    a, value = -q[1], evaluate(p, -q[1])
    steps.say(
        f"By the remainder theorem, the remainder on division by {values['q']} is the value at x = {a}.",
        f"由余数定理，除以 {values['q']} 的余数等于多项式在 x = {a} 处的值。",
    )
    line = f"{substituted(p, a)} = {value}"
    python, divisor = python_polynomial(p), python_polynomial(q)
    head = "from sympy import {}, symbols\nx{} = symbols('x{}')\n"
    if values["form"] == 1:
        steps.say(f"That value is {line}.", f"代入：{line}。")
        program = head.format("rem", "", "") + f"print(rem({python}, {divisor}, x))"
        return Worked(str(value), steps.all(), program)
    require(a != 0 and len(p) >= 2 and p[-2] == 0, "k cannot be told from the remainder")
    r = int(values["r"])
    k = (r - value) / Fraction(a)
    steps.say(f"Without kx it is {line}.", f"不含 kx 的部分：{line}。")
    line = f"k = ({r} - {plain(value)}) / {plain(a)} = {k}"
    steps.say(
        f"The term kx adds k * {plain(a)}, so {line}.", f"kx 这一项的值为 k * {plain(a)}，所以 {line}。"
    )
    program = (
        head.format("rem, solve", ", k", " k")
        + f"print(solve(rem({python} + k*x, {divisor}, x) - {plain(r)}, k)[0])"
    )
    return Worked(fraction(k), steps.all(), program)
