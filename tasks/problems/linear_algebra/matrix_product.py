"""Products of matrices.

Level 1: order 2 times a column. Level 2: order 2 times order 2. Level 3: order 3 times three rows of
two. There are over 100,000 products at level 1.
"""

from __future__ import annotations

import random

from tasks.problems.machinery.family import Steps, Values, Worked
from tasks.problems.machinery.notation import cells, inner, matrix, plain, require
from tasks.problems.machinery.slots import Matrix

subdomain = "matrix operations"
concepts = ("matrix multiplication",)
_PRODUCT = r"$\begin{{pmatrix}} {m} \end{{pmatrix}} \begin{{pmatrix}} {n} \end{{pmatrix}}$"
_NAMED = r"$A = \begin{{pmatrix}} {m} \end{{pmatrix}}$", r"$B = \begin{{pmatrix}} {n} \end{{pmatrix}}$"
templates = {
    "en": [
        f"Compute the product {_PRODUCT}.",
        f"Let {_NAMED[0]} and {_NAMED[1]}. Find $AB$.",
        f"What matrix is {_PRODUCT} equal to?",
    ],
    "zh": [f"计算矩阵乘积 {_PRODUCT}。", f"已知 {_NAMED[0]}，{_NAMED[1]}，求 $AB$。"],
}
slots = {"m": Matrix(3), "n": Matrix(3)}
_SHAPES = {1: (2, 2, 1), 2: (2, 2, 2), 3: (3, 3, 2)}


def draw(rng: random.Random, level: int) -> Values:
    rows, middle, columns = _SHAPES[level]

    def block(height: int, width: int) -> str:
        return inner([[rng.randint(-9, 9) for _ in range(width)] for _ in range(height)])

    return {"m": block(rows, middle), "n": block(middle, columns)}


def work(values: Values, language: str) -> Worked:
    m, n = cells(values["m"]), cells(values["n"])
    require(len(m[0]) == len(n), "the shapes do not fit")
    steps = Steps(language)
    steps.say(
        "Each entry is a row of the first matrix times a column of the second.",
        "乘积的每个元素等于第一个矩阵的一行与第二个矩阵的一列对应相乘再相加。",
    )
    product = []
    for number, row in enumerate(m, start=1):
        row_of_product, lines = [], []
        for column in zip(*n, strict=True):
            row_of_product.append(sum(x * y for x, y in zip(row, column, strict=True)))
            sums = " + ".join(f"{plain(x)} * {plain(y)}" for x, y in zip(row, column, strict=True))
            lines.append(f"{sums} = {row_of_product[-1]}")
        product.append(row_of_product)
        steps.say(f"Row {number}: {'; '.join(lines)}.", f"第 {number} 行：{'；'.join(lines)}。")
    program = f"from sympy import Matrix, latex\nprint(latex(Matrix({m}) * Matrix({n})))"
    return Worked(matrix(product), steps.all(), program)
