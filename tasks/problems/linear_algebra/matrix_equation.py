"""Sums, squares and equations of matrices of order 2.

Level 1: pA + qB. Level 2: A squared plus qB. Level 3: X with AX = B, rational entries. There are over
100,000 questions at level 1.
"""

from __future__ import annotations

import random
from fractions import Fraction

from tasks.problems.machinery.family import Steps, Values, Worked, nonzero
from tasks.problems.machinery.notation import cells, inner, matrix, plain, require
from tasks.problems.machinery.slots import Coefficient, Matrix

subdomain = "matrix operations"
concepts = ("linear combinations of matrices", "matrix powers", "inverse matrices")
_A, _B = r"$A = \begin{{pmatrix}} {m} \end{{pmatrix}}$", r"$B = \begin{{pmatrix}} {n} \end{{pmatrix}}$"
_SHAPES = {1: "${p}A {q}B$", 2: "$A^2 {q}B$"}
templates = {
    "en": {
        form: [
            f"Let {_A} and {_B}. Compute {shape}.",
            f"For the matrices {_A} and {_B}, find {shape}.",
            f"Given {_A} and {_B}, what is {shape}?",
        ]
        for form, shape in _SHAPES.items()
    }
    | {
        3: [
            f"Let {_A} and {_B}. Find the matrix $X$ with $AX = B$.",
            f"Solve the matrix equation $AX = B$, where {_A} and {_B}.",
            f"For which matrix $X$ is $AX = B$, given {_A} and {_B}?",
        ]
    },
    "zh": {
        form: [f"已知 {_A}，{_B}，计算 {shape}。", f"设矩阵 {_A}，{_B}，求 {shape}。"]
        for form, shape in _SHAPES.items()
    }
    | {3: [f"已知 {_A}，{_B}，求满足 $AX = B$ 的矩阵 $X$。", f"解矩阵方程 $AX = B$，其中 {_A}，{_B}。"]},
}
slots = {
    "m": Matrix(2),
    "n": Matrix(2),
    "p": Coefficient(bound=1000),
    "q": Coefficient(later=True, bound=1000),
}


def draw(rng: random.Random, level: int) -> Values:
    def block() -> list[list[int]]:
        return [[rng.randint(-9, 9) for _ in range(2)] for _ in range(2)]

    a, b, q = block(), block(), nonzero(rng, 6)
    if level == 1:
        return {"form": 1, "m": inner(a), "n": inner(b), "p": rng.randint(2, 6), "q": q}
    if level == 2:
        return {"form": 2, "m": inner(a), "n": inner(b), "q": q}
    while abs(_determinant(a)) not in range(1, 13):
        a = block()
    return {"form": 3, "m": inner(a), "n": inner(b)}


def _determinant(m: list[list[int]]) -> int:
    return m[0][0] * m[1][1] - m[0][1] * m[1][0]


def work(values: Values, language: str) -> Worked:
    form, a, b = int(values["form"]), cells(values["m"]), cells(values["n"])
    require({len(a), len(a[0]), len(b), len(b[0])} == {2}, "not of order 2")
    steps = Steps(language)
    head = "from sympy import Matrix, latex\n"
    if form == 3:
        return _equation(a, b, steps, f"{head}print(latex(Matrix({a}).inv() * Matrix({b})))")
    p, q = int(values.get("p", 1)), int(values["q"])
    if form == 1:
        steps.say("Combine the entries place by place.", "对应位置的元素分别计算。")
    left = a
    if form == 2:
        left = [[sum(a[i][k] * a[k][j] for k in range(2)) for j in range(2)] for i in range(2)]
        for i in range(2):
            lines = [
                " + ".join(f"{plain(a[i][k])} * {plain(a[k][j])}" for k in range(2)) + f" = {left[i][j]}"
                for j in range(2)
            ]
            steps.say(
                f"Row {i + 1} of A^2: {'; '.join(lines)}.", f"A^2 的第 {i + 1} 行：{'；'.join(lines)}。"
            )
    total = [[p * left[i][j] + q * b[i][j] for j in range(2)] for i in range(2)]
    for i in range(2):
        factor = f"{plain(p)} * " if form == 1 else ""
        lines = [
            f"{factor}{plain(left[i][j])} + {plain(q)} * {plain(b[i][j])} = {total[i][j]}" for j in range(2)
        ]
        steps.say(
            f"Row {i + 1} of the result: {'; '.join(lines)}.", f"结果的第 {i + 1} 行：{'；'.join(lines)}。"
        )
    first = f"{p} * Matrix({a})" if form == 1 else f"Matrix({a})**2"
    return Worked(matrix(total), steps.all(), f"{head}print(latex({first} + {plain(q)} * Matrix({b})))")


def _equation(a: list[list[int]], b: list[list[int]], steps: Steps, program: str) -> Worked:
    below = _determinant(a)
    require(below != 0, "A has no inverse")
    line = f"{plain(a[0][0])} * {plain(a[1][1])} - {plain(a[0][1])} * {plain(a[1][0])} = {below}"
    steps.say(
        f"The determinant of A is {line}, so X is the inverse of A times B.",
        f"A 的行列式：{line}，所以 X 等于 A 的逆矩阵乘以 B。",
    )
    adjugate = [[a[1][1], -a[0][1]], [-a[1][0], a[0][0]]]
    steps.say(
        f"The inverse is 1/{plain(below)} times ${matrix(adjugate)}$.",
        f"逆矩阵为 1/{plain(below)} 乘以 ${matrix(adjugate)}$。",
    )
    solved_rows: list[list[Fraction]] = []
    for i in range(2):
        lines, row = [], []
        for j in range(2):
            top = sum(adjugate[i][k] * b[k][j] for k in range(2))
            row.append(Fraction(top, below))
            sums = " + ".join(f"{plain(adjugate[i][k])} * {plain(b[k][j])}" for k in range(2))
            lines.append(f"({sums}) / {plain(below)} = {row[-1]}")
        solved_rows.append(row)
        steps.say(f"Row {i + 1} of X: {'; '.join(lines)}.", f"X 的第 {i + 1} 行：{'；'.join(lines)}。")
    return Worked(matrix(solved_rows), steps.all(), program)
