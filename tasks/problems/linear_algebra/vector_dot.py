"""Dot products, perpendicular vectors and projections.

Level 1: the dot product. Level 2: an unknown component that makes two vectors perpendicular. Level 3:
the projection of one vector onto another. There are over 100,000 questions at level 1.
"""

from __future__ import annotations

import random
from fractions import Fraction

from tasks.problems.machinery.family import Steps, Values, Worked, nonzero
from tasks.problems.machinery.notation import fraction, plain, require
from tasks.problems.machinery.slots import Numbers, join, split

subdomain = "vectors"
concepts = ("dot product", "perpendicular vectors", "vector projection")
templates = {
    "en": {
        1: [
            "Find the dot product of the vectors $({u})$ and $({v})$.",
            "Let $\\vec u = ({u})$ and $\\vec v = ({v})$. Compute $\\vec u \\cdot \\vec v$.",
            "What is the scalar product of $({u})$ and $({v})$?",
        ],
        2: [
            "For which value of $k$ are the vectors $({u}, k)$ and $({v})$ perpendicular?",
            "The vectors $({u}, k)$ and $({v})$ are orthogonal. Find $k$.",
            "Find $k$ such that $({u}, k) \\cdot ({v}) = 0$.",
        ],
        3: [
            "Find the projection of the vector $({u})$ onto the vector $({v})$.",
            "Let $\\vec u = ({u})$ and $\\vec v = ({v})$. Compute the vector projection of $\\vec u$ onto $\\vec v$.",
            "What is the component vector of $({u})$ in the direction of $({v})$?",
        ],
    },
    "zh": {
        1: [
            "求向量 $({u})$ 与 $({v})$ 的数量积。",
            "已知 $\\vec u = ({u})$，$\\vec v = ({v})$，计算 $\\vec u \\cdot \\vec v$。",
        ],
        2: [
            "当 $k$ 取何值时，向量 $({u}, k)$ 与 $({v})$ 垂直？",
            "若向量 $({u}, k)$ 与 $({v})$ 互相垂直，求 $k$ 的值。",
        ],
        3: [
            "求向量 $({u})$ 在向量 $({v})$ 上的投影向量。",
            "已知 $\\vec u = ({u})$，$\\vec v = ({v})$，求 $\\vec u$ 在 $\\vec v$ 上的投影向量。",
        ],
    },
}
slots = {"u": Numbers(2, 4, 10**4), "v": Numbers(2, 4, 10**4)}


def draw(rng: random.Random, level: int) -> Values:
    def vector(size: int) -> list[int]:
        return [rng.randint(-9, 9) for _ in range(size - 1)] + [nonzero(rng, 9)]

    if level == 2:
        return {"form": 2, "u": join(vector(2)), "v": join(vector(3))}
    size = rng.choice((2, 3)) if level == 1 else 3
    return {"form": level, "u": join(vector(size)), "v": join(vector(size))}


def work(values: Values, language: str) -> Worked:
    form, u, v = int(values["form"]), split(values["u"]), split(values["v"])
    require(len(u) + (form == 2) == len(v), "vectors of different length")
    steps = Steps(language)
    dot = sum(x * y for x, y in zip(u, v, strict=False))
    line = " + ".join(f"{plain(x)} * {plain(y)}" for x, y in zip(u, v, strict=False)) + f" = {dot}"
    head = "from fractions import Fraction\n"
    python = f"sum(x * y for x, y in zip({u}, {v}))"
    if form == 1:
        steps.say("Multiply matching components and add the products.", "对应分量相乘，再相加。")
        steps.say(f"The dot product is {line}.", f"数量积：{line}。")
        return Worked(str(dot), steps.all(), f"print({python})")
    if form == 2:
        last = v[-1]
        require(last != 0, "k does not matter")
        k = Fraction(-dot, last)
        steps.say(f"Without k, the dot product is {line}.", f"不含 k 的部分：{line}。")
        line = f"k = {-dot} / {plain(last)} = {k}"
        steps.say(
            f"Adding k * {plain(last)} must give zero, so {line}.",
            f"再加上 k * {plain(last)} 应等于零，所以 {line}。",
        )
        return Worked(fraction(k), steps.all(), f"{head}print(Fraction(-{python}, {last}))")
    steps.say(f"The dot product is {line}.", f"数量积：{line}。")
    square = sum(y * y for y in v)
    require(square != 0, "the zero vector has no direction")
    line = " + ".join(f"{plain(y)}^2" for y in v) + f" = {square}"
    steps.say(f"The squared length of the second vector is {line}.", f"第二个向量的模的平方：{line}。")
    factor = Fraction(dot, square)
    steps.say(f"The factor is {dot} / {square} = {factor}.", f"系数：{dot} / {square} = {factor}。")
    projection = [factor * y for y in v]
    lines = [f"{plain(factor)} * {plain(y)} = {z}" for y, z in zip(v, projection, strict=True)]
    steps.say(f"The components are {'; '.join(lines)}.", f"各分量：{'；'.join(lines)}。")
    program = f"from sympy import Matrix, latex\nu, v = Matrix({u}), Matrix({v})\nfound = v * (u.dot(v) / v.dot(v))\nprint('(' + ', '.join(latex(x) for x in found) + ')')"
    return Worked("(" + ", ".join(fraction(x) for x in projection) + ")", steps.all(), program)
