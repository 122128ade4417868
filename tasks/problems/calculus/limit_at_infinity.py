"""Limits at infinity.

Level 1: a quotient of polynomials. Level 2: a square root minus a linear function. Level 3: powers that
tend to a power of e. There are over 100,000 questions at level 1.
"""

from __future__ import annotations

import random
from fractions import Fraction

from tasks.problems.machinery.family import Steps, Values, Worked, factors, nonzero
from tasks.problems.machinery.notation import (
    coefficients,
    exact_root,
    fraction,
    plain,
    polynomial,
    python_polynomial,
    require,
)
from tasks.problems.machinery.slots import Coefficient, Polynomial, Signed

subdomain = "limits"
concepts = ("limits at infinity", "leading terms", "the number e")
_SHAPES = {
    1: r"\lim_{{x \to \infty}} \frac{{{p}}}{{{q}}}",
    2: r"\lim_{{x \to \infty}} \left( \sqrt{{{p}}} - {a}x \right)",
    3: r"\lim_{{x \to \infty}} \left( \frac{{x {b}}}{{x {c}}} \right)^{{{a}x {d}}}",
}
templates = {
    "en": {
        form: [f"Find ${shape}$.", f"Evaluate the limit ${shape}$.", f"What is the exact value of ${shape}$?"]
        for form, shape in _SHAPES.items()
    },
    "zh": {form: [f"求极限 ${shape}$。", f"计算 ${shape}$ 的值。"] for form, shape in _SHAPES.items()},
}
_LATER = Signed(1000)
slots = {
    "p": Polynomial(degree=4), "q": Polynomial(degree=4), "a": Coefficient(bound=1000),
    "b": _LATER, "c": _LATER, "d": _LATER,
}  # fmt: skip


def draw(rng: random.Random, level: int) -> Values:
    if level == 1:
        degree = rng.choice((2, 3))
        return {
            "form": 1,
            "p": polynomial(factors(rng, degree, 12)),
            "q": polynomial(factors(rng, degree, 12)),
        }
    a = rng.randint(1, 9)
    if level == 2:
        return {"form": 2, "p": polynomial([a * a, nonzero(rng, 20), nonzero(rng, 20)]), "a": a}
    b, c = rng.sample([number for number in range(-9, 10) if number], 2)
    return {"form": 3, "a": a, "b": b, "c": c, "d": nonzero(rng, 9)}


def work(values: Values, language: str) -> Worked:
    form = int(values["form"])
    steps = Steps(language)
    head = "from sympy import latex, limit, oo, sqrt, symbols\nx = symbols('x')\n"
    if form == 3:
        a, b, c, d = (int(values[name]) for name in "abcd")
        require(b != c, "the base is 1")
        gap = b - c
        steps.say(
            f"The base is 1 + g/(x {'-' if c < 0 else '+'} {abs(c)}) with g: {b} - {plain(c)} = {gap}.",
            f"底数为 1 + g/(x {'-' if c < 0 else '+'} {abs(c)})，其中 g：{b} - {plain(c)} = {gap}。",
        )
        steps.say(
            f"(1 + g/x)^x tends to e^g; the exponent grows like {polynomial([a, 0])}, so the power of e is {plain(gap)} * {plain(a)} = {gap * a}.",
            f"(1 + g/x)^x 趋于 e^g；指数与 {polynomial([a, 0])} 同阶，所以 e 的指数为 {plain(gap)} * {plain(a)} = {gap * a}。",
        )
        answer = f"e^{{{gap * a}}}" if gap * a != 1 else "e"
        python = (
            f"(({python_polynomial([1, b])})/({python_polynomial([1, c])}))**({python_polynomial([a, d])})"
        )
        return Worked(
            answer, steps.all(), f"{head.replace('sqrt, ', '')}print(latex(limit({python}, x, oo)))"
        )
    p = coefficients(values["p"])
    top = python_polynomial(p)
    if form == 1:
        q = coefficients(values["q"])
        require(len(p) == len(q) > 1, "the degrees differ")
        bottom = python_polynomial(q)
        power = len(p) - 1
        steps.say(
            f"Divide above and below by x^{power}; all terms but the leading ones tend to 0.",
            f"分子分母同除以 x^{power}，除最高次项外各项都趋于 0。",
        )
        result = Fraction(p[0], q[0])
        line = f"{p[0]} / {plain(q[0])} = {result}"
        steps.say(
            f"What remains is the quotient of the leading coefficients: {line}.",
            f"极限是最高次项系数之比：{line}。",
        )
        head = head.replace("latex, ", "").replace("sqrt, ", "")
        return Worked(fraction(result), steps.all(), f"{head}print(limit(({top})/({bottom}), x, oo))")
    a = int(values["a"])
    require(len(p) == 3 and p[0] > 0 and a > 0 and exact_root(p[0]) == a, "the leading terms do not cancel")
    result = Fraction(p[1], 2 * a)
    steps.say(f"The leading terms cancel, as {a}^2 = {p[0]}.", f"最高次项相抵，因为 {a}^2 = {p[0]}。")
    steps.say(
        f"Multiplying by the conjugate leaves ({polynomial(p[1:])}) over (sqrt({values['p']}) + {polynomial([a, 0])}).",
        f"乘以共轭式得 ({polynomial(p[1:])}) 比 (sqrt({values['p']}) + {polynomial([a, 0])})。",
    )
    line = f"{p[1]} / ({a} + {a}) = {result}"
    steps.say(f"Dividing by x above and below, the limit is {line}.", f"分子分母同除以 x，极限为 {line}。")
    return Worked(
        fraction(result),
        steps.all(),
        f"{head.replace('latex, ', '')}print(limit(sqrt({top}) - {a}*x, x, oo))",
    )
