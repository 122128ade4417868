"""Exponential equations with a common base.

Level 1: b^(x + c) = N. Level 2: b^(ax + c) = N, rational solution. Level 3: different powers of one
base on both sides. There are about 1,500 equations in each phrasing at level 1.
"""

from __future__ import annotations

import random
from fractions import Fraction

from tasks.problems.machinery.family import Steps, Values, Worked, nonzero
from tasks.problems.machinery.notation import fraction, plain, require, signed
from tasks.problems.machinery.slots import Coefficient, Number, Signed

subdomain = "exponents and logarithms"
concepts = ("exponential equations", "laws of exponents")
_ONE, _TWO = "${b}^{{{a}x {c}}} = {n}$", "${b}^{{{a}x {c}}} = {n}^{{{d}x {e}}}$"
templates = {
    "en": {
        form: [
            f"Solve {shape} for $x$.",
            f"Which value of $x$ satisfies {shape}?",
            f"Find the real number $x$ with {shape}.",
        ]
        for form, shape in ((1, _ONE), (3, _TWO))
    },
    "zh": {
        form: [f"解方程 {shape}，求 $x$ 的值。", f"当实数 $x$ 取何值时，{shape} 成立？"]
        for form, shape in ((1, _ONE), (3, _TWO))
    },
}
_FACTOR = Coefficient(bound=100)
slots = {
    "a": _FACTOR, "d": _FACTOR, "b": Number(2, 10**6), "n": Number(2, 10**9), "c": Signed(1000), "e": Signed(1000),
}  # fmt: skip
_LARGEST = {2: 12, 3: 8, 5: 6, 6: 5, 7: 5, 10: 7, 11: 4, 12: 4, 13: 4}


def draw(rng: random.Random, level: int) -> Values:
    b = rng.choice(list(_LARGEST))
    k, c = rng.randint(2, _LARGEST[b]), nonzero(rng, 15)
    if level == 1:
        return {"form": 1, "a": 1, "b": b, "c": c, "n": b**k}
    a = rng.choice((-1, 1)) * rng.randint(2, 9)
    if level == 2:
        return {"form": 1, "a": a, "b": b, "c": c, "n": b**k}
    b = rng.choice((2, 3, 5, 7, 10))
    i, j = rng.sample(range(1, 5), 2)
    d = rng.choice([factor for factor in range(-7, 8) if factor and a * i != factor * j])
    return {"form": 3, "a": a, "b": b**i, "c": c, "n": b**j, "d": d, "e": nonzero(rng, 15)}


def _base(number: int) -> tuple[int, int]:
    """Return (root, exponent) of a number, at most 10^9, as a power with the largest exponent."""
    for exponent in range(30, 1, -1):
        near = round(number ** (1 / exponent))
        for candidate in (near - 1, near, near + 1):
            if candidate > 1 and candidate**exponent == number:
                return candidate, exponent
    return number, 1


def work(values: Values, language: str) -> Worked:
    a, b, c, n = (int(values[name]) for name in ("a", "b", "c", "n"))
    steps = Steps(language)
    (root, i), (other, j) = _base(b), _base(n)
    require(root == other, "the sides are no powers of one base")
    steps.say(
        f"Write both sides as powers of {root}: {root}^{i} = {b} and {root}^{j} = {n}.",
        f"两边化为同底 {root} 的幂：{root}^{i} = {b}，{root}^{j} = {n}。",
    )
    d, e = (int(values["d"]), int(values["e"])) if values["form"] == 3 else (0, 1)
    require(a * i != d * j, "x cancels")
    left, right = c * i, e * j
    slope = a * i - d * j
    x = Fraction(right - left, slope)
    if values["form"] == 3:
        steps.say(
            f"Compare exponents: {i}({a}x {signed(c)}) = {j}({d}x {signed(e)}).",
            f"指数相等：{i}({a}x {signed(c)}) = {j}({d}x {signed(e)})。",
        )
        pair = (
            f"{i} * {plain(a)} - {j} * {plain(d)} = {slope}",
            f"{j} * {plain(e)} - {i} * {plain(c)} = {right - left}",
        )
        steps.say(
            f"The coefficient of x is {pair[0]}, the constant {pair[1]}.",
            f"x 的系数：{pair[0]}，常数：{pair[1]}。",
        )
    else:
        times = "" if i == 1 else f"{i} * "
        line = f"{right} - {times}{plain(c)} = {right - left}"
        steps.say(f"Compare exponents and move the constant: {line}.", f"比较指数并移项：{line}。")
        if i > 1:
            steps.say(
                f"The coefficient of x is {i} * {plain(a)} = {slope}.",
                f"x 的系数：{i} * {plain(a)} = {slope}。",
            )
    line = f"x = {right - left} / {plain(slope)} = {x}"
    steps.say(f"So {line}.", f"所以 {line}。")
    exponents = (
        f"{i}*({a}*x {signed(c)}) - {j}*({d}*x {signed(e)})" if d else f"{i}*({a}*x {signed(c)}) - {j}"
    )
    program = f"from sympy import solve, symbols\nx = symbols('x')\nassert {root}**{i} == {b} and {root}**{j} == {n}\nprint(solve({exponents}, x)[0])"
    return Worked(fraction(x), steps.all(), program)
