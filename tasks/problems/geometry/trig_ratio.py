"""Trigonometric functions from one known value.

Level 1: of an acute angle. Level 2: of an angle in a given quadrant. Level 3: of the double angle.
There are over 1,500 questions in each phrasing at level 1.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from fractions import Fraction

from tasks.problems.machinery.family import Steps, Values, Worked
from tasks.problems.machinery.notation import fraction, require, square_factor, square_part, times_root
from tasks.problems.machinery.slots import Fractional, Words

subdomain = "trigonometry"
concepts = ("Pythagorean identity", "signs in the quadrants", "double angle formulas")
_KNOWN, _ASKED = (r"\sin", r"\cos"), (r"\sin", r"\cos", r"\tan")
KNOWN, ASKED = Words(en=_KNOWN, zh=_KNOWN), Words(en=_ASKED, zh=_ASKED)
QUADRANTS = Words(en=("second", "third", "fourth"), zh=("第二", "第三", "第四"))
templates = {
    "en": {
        1: [
            "The angle $\\theta$ is acute and ${known} \\theta = {f}$. Find the exact value of ${asked} \\theta$.",
            "If ${known} \\theta = {f}$ for an acute angle $\\theta$, what is ${asked} \\theta$?",
            "Given an acute angle $\\theta$ with ${known} \\theta = {f}$, compute ${asked} \\theta$ exactly.",
        ],
        2: [
            "The angle $\\theta$ lies in the {quadrant} quadrant and ${known} \\theta = {sign}{f}$. Find the exact value of ${asked} \\theta$.",
            "If ${known} \\theta = {sign}{f}$ for an angle $\\theta$ in the {quadrant} quadrant, what is ${asked} \\theta$?",
            "Given an angle $\\theta$ in the {quadrant} quadrant with ${known} \\theta = {sign}{f}$, compute ${asked} \\theta$ exactly.",
        ],
        3: [
            "The angle $\\theta$ is acute and ${known} \\theta = {f}$. Find the exact value of ${asked} 2\\theta$.",
            "If ${known} \\theta = {f}$ for an acute angle $\\theta$, what is ${asked} 2\\theta$?",
            "Given an acute angle $\\theta$ with ${known} \\theta = {f}$, compute ${asked} 2\\theta$ exactly.",
        ],
    },
    "zh": {
        1: [
            "已知 $\\theta$ 为锐角，且 ${known} \\theta = {f}$，求 ${asked} \\theta$ 的值。",
            "若锐角 $\\theta$ 满足 ${known} \\theta = {f}$，则 ${asked} \\theta$ 等于多少？",
        ],
        2: [
            "已知 $\\theta$ 是{quadrant}象限角，且 ${known} \\theta = {sign}{f}$，求 ${asked} \\theta$ 的值。",
            "若{quadrant}象限的角 $\\theta$ 满足 ${known} \\theta = {sign}{f}$，则 ${asked} \\theta$ 等于多少？",
        ],
        3: [
            "已知 $\\theta$ 为锐角，且 ${known} \\theta = {f}$，求 ${asked} 2\\theta$ 的值。",
            "若锐角 $\\theta$ 满足 ${known} \\theta = {f}$，则 ${asked} 2\\theta$ 等于多少？",
        ],
    },
}


@dataclass(frozen=True)
class Sign:
    """A minus sign or nothing, stored as -1 or 1."""

    def pattern(self, language: str) -> str:
        return "-?"

    def show(self, value: int | str, language: str) -> str:
        return "-" if int(value) < 0 else ""

    def parse(self, text: str, language: str) -> int | str:
        return -1 if text else 1


slots = {"known": KNOWN, "asked": ASKED, "quadrant": QUADRANTS, "f": Fractional(1000), "sign": Sign()}
_SIGNS = {
    0: (1, 1),
    1: (1, -1),
    2: (-1, -1),
    3: (-1, 1),
}  # signs of (sine, cosine) by the quadrant's number less one


def draw(rng: random.Random, level: int) -> Values:
    known = rng.randrange(2)
    bottom = rng.randint(3, 70)
    part = Fraction(rng.randint(1, bottom - 1), bottom)
    f = f"{part.numerator}/{part.denominator}"
    if level == 2:
        quadrant = rng.randrange(3)
        asked = rng.choice([1 - known, 2])
        sign = _SIGNS[quadrant + 1][known]
        return {"form": 2, "known": known, "asked": asked, "quadrant": quadrant, "f": f, "sign": sign}
    if level == 1:
        return {"form": 1, "known": known, "asked": rng.choice([1 - known, 2]), "f": f}
    return {"form": 3, "known": known, "asked": rng.randrange(2), "f": f}


def work(values: Values, language: str) -> Worked:
    form, known, asked = int(values["form"]), int(values["known"]), int(values["asked"])
    a, c = (int(part) for part in str(values["f"]).split("/"))
    require(known != asked or form == 3, "nothing to compute")
    require(a < c, "a value that no sine or cosine takes")
    names = ("sin", "cos", "tan")
    steps = Steps(language)
    square = c * c - a * a
    outside, inside = square_part(square)
    line = f"1 - ({a}/{c})^2 = {Fraction(square, c * c)}"
    steps.say(
        f"The square of {names[1 - known]}(theta) is {line}.", f"{names[1 - known]}(theta) 的平方：{line}。"
    )
    line = square_factor(square, language)
    steps.say(
        f"As {c}^2 - {a}^2 = {line}, its size is ${times_root(Fraction(outside, c), inside)}$.",
        f"因为 {c}^2 - {a}^2 = {line}，其绝对值为 ${times_root(Fraction(outside, c), inside)}$。",
    )
    python = f"f = Rational({a}, {c})\nother = sqrt(1 - f**2)\n"
    if form == 3:
        answer = _double(known, asked, a, c, outside, inside, steps)
        value = "2 * f * other" if asked == 0 else ("1 - 2 * f**2" if known == 0 else "2 * f**2 - 1")
        return Worked(
            answer, steps.all(), f"from sympy import Rational, latex, sqrt\n{python}print(latex({value}))"
        )
    sine, cosine = _SIGNS[int(values["quadrant"]) + 1 if form == 2 else 0]
    own, other = (sine, cosine) if known == 0 else (cosine, sine)
    require(form == 1 or own == values["sign"], "a sign that does not occur in the quadrant")
    if form == 2:
        steps.say(
            f"In that quadrant {names[1 - known]} is {'positive' if other > 0 else 'negative'}.",
            f"在该象限，{names[1 - known]} 为{'正' if other > 0 else '负'}。",
        )
    if asked == 2:
        # tan = sin / cos, with c cancelled
        size = Fraction(a, outside * inside) if known == 0 else Fraction(outside, a)
        answer = ("-" if sine != cosine else "") + times_root(size, inside)
        parts = (
            f"{own * a}/{c}",
            ("-" if other < 0 else "") + f"{outside}/{c}" + (f" * sqrt({inside})" if inside > 1 else ""),
        )
        if known == 1:
            parts = parts[1], parts[0]
        steps.say(
            f"The tangent is sin / cos, that is ({parts[0]}) / ({parts[1]}), which is ${answer}$.",
            f"tan 等于 sin / cos，即 ({parts[0]}) / ({parts[1]})，等于 ${answer}$。",
        )
        value = (
            ("f / other" if known == 0 else "other / f")
            if sine == cosine
            else ("-f / other" if known == 0 else "-other / f")
        )
    else:
        answer = ("-" if other < 0 else "") + times_root(Fraction(outside, c), inside)
        steps.say(f"So {names[asked]}(theta) is ${answer}$.", f"所以 {names[asked]}(theta) 为 ${answer}$。")
        value = "other" if other > 0 else "-other"
    return Worked(
        answer, steps.all(), f"from sympy import Rational, latex, sqrt\n{python}print(latex({value}))"
    )


def _double(known: int, asked: int, a: int, c: int, outside: int, inside: int, steps: Steps) -> str:
    if asked == 1:
        value = 1 - 2 * Fraction(a, c) ** 2 if known == 0 else 2 * Fraction(a, c) ** 2 - 1
        line = f"1 - 2 * ({a}/{c})^2 = {value}" if known == 0 else f"2 * ({a}/{c})^2 - 1 = {value}"
        steps.say(
            f"The double angle formula needs only the given value: {line}.",
            f"由二倍角公式，只需已知的值：{line}。",
        )
        return fraction(value)
    size = Fraction(2 * a * outside, c * c)
    answer = times_root(size, inside)
    line = f"2 * {a}/{c} * {outside}/{c} = {size}"
    surd = "" if inside == 1 else f" * sqrt({inside})"
    steps.say(
        f"The double angle formula 2 * sin * cos gives {line}{surd}, that is ${answer}$.",
        f"由二倍角公式 2 * sin * cos：{line}{surd}，即 ${answer}$。",
    )
    return answer
