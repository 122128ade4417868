"""Determinants of order 2 and 3.

Level 1: order 2. Level 2: order 3. Level 3: order 3 with one unknown entry that makes the matrix
singular. There are over 100,000 matrices at level 1.
"""

from __future__ import annotations

import random
from fractions import Fraction

from tasks.problems.machinery.family import Values, Worked
from tasks.problems.machinery.notation import cells, fraction, inner, plain, require
from tasks.problems.machinery.slots import Matrix, Number

subdomain = "determinants"
concepts = ("determinants", "cofactor expansion", "singular matrices")
_BARS = r"\begin{{vmatrix}} {m} \end{{vmatrix}}"
_WITH_K = r"\begin{{pmatrix}} {a} & {b} & k \\ {m} \end{{pmatrix}}"
templates = {
    "en": {
        1: [
            f"Compute the determinant ${_BARS}$.",
            f"What is the value of ${_BARS}$?",
            r"Find the determinant of the matrix $\begin{{pmatrix}} {m} \end{{pmatrix}}$.",
        ],
        3: [
            f"For which value of $k$ is the matrix ${_WITH_K}$ singular?",
            f"Find the value of $k$ for which the determinant of ${_WITH_K}$ is zero.",
            f"The matrix ${_WITH_K}$ has no inverse. What is $k$?",
        ],
    },
    "zh": {
        1: [f"计算行列式 ${_BARS}$ 的值。", r"求矩阵 $\begin{{pmatrix}} {m} \end{{pmatrix}}$ 的行列式。"],
        3: [
            f"当 $k$ 取何值时，矩阵 ${_WITH_K}$ 不可逆？",
            f"若矩阵 ${_WITH_K}$ 的行列式等于 $0$，求 $k$ 的值。",
        ],
    },
}
slots = {"m": Matrix(3), "a": Number(-(10**6), 10**6), "b": Number(-(10**6), 10**6)}


def draw(rng: random.Random, level: int) -> Values:
    def row(size: int) -> list[int]:
        return [rng.randint(-9, 12) for _ in range(size)]

    if level < 3:
        return {"form": 1, "m": inner([row(level + 1) for _ in range(level + 1)])}
    while True:
        (d, e, _), (g, h, _) = rows = [row(3), row(3)]
        if d * h != e * g:
            return {"form": 3, "a": rng.randint(-9, 12), "b": rng.randint(-9, 12), "m": inner(rows)}


def work(values: Values, language: str) -> Worked:
    zh = language == "zh"
    rows = cells(values["m"])
    if values["form"] == 3:
        return _singular(int(values["a"]), int(values["b"]), rows, zh)
    require(len(rows) == len(rows[0]) and len(rows) in (2, 3), "not a square of order 2 or 3")
    program = f"from sympy import Matrix\nprint(Matrix({rows}).det())"
    if len(rows) == 2:
        line, value = _minor(rows[0], rows[1])
        steps = [
            "二阶行列式等于主对角线之积减去副对角线之积。"
            if zh
            else "Multiply along the diagonals and subtract.",
            f"行列式：{line}。" if zh else f"The determinant is {line}.",
        ]
        return Worked(str(value), tuple(steps), program)
    minors, steps = _minors(rows[1:], zh)
    a, b, c = rows[0]
    value = a * minors[0] - b * minors[1] + c * minors[2]
    parts = [f"{plain(x)} * {plain(y)}" for x, y in zip(rows[0], minors, strict=True)]
    line = f"{parts[0]} - {parts[1]} + {parts[2]} = {value}"
    steps.append(f"按第一行展开：{line}。" if zh else f"Expand along the first row: {line}.")
    return Worked(str(value), tuple(steps), program)


def _minor(first: list[int], second: list[int]) -> tuple[str, int]:
    (a, b), (c, d) = first, second
    value = a * d - b * c
    return f"{plain(a)} * {plain(d)} - {plain(b)} * {plain(c)} = {value}", value


def _minors(rows: list[list[int]], zh: bool) -> tuple[list[int], list[str]]:
    """Return the three minors of the first row, each with its step."""
    require(len(rows) == 2 and len(rows[0]) == 3, "not two rows of three")
    minors, steps = [], []
    for column in range(3):
        first, second = ([cell for place, cell in enumerate(row) if place != column] for row in rows)
        line, value = _minor(first, second)
        steps.append(
            f"第一行第 {column + 1} 个元素的余子式：{line}。"
            if zh
            else f"Minor of entry {column + 1} of the first row: {line}."
        )
        minors.append(value)
    return minors, steps


def _singular(a: int, b: int, rows: list[list[int]], zh: bool) -> Worked:
    minors, steps = _minors(rows, zh)
    require(minors[2] != 0, "k does not matter")
    rest = a * minors[0] - b * minors[1]
    k = Fraction(-rest, minors[2])
    line = f"{plain(a)} * {plain(minors[0])} - {plain(b)} * {plain(minors[1])} = {rest}"
    steps.append(
        f"按第一行展开，不含 k 的部分：{line}，行列式为 {rest} + k * {plain(minors[2])}。"
        if zh
        else f"Expanding along the first row, the part without k is {line}, and the determinant is {rest} + k * {plain(minors[2])}."
    )
    line = f"k = {-rest} / {plain(minors[2])} = {k}"
    steps.append(f"令行列式为零：{line}。" if zh else f"It vanishes for {line}.")
    matrix = f"[[{a}, {b}, k], {rows[0]}, {rows[1]}]"
    program = f"from sympy import Matrix, solve, symbols\nk = symbols('k')\nprint(solve(Matrix({matrix}).det(), k)[0])"
    return Worked(fraction(k), tuple(steps), program)
