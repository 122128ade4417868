"""Distances in the plane.

Level 1: of two points. Level 2: of a point from a line. Level 3: the radius of a circle from its
general equation. There are over 10,000 questions at level 1.
"""

from __future__ import annotations

import random
from fractions import Fraction

from tasks.problems.machinery.family import Steps, Values, Worked, nonzero
from tasks.problems.machinery.notation import (
    fraction,
    plain,
    require,
    root,
    square_factor,
    square_part,
    times_root,
)
from tasks.problems.machinery.slots import Coefficient, Number, Signed

subdomain = "coordinate geometry"
concepts = ("distance formula", "distance from a point to a line", "equation of a circle")
_CIRCLE = "$x^2 + y^2 {d}x {e}y {f} = 0$"
templates = {
    "en": {
        1: [
            "Find the exact distance between the points $({a}, {b})$ and $({c}, {g})$.",
            "How far apart are $A({a}, {b})$ and $B({c}, {g})$ in the coordinate plane? Give the exact value.",
            "What is the length of the segment from $({a}, {b})$ to $({c}, {g})$, in simplest radical form?",
        ],
        2: [
            "Find the exact distance from the point $({a}, {b})$ to the line ${p}x {q}y {f} = 0$.",
            "What is the exact distance between $P({a}, {b})$ and the line with equation ${p}x {q}y {f} = 0$?",
            "How far is the line ${p}x {q}y {f} = 0$ from the point $({a}, {b})$? Give the exact value.",
        ],
        3: [
            f"Find the exact radius of the circle {_CIRCLE}.",
            f"What is the radius of the circle with equation {_CIRCLE}, in simplest form?",
            f"The equation {_CIRCLE} describes a circle. Determine its radius exactly.",
        ],
    },
    "zh": {
        1: [
            "求点 $({a}, {b})$ 与点 $({c}, {g})$ 之间的距离（写出精确值）。",
            "坐标平面上 $A({a}, {b})$、$B({c}, {g})$ 两点相距多少？（写出最简根式）",
        ],
        2: [
            "求点 $({a}, {b})$ 到直线 ${p}x {q}y {f} = 0$ 的距离。",
            "直线 ${p}x {q}y {f} = 0$ 与点 $P({a}, {b})$ 的距离是多少？",
        ],
        3: [f"求圆 {_CIRCLE} 的半径。", f"方程 {_CIRCLE} 表示一个圆，它的半径是多少？"],
    },
}
_POINT, _LATER = Number(-(10**4), 10**4), Coefficient(later=True, bound=1000)
slots = dict.fromkeys("abcg", _POINT) | {
    "d": _LATER, "e": _LATER, "q": _LATER, "f": Signed(10**5), "p": Coefficient(bound=1000),
}  # fmt: skip


def draw(rng: random.Random, level: int) -> Values:
    a, b, c, g = (rng.randint(-12, 12) for _ in range(4))
    if level == 1:
        return {"form": 1, "a": a, "b": b, "c": c if (a, b) != (c, g) else c + 5, "g": g}
    if level == 2:
        while True:
            p, q, f = rng.randint(1, 12), nonzero(rng, 12), nonzero(rng, 30)
            if p * a + q * b + f:
                return {"form": 2, "a": a, "b": b, "p": p, "q": q, "f": f}
    while True:
        d, e, f = nonzero(rng, 20), nonzero(rng, 20), nonzero(rng, 60)
        if d * d + e * e > 4 * f:
            return {"form": 3, "d": d, "e": e, "f": f}


def work(values: Values, language: str) -> Worked:
    steps = Steps(language)
    form = int(values["form"])
    head = "from sympy import Rational, latex, sqrt\n"
    if form == 3:
        d, e, f = (int(values[name]) for name in "def")
        square = d * d + e * e - 4 * f
        require(0 < square <= 10**9, "no circle, or one out of bounds")
        steps.say(
            f"Complete both squares: the centre is ({-d} / 2, {-e} / 2), and four times the squared radius is d^2 + e^2 - 4f, where d and e belong to x and y and f is the constant term.",
            f"两次配方：圆心为 ({-d} / 2, {-e} / 2)，半径平方的四倍等于 d^2 + e^2 - 4f（d、e 是 x、y 的系数，f 是常数项）。",
        )
        line = f"{plain(d)}^2 + {plain(e)}^2 - 4 * {plain(f)} = {square}"
        steps.say(f"That is {line}.", f"即 {line}。")
        outside, inside = square_part(square)
        answer = times_root(Fraction(outside, 2), inside)
        line = square_factor(square, language)
        steps.say(
            f"As {line}, the radius is half its root: ${answer}$.",
            f"因为 {line}，半径是其平方根的一半：${answer}$。",
        )
        return Worked(
            answer,
            steps.all(),
            f"{head.replace('Rational, ', '')}print(latex(sqrt({plain(d)}**2 + {plain(e)}**2 - 4*{plain(f)}) / 2))",
        )
    a, b = int(values["a"]), int(values["b"])
    if form == 1:
        c, g = int(values["c"]), int(values["g"])
        x, y = c - a, g - b
        square = x * x + y * y
        require(0 < square <= 10**9, "one point, or points out of bounds")
        parts = f"{c} - {plain(a)} = {x}", f"{g} - {plain(b)} = {y}"
        steps.say(
            f"The differences of the coordinates are {parts[0]} and {parts[1]}.",
            f"坐标之差：{parts[0]}，{parts[1]}。",
        )
        total = f"{plain(x)}^2 + {plain(y)}^2 = {square}"
        steps.say(f"The squared distance is {total}.", f"距离的平方：{total}。")
        outside, inside = square_part(square)
        total = square_factor(square, language)
        steps.say(
            f"As {total}, the distance is ${root(square)}$.", f"因为 {total}，距离为 ${root(square)}$。"
        )
        return Worked(
            root(square),
            steps.all(),
            f"{head.replace('Rational, ', '')}print(latex(sqrt({plain(x)}**2 + {plain(y)}**2)))",
        )
    p, q, f = (int(values[name]) for name in "pqf")
    top, square = p * a + q * b + f, p * p + q * q
    require(top != 0, "the point lies on the line")
    line_top = f"{plain(p)} * {plain(a)} + {plain(q)} * {plain(b)} + {plain(f)} = {top}"
    steps.say(f"Put the point into the left side: {line_top}.", f"把点代入直线方程左边：{line_top}。")
    line_top = f"{plain(p)}^2 + {plain(q)}^2 = {square}"
    steps.say(f"Divide its size by the root of {line_top}.", f"取绝对值，再除以 {line_top} 的平方根。")
    outside, inside = square_part(square)
    answer = times_root(Fraction(abs(top), outside * inside), inside)
    if inside > 1:
        below = f"({outside} * {inside})" if outside > 1 else str(inside)
        line_top = f"{abs(top)} / {below} = {Fraction(abs(top), outside * inside)}"
        steps.say(
            f"As {square_factor(square)}, rationalise: {line_top} times sqrt({inside}), that is ${answer}$.",
            f"因为 {square_factor(square, language)}，分母有理化：{line_top}，再乘 sqrt({inside})，即 ${answer}$。",
        )
    else:
        line_top = f"{abs(top)} / {outside} = {Fraction(abs(top), outside)}"
        steps.say(
            f"With {square} = {outside}^2 the distance is {line_top}.",
            f"由 {square} = {outside}^2，距离为 {line_top}。",
        )
        answer = fraction(Fraction(abs(top), outside))
    return Worked(answer, steps.all(), f"{head}print(latex(Rational({abs(top)}) / sqrt({square})))")
