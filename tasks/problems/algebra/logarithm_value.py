"""Logarithms with exact values.

Level 1: a sum of two logarithms of powers. Level 2: a combination that is rational only as a whole.
Level 3: a logarithmic equation that leads to a quadratic. There are over 1,500 questions in each
phrasing at level 1.
"""

from __future__ import annotations

import random
from fractions import Fraction
from math import isqrt

from tasks.problems.machinery.family import Steps, Values, Worked
from tasks.problems.machinery.notation import (
    Unworkable,
    exact_root,
    fraction,
    plain,
    polynomial,
    python_polynomial,
    require,
)
from tasks.problems.machinery.slots import Number, Signed

subdomain = "exponents and logarithms"
concepts = ("logarithms", "laws of logarithms", "logarithmic equations")
_SUM = r"$\log_{{{a}}} {m} + \log_{{{b}}} {n}$"
_WHOLE = r"$\log_{{{a}}} {m} + \log_{{{a}}} {n} - \log_{{{a}}} {q}$"
_EQUATION = r"$\log_{{{a}}} (x {c}) + \log_{{{a}}} (x {d}) = {k}$"
templates = {
    "en": {
        1: [f"Calculate {_SUM}.", f"What is the exact value of {_SUM}?", f"Evaluate {_SUM}."],
        2: [f"Calculate {_WHOLE}.", f"What is the exact value of {_WHOLE}?", f"Evaluate {_WHOLE}."],
        3: [
            f"Solve {_EQUATION} for real $x$.",
            f"Which real number $x$ satisfies {_EQUATION}?",
            f"Find the real solution of {_EQUATION}.",
        ],
    },
    "zh": {
        1: [f"计算：{_SUM}。", f"求 {_SUM} 的值。"],
        2: [f"计算：{_WHOLE}。", f"求 {_WHOLE} 的值。"],
        3: [f"解方程 {_EQUATION}，求实数 $x$。", f"求方程 {_EQUATION} 的实数解。"],
    },
}
_BASE, _POSITIVE = Number(2, 1000), Number(2, 10**9)
slots = {
    "a": _BASE, "b": _BASE, "m": _POSITIVE, "n": _POSITIVE, "q": _POSITIVE,
    "k": Number(1, 20), "c": Signed(10**4), "d": Signed(10**4),
}  # fmt: skip
_LARGEST = {2: 10, 3: 7, 4: 5, 5: 5, 6: 4, 7: 4, 8: 4, 9: 4, 10: 6}


