"""Values of inverse functions.

Level 1: of a linear function. Level 2: of a linear fractional function. Level 3: of a linear function
known by two values. There are over 10,000 questions at level 1.
"""

from __future__ import annotations

import random
from fractions import Fraction

from tasks.problems.machinery.family import Steps, Values, Worked, nonzero
from tasks.problems.machinery.notation import (
    coefficients,
    fraction,
    plain,
    polynomial,
    python_polynomial,
    require,
)
from tasks.problems.machinery.slots import Number, Polynomial

subdomain = "functions"
concepts = ("inverse functions", "linear functions", "rational functions")
templates = {
    "en": {
        1: [
            "Let $f(x) = {p}$. Find $f^{{-1}}({n})$.",
            "If $f(x) = {p}$, what is the value of $f^{{-1}}({n})$?",
            "The function $f(x) = {p}$ has an inverse. Compute $f^{{-1}}({n})$.",
        ],
        2: [
            "Let $f(x) = \\frac{{{p}}}{{{q}}}$. Find $f^{{-1}}({n})$.",
            "If $f(x) = \\frac{{{p}}}{{{q}}}$, what is the value of $f^{{-1}}({n})$?",
            "The function $f(x) = \\frac{{{p}}}{{{q}}}$ has an inverse. Compute $f^{{-1}}({n})$.",
        ],
        3: [
            "A linear function $f$ satisfies $f({a}) = {u}$ and $f({b}) = {v}$. Find $f^{{-1}}({n})$.",
            "If $f$ is linear with $f({a}) = {u}$ and $f({b}) = {v}$, what is the value of $f^{{-1}}({n})$?",
            "The graph of a linear function $f$ passes through $({a}, {u})$ and $({b}, {v})$. Compute $f^{{-1}}({n})$.",
        ],
    },
    "zh": {
        1: [
            "已知 $f(x) = {p}$，求 $f^{{-1}}({n})$ 的值。",
            "函数 $f(x) = {p}$ 的反函数为 $f^{{-1}}(x)$，$f^{{-1}}({n})$ 等于多少？",
        ],
        2: [
            "已知 $f(x) = \\frac{{{p}}}{{{q}}}$，求 $f^{{-1}}({n})$ 的值。",
            "函数 $f(x) = \\frac{{{p}}}{{{q}}}$ 的反函数为 $f^{{-1}}(x)$，$f^{{-1}}({n})$ 等于多少？",
        ],
        3: [
            "一次函数 $f$ 满足 $f({a}) = {u}$，$f({b}) = {v}$，求 $f^{{-1}}({n})$ 的值。",
            "一次函数 $f$ 的图象经过点 $({a}, {u})$ 和 $({b}, {v})$，$f^{{-1}}({n})$ 等于多少？",
        ],
    },
}
_NUMBER = Number(-(10**5), 10**5)
slots = dict.fromkeys("abuvn", _NUMBER) | {"p": Polynomial(degree=1), "q": Polynomial(degree=1)}


def draw(rng: random.Random, level: int) -> Values:
    a, b, n = nonzero(rng, 9), nonzero(rng, 20), rng.randint(-20, 30)
    if level == 1:
        return {"form": 1, "p": polynomial([a, b]), "n": n}
    c, d = nonzero(rng, 9), nonzero(rng, 20)
    if level == 2:
        n = rng.randint(-9, 9)
        if a * d == b * c or a == n * c or b == n * d:
            return draw(rng, level)
        return {"form": 2, "p": polynomial([a, b]), "q": polynomial([c, d]), "n": n}
    first, second = rng.sample(range(-10, 11), 2)
    slope = nonzero(rng, 7)
    u, v = slope * first + b, slope * second + b
    return {"form": 3, "a": first, "b": second, "u": u, "v": v, "n": n}


def work(values: Values, language: str) -> Worked:
    form, n = int(values["form"]), int(values["n"])
    steps = Steps(language)
    head = "from sympy import Eq, solve, symbols\nx = symbols('x')\n"
    if form == 2:
        return _fractional(values, n, steps, head)
    if form == 3:
        first, second, u, v = (int(values[name]) for name in ("a", "b", "u", "v"))
        require(first != second and u != v, "no linear function with an inverse")
        a = Fraction(v - u, second - first)
        line = f"({v} - {plain(u)}) / ({second} - {plain(first)}) = {a}"
        steps.say(f"The slope is {line}.", f"斜率：{line}。")
        b = u - a * first
        line = f"{u} - {plain(a)} * {plain(first)} = {b}"
        steps.say(f"The constant term is {line}.", f"常数项：{line}。")
    else:
        p = coefficients(values["p"])
        require(len(p) == 2, "not a linear function")
        a, b = Fraction(p[0]), Fraction(p[1])
        steps.say(
            f"We need x with f(x) = {values['p']} and f(x) equal to {n}.",
            f"求 x，使 {values['p']} 的值等于 {n}。",
        )
    x = (n - b) / a
    line = f"x = ({n} - {plain(b)}) / {plain(a)} = {x}"
    steps.say(f"Solving for x: {line}.", f"解得 {line}。")
    program = f"from fractions import Fraction\n{head}print(solve(Eq(Fraction('{a}')*x + Fraction('{b}'), {n}), x)[0])"
    if form == 1:
        program = f"{head}print(solve(Eq({python_polynomial([a, b])}, {n}), x)[0])"
    return Worked(fraction(x), steps.all(), program)


def _fractional(values: Values, n: int, steps: Steps, head: str) -> Worked:
    p, q = coefficients(values["p"]), coefficients(values["q"])
    require(len(p) == 2 and len(q) == 2 and p[0] * q[1] != p[1] * q[0], "not a linear fractional function")
    (a, b), (c, d) = p, q
    slope, rest = a - n * c, n * d - b
    require(slope != 0, f"{n} is not a value of the function")
    steps.say(f"Set {values['p']} = {n} * ({values['q']}).", f"令 {values['p']} = {n} * ({values['q']})。")
    line = f"{a} - {plain(n)} * {plain(c)} = {slope}", f"{n} * {plain(d)} - {plain(b)} = {rest}"
    steps.say(
        f"Collect x: its coefficient is {line[0]}, the constant {line[1]}.",
        f"整理：x 的系数为 {line[0]}，常数为 {line[1]}。",
    )
    x = Fraction(rest, slope)
    steps.say(f"So x = {rest} / {plain(slope)} = {x}.", f"所以 x = {rest} / {plain(slope)} = {x}。")
    equation = f"({a}*x + {plain(b)})/({c}*x + {plain(d)}), {n}"
    return Worked(fraction(x), steps.all(), f"{head}print(solve(Eq({equation}), x)[0])")
