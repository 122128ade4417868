"""Straight lines in the plane.

Level 1: the line through two points. Level 2: the perpendicular through a point. Level 3: the
intersection of two lines given by two points each. There are over 10,000 questions at level 1.
"""

from __future__ import annotations

import random
from fractions import Fraction

from tasks.problems.machinery.family import Steps, Values, Worked, nonzero
from tasks.problems.machinery.notation import fraction, plain, python_polynomial, require
from tasks.problems.machinery.slots import Coefficient, Number, Signed

subdomain = "coordinate geometry"
concepts = ("slope", "equation of a line", "perpendicular lines", "intersection of lines")
templates = {
    "en": {
        1: [
            "Find the equation of the line through $({a}, {b})$ and $({c}, {d})$ in the form $y = mx + n$.",
            "A line passes through the points $({a}, {b})$ and $({c}, {d})$. Write its equation as $y = mx + n$.",
            "What is the equation, solved for $y$, of the line joining $({a}, {b})$ to $({c}, {d})$?",
        ],
        2: [
            "Find the equation of the line through $({a}, {b})$ perpendicular to $y = {m}x {n}$, in the form $y = mx + n$.",
            "A line is perpendicular to $y = {m}x {n}$ and passes through $({a}, {b})$. Write its equation solved for $y$.",
            "What is the equation, solved for $y$, of the perpendicular to $y = {m}x {n}$ through the point $({a}, {b})$?",
        ],
        3: [
            "At which point does the line through $({a}, {b})$ and $({c}, {d})$ meet the line through $({p}, {q})$ and $({r}, {s})$?",
            "Line $g$ passes through $({a}, {b})$ and $({c}, {d})$, line $h$ through $({p}, {q})$ and $({r}, {s})$. Find their point of intersection.",
            "Find the intersection of the line joining $({a}, {b})$ to $({c}, {d})$ and the line joining $({p}, {q})$ to $({r}, {s})$.",
        ],
    },
    "zh": {
        1: [
            "求过点 $({a}, {b})$ 和 $({c}, {d})$ 的直线方程，写成 $y = mx + n$ 的形式。",
            "一条直线经过点 $({a}, {b})$ 与 $({c}, {d})$，求它的斜截式方程。",
        ],
        2: [
            "求过点 $({a}, {b})$ 且与直线 $y = {m}x {n}$ 垂直的直线方程，写成斜截式。",
            "一条直线垂直于 $y = {m}x {n}$，并且经过点 $({a}, {b})$，求它的斜截式方程。",
        ],
        3: [
            "求过 $({a}, {b})$、$({c}, {d})$ 的直线与过 $({p}, {q})$、$({r}, {s})$ 的直线的交点坐标。",
            "直线 $g$ 经过 $({a}, {b})$ 和 $({c}, {d})$，直线 $h$ 经过 $({p}, {q})$ 和 $({r}, {s})$，它们的交点坐标是什么？",
        ],
    },
}
slots = dict.fromkeys("abcdpqrs", Number(-(10**4), 10**4)) | {"m": Coefficient(bound=1000), "n": Signed(1000)}


def draw(rng: random.Random, level: int) -> Values:
    a, c = rng.sample(range(-9, 10), 2)
    b, d = rng.sample(range(-12, 13), 2)
    if level == 1:
        return {"form": 1, "a": a, "b": b, "c": c, "d": d}
    if level == 2:
        return {"form": 2, "a": a, "b": b, "m": nonzero(rng, 9), "n": nonzero(rng, 12)}
    while True:
        p, r = rng.sample(range(-9, 10), 2)
        q, s = rng.sample(range(-12, 13), 2)
        if (d - b) * (r - p) != (s - q) * (c - a):
            return {"form": 3, "a": a, "b": b, "c": c, "d": d, "p": p, "q": q, "r": r, "s": s}


def _equation(m: Fraction, n: Fraction) -> str:
    """Return y = mx + n as LaTeX."""
    size = "" if abs(m) == 1 else fraction(abs(m))
    first = ("-" if m < 0 else "") + size + "x" if m else ""
    if not n and m:
        return f"y = {first}"
    if not m:
        return f"y = {fraction(n)}"
    return f"y = {first} {'-' if n < 0 else '+'} {fraction(abs(n))}"


def _line(points: tuple[int, int, int, int], steps: Steps, name: str) -> tuple[Fraction, Fraction]:
    a, b, c, d = points
    require(a != c, "a vertical line")
    m = Fraction(d - b, c - a)
    n = b - m * a
    slope = f"({d} - {plain(b)}) / ({c} - {plain(a)}) = {m}"
    intercept = f"{b} - {plain(m)} * {plain(a)} = {n}"
    steps.say(
        f"{name} slope is {slope}, the intercept {intercept}.", f"{name}斜率：{slope}，截距：{intercept}。"
    )
    return m, n


def work(values: Values, language: str) -> Worked:
    steps = Steps(language)
    form, a, b = int(values["form"]), int(values["a"]), int(values["b"])
    head = "from sympy import Rational, expand, latex, symbols\nx = symbols('x')\n"
    if form == 2:
        old, n_old = int(values["m"]), int(values["n"])
        m = Fraction(-1, old)
        line = f"-1 / {plain(old)} = {m}"
        steps.say(
            f"The slopes of perpendicular lines multiply to -1, so the slope is {line}.",
            f"垂直直线的斜率之积为 -1，所以斜率为 {line}。",
        )
        n = b - m * a
        line = f"{b} - {plain(m)} * {plain(a)} = {n}"
        steps.say(
            f"The intercept is {line}; the number {n_old} does not matter.",
            f"截距：{line}，与 {n_old} 无关。",
        )
        program = f"{head}print('y =', latex(expand(Rational(-1, {old}) * ({python_polynomial([1, -a])}) + {plain(b)})))"
        return Worked(_equation(m, n), steps.all(), program)
    c, d = int(values["c"]), int(values["d"])
    if form == 1:
        m, n = _line((a, b, c, d), steps, "" if steps.zh else "The")
        answer = _equation(m, n)
        steps.say(f"So the line is ${answer}$.", f"所以直线方程为 ${answer}$。")
        slope = f"Rational({d} - {plain(b)}, {c} - {plain(a)})"
        program = f"{head}print('y =', latex(expand({slope} * ({python_polynomial([1, -a])}) + {plain(b)})))"
        return Worked(answer, steps.all(), program)
    p, q, r, s = (int(values[name]) for name in "pqrs")
    first = _line((a, b, c, d), steps, "第一条直线，" if steps.zh else "On the first line, the")
    second = _line((p, q, r, s), steps, "第二条直线，" if steps.zh else "On the second line, the")
    require(first[0] != second[0], "parallel lines")
    x = (second[1] - first[1]) / (first[0] - second[0])
    y = first[0] * x + first[1]
    line = f"x = ({second[1]} - {plain(first[1])}) / ({first[0]} - {plain(second[0])}) = {x}"
    steps.say(f"Equate both: {line}.", f"联立：{line}。")
    line = f"y = {plain(first[0])} * {plain(x)} + {plain(first[1])} = {y}"
    steps.say(f"Then {line}.", f"于是 {line}。")
    program = (
        "from sympy import Line, Point, latex\n"
        f"g, h = Line(Point({a}, {b}), Point({c}, {d})), Line(Point({p}, {q}), Point({r}, {s}))\n"
        "point = g.intersection(h)[0]\nprint(f'({latex(point.x)}, {latex(point.y)})')"
    )
    return Worked(f"({fraction(x)}, {fraction(y)})", steps.all(), program)