def draw(rng: random.Random, level: int) -> Values:
    a = rng.choice(list(_LARGEST))
    if level == 1:
        b = rng.choice(list(_LARGEST))
        return {
            "form": 1,
            "a": a,
            "m": a ** rng.randint(1, _LARGEST[a]),
            "b": b,
            "n": b ** rng.randint(2, _LARGEST[b]),
        }
    if level == 2:
        while True:
            m, n, k = rng.randint(2, 60), rng.randint(2, 60), rng.randint(1, 3)
            if m * n % a**k == 0 and m * n > a**k and _power(m, a) is None:
                return {"form": 2, "a": a, "m": m, "n": n, "q": m * n // a**k}
    while True:
        # (x + c)(x + d) = a^k with integer factors p > q > 0, so x + c = p, x + d = q
        k, x = rng.randint(1, _LARGEST[a]), rng.randint(1, 40)
        right = a**k
        q = rng.choice([factor for factor in range(1, min(isqrt(right), 300) + 1) if right % factor == 0])
        c, d = right // q - x, q - x
        if c and d and c != d and max(abs(c), abs(d)) <= 200:
            return (
                {"form": 3, "a": a, "c": c, "d": d, "k": k}
                if rng.random() < 0.5
                else {"form": 3, "a": a, "c": d, "d": c, "k": k}
            )


def _power(number: int, base: int) -> Fraction | None:
    """Return the rational logarithm of a number: p/q with base^p = number^q and the least q, at most 6; None if there is none."""
    for bottom in range(1, 7):
        top, value = 0, 1
        while value < number**bottom:
            value *= base
            top += 1
        if value == number**bottom:
            return Fraction(top, bottom)
    return None


def work(values: Values, language: str) -> Worked:
    form, a = int(values["form"]), int(values["a"])
    steps = Steps(language)
    if form == 3:
        return _equation(values, a, steps)
    m, n = int(values["m"]), int(values["n"])
    if form == 1:
        logarithms = []
        for base, number in ((a, m), (int(values["b"]), n)):
            value = _power(number, base)
            if value is None:
                raise Unworkable(f"log of {number} to the base {base} is not rational")
            powers = f"{base}^{value.numerator} = {base**value.numerator}"
            if value.denominator > 1:
                powers += f" = {number}^{value.denominator}"
            steps.say(
                f"As {powers}, the logarithm of {number} to the base {base} is {value}.",
                f"因为 {powers}，所以以 {base} 为底 {number} 的对数是 {value}。",
            )
            logarithms.append(value)
        line = f"{logarithms[0]} + {logarithms[1]} = {sum(logarithms)}"
        steps.say(f"The sum is {line}.", f"和：{line}。")
        program = f"from sympy import log, simplify\nprint(simplify(log({m}, {a}) + log({n}, {values['b']})))"
        return Worked(fraction(sum(logarithms, Fraction(0))), steps.all(), program)
    q = int(values["q"])
    require(m * n % q == 0 and m * n > q, "no whole number under one logarithm")
    inside = m * n // q
    value = _power(inside, a)
    if value is None:
        raise Unworkable(f"log of {inside} to the base {a} is not rational")
    line = f"{m} * {n} / {q} = {inside}"
    steps.say(f"Put everything under one logarithm: {line}.", f"合并为一个对数，真数为 {line}。")
    powers = f"{a}^{value.numerator} = {a**value.numerator}"
    powers += f" = {inside}^{value.denominator}" if value.denominator > 1 else ""
    steps.say(
        f"As {powers}, its logarithm to the base {a} is {value}.",
        f"因为 {powers}，所以以 {a} 为底的对数是 {value}。",
    )
    program = f"from fractions import Fraction\nfrom sympy import log, simplify\nprint(simplify(log(Fraction({m} * {n}, {q}), {a})))"
    return Worked(fraction(value), steps.all(), program)


def _equation(values: Values, a: int, steps: Steps) -> Worked:
    c, d, k = int(values["c"]), int(values["d"]), int(values["k"])
    require(a**k <= 10**9, "a power out of bounds")
    right = a**k
    # (x + c)(x + d) = right; the larger root makes both factors positive
    b, constant = c + d, c * d - right
    square = b * b - 4 * constant
    x = Fraction(exact_root(square) - b, 2)
    require(x.denominator == 1 and x + c > 0 and x + d > 0, "no integer solution")
    steps.say(
        f"The product of both arguments is {a}^{k} = {right}, and both are positive.",
        f"两个真数之积为 {a}^{k} = {right}，且都为正数。",
    )
    sums, product = f"{c} + {plain(d)} = {b}", f"{c} * {plain(d)} - {right} = {constant}"
    equation = polynomial([1, b, constant])
    steps.say(
        f"With {sums} and {product} this is {equation} = 0.", f"由 {sums}，{product}，得 {equation} = 0。"
    )
    line = f"{plain(b)}^2 - 4 * {plain(constant)} = {square} = {exact_root(square)}^2"
    steps.say(f"The discriminant is {line}.", f"判别式：{line}。")
    line = f"({-b} + {exact_root(square)}) / 2 = {x}"
    steps.say(
        f"The smaller root makes an argument negative; x = {line}.", f"较小的根使真数为负，舍去；x = {line}。"
    )
    program = (
        "from sympy import solve, symbols\nx = symbols('x', real=True)\n"
        f"roots = solve(({python_polynomial([1, c])})*({python_polynomial([1, d])}) - {a}**{k}, x)\n"
        f"print([r for r in roots if r > {max(-c, -d)}][0])"
    )
    return Worked(str(x), steps.all(), program)
