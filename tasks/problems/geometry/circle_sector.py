"""Circles, sectors and segments.

Level 1: the length of an arc. Level 2: the area of a sector. Level 3: the area of a segment. About
1,300 questions in each phrasing at level 1.
"""

from __future__ import annotations

import random
from fractions import Fraction

from tasks.problems.machinery.family import Steps, Values, Worked
from tasks.problems.machinery.notation import plain, require, times_pi, times_root
from tasks.problems.machinery.slots import Number

subdomain = "plane geometry"
concepts = ("arc length", "area of a sector", "circular segments")
templates = {
    "en": {
        1: [
            "A circle has a radius of {r} cm. How long, in cm, is an arc with a central angle of {t}°? Leave $\\pi$ in the answer.",
            "Find the exact length in cm of the arc that a central angle of {t}° cuts from a circle of radius {r} cm.",
            "What is the arc length, in terms of $\\pi$ and in cm, of a sector with radius {r} cm and angle {t}°?",
        ],
        2: [
            "A circle has a radius of {r} cm. What is the area, in cm², of a sector with a central angle of {t}°? Leave $\\pi$ in the answer.",
            "Find the exact area in cm² of the sector that a central angle of {t}° cuts from a circle of radius {r} cm.",
            "What is the area, in terms of $\\pi$ and in cm², of a sector with radius {r} cm and angle {t}°?",
        ],
        3: [
            "In a circle of radius {r} cm, a chord belongs to a central angle of {t}°. What is the exact area, in cm², of the smaller segment that the chord cuts off?",
            "A chord of a circle with radius {r} cm is seen from the centre under an angle of {t}°. Find the exact area in cm² of the smaller circular segment.",
            "Find the exact area, in cm², between a chord and its shorter arc, if the radius is {r} cm and the central angle is {t}°.",
        ],
    },
    "zh": {
        1: [
            "圆的半径是 {r} 厘米，圆心角为 {t}° 的弧长是多少厘米？（结果保留 $\\pi$）",
            "求半径为 {r} 厘米、圆心角为 {t}° 的扇形的弧长（单位：厘米，保留 $\\pi$）。",
        ],
        2: [
            "圆的半径是 {r} 厘米，圆心角为 {t}° 的扇形面积是多少平方厘米？（结果保留 $\\pi$）",
            "求半径为 {r} 厘米、圆心角为 {t}° 的扇形的面积（单位：平方厘米，保留 $\\pi$）。",
        ],
        3: [
            "半径为 {r} 厘米的圆中，一条弦所对的圆心角为 {t}°，这条弦截得的较小弓形的面积是多少平方厘米？（写出精确值）",
            "圆的半径是 {r} 厘米，弦所对的圆心角是 {t}°，求弦与劣弧围成的弓形面积的精确值（单位：平方厘米）。",
        ],
    },
}
slots = {"r": Number(1, 10**4), "t": Number(1, 359)}
# twice the sine, as (factor, number under the root)
_SINES = {30: (1, 1), 45: (1, 2), 60: (1, 3), 90: (2, 1), 120: (1, 3), 135: (1, 2), 150: (1, 1)}


def draw(rng: random.Random, level: int) -> Values:
    if level < 3:
        return {
            "form": level,
            "r": rng.randint(2, 60),
            "t": rng.choice([t for t in range(10, 351, 5) if t not in (180, 270)]),
        }
    return {"form": 3, "r": rng.randint(1, 180), "t": rng.choice(list(_SINES))}


def work(values: Values, language: str) -> Worked:
    form, r, t = int(values["form"]), int(values["r"]), int(values["t"])
    steps = Steps(language)
    share = Fraction(t, 360)
    line = f"{t} / 360 = {share}"
    steps.say(f"The angle is {line} of a full turn.", f"圆心角占整个圆周的 {line}。")
    head = "from sympy import Rational, latex, pi{}\n"
    if form == 1:
        length = 2 * r * share
        line = f"2 * {r} * {plain(share)} = {length}"
        steps.say(
            f"Of the circumference 2 * pi * r this is {line} times pi.",
            f"弧长是周长 2 * pi * r 的这么多，即 pi 的倍数为 {line}。",
        )
        return Worked(
            times_pi(length), steps.all(), f"{head.format('')}print(latex(2 * pi * {r} * Rational({t}, 360)))"
        )
    area = r * r * share
    line = f"{r}^2 * {plain(share)} = {area}"
    steps.say(
        f"Of the area pi * r^2 this is {line} times pi.",
        f"扇形面积是 pi * r^2 的这么多，即 pi 的倍数为 {line}。",
    )
    if form == 2:
        return Worked(
            times_pi(area), steps.all(), f"{head.format('')}print(latex(pi * {r}**2 * Rational({t}, 360)))"
        )
    require(t in _SINES, f"no exact area for an angle of {t} degrees")
    factor, inside = _SINES[t]
    triangle = Fraction(r * r * factor, 4)
    written = times_root(triangle, inside)
    line = f"1/2 * {r}^2 * {Fraction(factor, 2)} = {triangle}"
    surd = "" if inside == 1 else f" * sqrt({inside})"
    note = (
        ("" if inside == 1 else f"，再乘 sqrt({inside})")
        if steps.zh
        else ("" if inside == 1 else f", times sqrt({inside})")
    )
    steps.say(
        f"The triangle with the two radii has the area r^2 * sin({t}°) / 2 with sin({t}°) equal to {Fraction(factor, 2)}{surd}: {line}{note}.",
        f"两条半径与弦构成的三角形面积为 r^2 * sin({t}°) / 2，其中 sin({t}°) 等于 {Fraction(factor, 2)}{surd}：{line}{note}。",
    )
    answer = f"{times_pi(area)} - {written}"
    steps.say(
        f"The segment is the sector minus the triangle: ${answer}$.",
        f"弓形面积等于扇形减去三角形：${answer}$。",
    )
    sine = f"sin({t} * pi / 180)"
    program = head.format(", sin") + f"print(latex(pi * {r}**2 * Rational({t}, 360) - {r}**2 * {sine} / 2))"
    return Worked(answer, steps.all(), program)
