"""Limits of the form 0/0.

Level 1: a quadratic over a linear factor. Level 2: a quadratic over a quadratic. Level 3: a difference
with a square root. There are over 3,000 questions at level 1.
"""

from __future__ import annotations

import random
from fractions import Fraction

from tasks.problems.machinery.family import Steps, Values, Worked, nonzero
from tasks.problems.machinery.notation import (
    coefficients,
    evaluate,
    exact_root,
    fraction,
    plain,
    polynomial,
    python_polynomial,
    require,
    substituted,
)
from tasks.problems.machinery.slots import Number, Polynomial

subdomain = "limits"
concepts = ("limits", "cancelling common factors", "rationalising")
_SHAPES = {
    1: r"\lim_{{x \to {a}}} \frac{{{p}}}{{{q}}}",
    3: r"\lim_{{x \to {a}}} \frac{{\sqrt{{{p}}} - {n}}}{{{q}}}",
}
templates = {
    "en": {
        form: [f"Find ${shape}$.", f"Evaluate the limit ${shape}$.", f"What is the exact value of ${shape}$?"]
        for form, shape in _SHAPES.items()
    },
    "zh": {form: [f"求极限 ${shape}$。", f"计算 ${shape}$ 的值。"] for form, shape in _SHAPES.items()},
}
slots = {"a": Number(-1000, 1000), "p": Polynomial(degree=2), "q": Polynomial(degree=2), "n": Number(1, 1000)}


def draw(rng: random.Random, level: int) -> Values:
    a = rng.randint(-9, 9)
    if level < 3:
        while True:
            top, bottom = [rng.randint(1, 4), nonzero(rng, 12)], [rng.randint(1, 3), nonzero(rng, 9)]
            p = [top[0], top[1] - a * top[0], -a * top[1]]
            q = [1, -a] if level == 1 else [bottom[0], bottom[1] - a * bottom[0], -a * bottom[1]]
            if evaluate(bottom, a) and evaluate(top, a):
                return {"form": 1, "a": a, "p": polynomial(p), "q": polynomial(q)}
    n, slope = rng.randint(1, 9), nonzero(rng, 9)
    factor = rng.randint(1, 5)
    return {
        "form": 3,
        "a": a,
        "n": n,
        "p": polynomial([slope, n * n - slope * a]),
        "q": polynomial([factor, -factor * a]),
    }


def _divided(p: list[int], a: int) -> list[int]:
    """Return the quotient of a polynomial by x - a (Horner's scheme). Raises Unworkable unless a is a root."""
    quotient, carry = [], 0
    for factor in p:
        carry = carry * a + factor
        quotient.append(carry)
    require(quotient.pop() == 0 and bool(quotient), f"{a} is not a root")
    return quotient


def work(values: Values, language: str) -> Worked:
    a, p, q = int(values["a"]), coefficients(values["p"]), coefficients(values["q"])
    steps = Steps(language)
    top, bottom = (python_polynomial(side) for side in (p, q))
    factor = polynomial([1, -a])
    below = _divided(q, a)
    zero = f"{substituted(q, a)} = 0"
    value = evaluate(below, a)
    require(value != 0, "the limit does not exist")
    program = "from sympy import limit, sqrt, symbols\nx = symbols('x')\n"
    if values["form"] == 1:
        above = _divided(p, a)
        steps.say(
            f"At x = {a} both parts vanish: {substituted(p, a)} = 0 and {zero}.",
            f"当 x = {a} 时分子分母都为零：{substituted(p, a)} = 0，{zero}。",
        )
        steps.say(
            f"Cancel the factor {factor}: what is left is ({polynomial(above)}) over ({polynomial(below)}).",
            f"约去因式 {factor}，剩下 ({polynomial(above)}) 比 ({polynomial(below)})。",
        )
        first = evaluate(above, a)
        result = first / value
        parts = f"{substituted(above, a)} = {first}", f"{substituted(below, a)} = {value}"
        steps.say(
            f"At x = {a} these are {parts[0]} and {parts[1]}.", f"在 x = {a} 处：{parts[0]}，{parts[1]}。"
        )
        steps.say(
            f"The limit is {first} / {plain(value)} = {result}.",
            f"极限：{first} / {plain(value)} = {result}。",
        )
        program = program.replace("sqrt, ", "")
        return Worked(fraction(result), steps.all(), f"{program}print(limit(({top})/({bottom}), x, {a}))")
    n = int(values["n"])
    require(len(p) == 2 and len(q) == 2, "not linear under the root or below")
    require(exact_root(int(evaluate(p, a))) == n, "the numerator does not vanish")
    slope, lead = p[0], q[0]
    steps.say(
        f"At x = {a} both parts vanish: {substituted(p, a)} = {n * n} = {n}^2 and {zero}.",
        f"当 x = {a} 时分子分母都为零：{substituted(p, a)} = {n * n} = {n}^2，{zero}。",
    )
    steps.say(
        f"Multiply above and below by the conjugate sqrt({values['p']}) + {n}; above, {polynomial([p[0], p[1] - n * n])} remains, which is {plain(slope)} times ({factor}).",
        f"分子分母同乘 sqrt({values['p']}) + {n}，分子变为 {polynomial([p[0], p[1] - n * n])}，即 {plain(slope)} 乘以 ({factor})。",
    )
    result = Fraction(slope, lead * 2 * n)
    steps.say(
        f"Below, cancel ({factor}) from {values['q']}, which leaves {lead}.",
        f"分母 {values['q']} 约去 ({factor})，剩下 {lead}。",
    )
    line = f"{slope} / ({plain(lead)} * ({n} + {n})) = {result}"
    steps.say(f"The limit is {line}.", f"极限：{line}。")
    return Worked(
        fraction(result), steps.all(), f"{program}print(limit((sqrt({top}) - {n})/({bottom}), x, {a}))"
    )
