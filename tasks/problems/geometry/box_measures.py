"""Boxes.

Level 1: the surface of a box. Level 2: the space diagonal. Level 3: a painted box cut into unit cubes.
There are over 10,000 questions at level 1.
"""

from __future__ import annotations

import random

from tasks.problems.machinery.family import Steps, Values, Worked
from tasks.problems.machinery.notation import require, root, square_factor
from tasks.problems.machinery.slots import Number, Words

subdomain = "solid geometry"
concepts = ("surface area", "space diagonal", "counting unit cubes")
BOXES = Words(
    en=("box", "crate", "brick", "wooden block", "parcel"), zh=("盒子", "箱子", "砖块", "木块", "包裹")
)
FACES = Words(en=("no", "exactly one", "exactly two"), zh=("没有一面", "恰好一面", "恰好两面"))
templates = {
    "en": {
        1: [
            "A rectangular {thing} is {a} cm long, {b} cm wide and {c} cm high. What is its total surface area in cm²?",
            "Find the surface area, in cm², of a rectangular {thing} measuring {a} cm by {b} cm by {c} cm.",
            "How many cm² of paper cover a rectangular {thing} with edges of {a} cm, {b} cm and {c} cm exactly, without overlap?",
        ],
        2: [
            "A rectangular {thing} is {a} cm long, {b} cm wide and {c} cm high. How long is its space diagonal, in cm? Give the exact value.",
            "Find the exact distance in cm between opposite corners of a rectangular {thing} measuring {a} cm by {b} cm by {c} cm.",
            "What is the length in cm, in simplest radical form, of the longest straight line inside a rectangular {thing} with edges of {a} cm, {b} cm and {c} cm?",
        ],
        3: [
            "A solid rectangular {thing} of {a} cm by {b} cm by {c} cm is painted on the outside and then cut into cubes of edge 1 cm. How many of the small cubes have {faces} painted faces?",
            "The whole surface of a solid rectangular {thing} with edges of {a} cm, {b} cm and {c} cm is painted, and it is sawn into 1 cm cubes. Count the cubes with {faces} painted faces.",
            "After a solid rectangular {thing} ({a} cm by {b} cm by {c} cm) has been painted all over and cut into 1 cm cubes, how many cubes show {faces} painted faces?",
        ],
    },
    "zh": {
        1: [
            "一个长方体{thing}长 {a} 厘米、宽 {b} 厘米、高 {c} 厘米，它的表面积是多少平方厘米？",
            "求棱长分别为 {a} 厘米、{b} 厘米、{c} 厘米的长方体{thing}的表面积（单位：平方厘米）。",
        ],
        2: [
            "一个长方体{thing}长 {a} 厘米、宽 {b} 厘米、高 {c} 厘米，它的体对角线长多少厘米？（写出精确值）",
            "求棱长分别为 {a} 厘米、{b} 厘米、{c} 厘米的长方体{thing}的体对角线的长（单位：厘米，写成最简根式）。",
        ],
        3: [
            "一个长 {a} 厘米、宽 {b} 厘米、高 {c} 厘米的实心长方体{thing}表面涂满颜色，然后切成棱长 1 厘米的小正方体，{faces}涂色的小正方体有多少个？",
            "把一个 {a} 厘米乘 {b} 厘米乘 {c} 厘米的实心长方体{thing}全部涂色，再锯成棱长 1 厘米的小正方体，其中{faces}涂色的有多少个？",
        ],
    },
}
_LENGTH = Number(1, 10**4)
slots = {"thing": BOXES, "faces": FACES, "a": _LENGTH, "b": _LENGTH, "c": _LENGTH}


def draw(rng: random.Random, level: int) -> Values:
    high = (20, 40, 15)[level - 1]
    a, b, c = sorted((rng.randint(3, high) for _ in range(3)), reverse=True)
    values: Values = {"form": level, "thing": rng.randrange(len(BOXES)), "a": a, "b": b, "c": c}
    return values | {"faces": rng.randrange(len(FACES))} if level == 3 else values


def work(values: Values, language: str) -> Worked:
    form, a, b, c = (int(values[name]) for name in ("form", "a", "b", "c"))
    steps = Steps(language)
    if form == 1:
        lines = f"{a} * {b} = {a * b}", f"{a} * {c} = {a * c}", f"{b} * {c} = {b * c}"
        steps.say(f"The three kinds of faces: {'; '.join(lines)}.", f"三种面的面积：{'；'.join(lines)}。")
        total = 2 * (a * b + a * c + b * c)
        line = f"2 * ({a * b} + {a * c} + {b * c}) = {total}"
        steps.say(f"Each occurs twice: {line}.", f"每种面有两个：{line}。")
        return Worked(str(total), steps.all(), f"a, b, c = {a}, {b}, {c}\nprint(2 * (a*b + a*c + b*c))")
    if form == 2:
        square = a * a + b * b + c * c
        line = f"{a}^2 + {b}^2 + {c}^2 = {a * a} + {b * b} + {c * c} = {square}"
        steps.say(f"The squared diagonal is {line}.", f"体对角线的平方：{line}。")
        line = square_factor(square, language)
        steps.say(
            f"As {line}, it is ${root(square)}$ cm long.", f"因为 {line}，体对角线长 ${root(square)}$ 厘米。"
        )
        return Worked(
            root(square),
            steps.all(),
            f"from sympy import latex, sqrt\nprint(latex(sqrt({a}**2 + {b}**2 + {c}**2)))",
        )
    require(min(a, b, c) >= 2 and max(a, b, c) <= 60, "a box too thin, or too large to count")
    x, y, z = a - 2, b - 2, c - 2
    faces = int(values["faces"])
    lines = f"{a} - 2 = {x}", f"{b} - 2 = {y}", f"{c} - 2 = {z}"
    steps.say(f"Leave out the outer layer: {'; '.join(lines)}.", f"去掉最外一层：{'；'.join(lines)}。")
    if faces == 0:
        total = x * y * z
        steps.say(
            f"The unpainted cubes form the inner box: {x} * {y} * {z} = {total}.",
            f"没有涂色的小正方体在内部：{x} * {y} * {z} = {total}。",
        )
    elif faces == 1:
        total = 2 * (x * y + x * z + y * z)
        line = f"2 * ({x} * {y} + {x} * {z} + {y} * {z}) = {total}"
        steps.say(f"One painted face: inside the six faces, {line}.", f"一面涂色的在六个面的中间：{line}。")
    else:
        total = 4 * (x + y + z)
        line = f"4 * ({x} + {y} + {z}) = {total}"
        steps.say(
            f"Two painted faces: along the twelve edges without corners, {line}.",
            f"两面涂色的在十二条棱上（不含顶点）：{line}。",
        )
    ends = f"(i in (0, {a - 1})) + (j in (0, {b - 1})) + (k in (0, {c - 1}))"
    program = f"cubes = [(i, j, k) for i in range({a}) for j in range({b}) for k in range({c})]\nprint(sum(1 for i, j, k in cubes if {ends} == {faces}))"
    return Worked(str(total), steps.all(), program)
