"""Cylinders, cones and spheres.

Level 1: the volume of a cylinder or a cone. Level 2: the surface of a cylinder. Level 3: how far the
water rises when a ball is put into a cylinder. There are over 1,000 questions in each phrasing at level
1.
"""

from __future__ import annotations

import random
from fractions import Fraction

from tasks.problems.machinery.family import Steps, Values, Worked
from tasks.problems.machinery.notation import fraction, require, times_pi
from tasks.problems.machinery.slots import Number, Words

subdomain = "solid geometry"
concepts = ("volume of cylinder, cone and sphere", "surface area")
SOLIDS = Words(en=("cylinder", "cone"), zh=("圆柱", "圆锥"))
templates = {
    "en": {
        1: [
            "A {solid} has a base radius of {r} cm and a height of {h} cm. What is its volume in cm³? Leave $\\pi$ in the answer.",
            "Find the exact volume in cm³ of a {solid} with base radius {r} cm and height {h} cm.",
            "What is the volume, in terms of $\\pi$ and in cm³, of a {solid} that is {h} cm high and whose base has the radius {r} cm?",
        ],
        2: [
            "A closed cylinder has a radius of {r} cm and a height of {h} cm. What is its total surface area in cm²? Leave $\\pi$ in the answer.",
            "Find the exact total surface area, in cm², of a closed cylindrical can of radius {r} cm and height {h} cm.",
            "How many cm² of sheet metal make up a closed cylinder {h} cm high with radius {r} cm? Leave $\\pi$ in the answer.",
        ],
        3: [
            "A cylindrical vessel of radius {r} cm is partly filled with water. A ball of radius {b} cm is completely submerged, and no water spills. By how many cm does the water level rise?",
            "A ball with a radius of {b} cm sinks completely into the water of a cylindrical vessel whose radius is {r} cm, without overflow. Find the rise of the water level in cm.",
            "How many cm does the water in a cylinder of radius {r} cm rise when a ball of radius {b} cm is fully submerged in it and nothing spills?",
        ],
    },
    "zh": {
        1: [
            "一个{solid}的底面半径是 {r} 厘米，高是 {h} 厘米，体积是多少立方厘米？（结果保留 $\\pi$）",
            "求底面半径为 {r} 厘米、高为 {h} 厘米的{solid}的体积（单位：立方厘米，保留 $\\pi$）。",
        ],
        2: [
            "一个有盖的圆柱形铁罐，底面半径 {r} 厘米，高 {h} 厘米，它的表面积是多少平方厘米？（结果保留 $\\pi$）",
            "求底面半径为 {r} 厘米、高为 {h} 厘米的圆柱的全面积（单位：平方厘米，保留 $\\pi$）。",
        ],
        3: [
            "一个底面半径为 {r} 厘米的圆柱形容器里装有水，把一个半径为 {b} 厘米的球完全浸没在水中，水没有溢出，水面上升多少厘米？",
            "半径为 {b} 厘米的球完全沉入底面半径为 {r} 厘米的圆柱形容器的水中，水未溢出，求水面上升的高度（单位：厘米）。",
        ],
    },
}
_LENGTH = Number(1, 10**4)
slots = {"solid": SOLIDS, "r": _LENGTH, "h": _LENGTH, "b": _LENGTH}


def draw(rng: random.Random, level: int) -> Values:
    if level == 1:
        return {"form": 1, "solid": rng.randrange(2), "r": rng.randint(2, 35), "h": rng.randint(2, 50)}
    if level == 2:
        return {"form": 2, "r": rng.randint(2, 40), "h": rng.randint(2, 60)}
    b = rng.randint(1, 40)
    return {"form": 3, "b": b, "r": b + rng.randint(1, 50)}


def work(values: Values, language: str) -> Worked:
    form, r = int(values["form"]), int(values["r"])
    steps = Steps(language)
    head = "from sympy import Rational, latex, pi\n"
    if form == 1:
        h, cone = int(values["h"]), values["solid"] == 1
        line = f"{r}^2 = {r * r}"
        steps.say(f"The base has the area pi * r^2 with {line}.", f"底面积为 pi * r^2，其中 {line}。")
        volume = Fraction(r * r * h, 3 if cone else 1)
        line = f"{r * r} * {h} / 3 = {volume}" if cone else f"{r * r} * {h} = {volume}"
        steps.say(
            f"{'A third of base times height' if cone else 'Base times height'} gives {line} times pi.",
            f"{'底面积乘高的三分之一' if cone else '底面积乘高'}，pi 的倍数为 {line}。",
        )
        third = " / 3" if cone else ""
        return Worked(
            times_pi(volume),
            steps.all(),
            f"{head.replace('Rational, ', '')}print(latex(pi * {r}**2 * {h}{third}))",
        )
    if form == 2:
        h = int(values["h"])
        ends, side = 2 * r * r, 2 * r * h
        steps.say(f"Both ends: 2 * {r}^2 = {ends} times pi.", f"两个底面：pi 的倍数为 2 * {r}^2 = {ends}。")
        steps.say(
            f"The side: 2 * {r} * {h} = {side} times pi.", f"侧面：pi 的倍数为 2 * {r} * {h} = {side}。"
        )
        steps.say(
            f"Together {ends} + {side} = {ends + side} times pi.",
            f"合计：pi 的倍数为 {ends} + {side} = {ends + side}。",
        )
        return Worked(
            times_pi(ends + side),
            steps.all(),
            f"{head.replace('Rational, ', '')}print(latex(2 * pi * {r}**2 + 2 * pi * {r} * {h}))",
        )
    b = int(values["b"])
    require(b < r, "the ball does not fit")
    ball = Fraction(4 * b**3, 3)
    steps.say(
        f"The ball's volume is 4/3 * {b}^3 = {ball} times pi.",
        f"球的体积：pi 的倍数为 4/3 * {b}^3 = {ball}。",
    )
    steps.say(
        f"The vessel's cross-section is {r}^2 = {r * r} times pi.",
        f"容器的底面积：pi 的倍数为 {r}^2 = {r * r}。",
    )
    rise = ball / (r * r)
    line = f"{ball} / {r * r} = {rise}" if ball.denominator == 1 else f"({ball}) / {r * r} = {rise}"
    steps.say(f"The water rises by {line} cm.", f"水面上升 {line} 厘米。")
    return Worked(
        fraction(rise), steps.all(), f"from sympy import Rational\nprint(Rational(4, 3) * {b}**3 / {r}**2)"
    )
