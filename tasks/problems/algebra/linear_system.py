"""Systems of linear equations with one solution.

Level 1: two unknowns, small integers, one coefficient 1. Level 2: two unknowns, any coefficients,
rational solution. Level 3: three unknowns. There are over 100,000 systems at level 1.
"""

from __future__ import annotations

import random
from fractions import Fraction

from tasks.problems.machinery.family import Values, Worked, nonzero
from tasks.problems.machinery.notation import fraction, plain, require, signed
from tasks.problems.machinery.slots import Coefficient, Number

subdomain = "systems of equations"
concepts = ("systems of linear equations", "elimination")
_TWO = r"\begin{{cases}} {a}x {b}y = {c} \\ {d}x {e}y = {f} \end{{cases}}"
_THREE = r"\begin{{cases}} {a}x {b}y {g}z = {c} \\ {d}x {e}y {h}z = {f} \\ {i}x {j}y {k}z = {l} \end{{cases}}"
templates = {
    "en": {
        2: [
            f"Solve the system ${_TWO}$ and give the answer as $(x, y)$.",
            f"Find the ordered pair $(x, y)$ that satisfies ${_TWO}$.",
            f"Which pair $(x, y)$ solves both equations of ${_TWO}$?",
        ],
        3: [
            f"Solve the system ${_THREE}$ and give the answer as $(x, y, z)$.",
            f"Find the ordered triple $(x, y, z)$ that satisfies ${_THREE}$.",
            f"Which triple $(x, y, z)$ solves all three equations of ${_THREE}$?",
        ],
    },
    "zh": {
        2: [f"解方程组 ${_TWO}$，写出 $(x, y)$。", f"求满足 ${_TWO}$ 的有序数对 $(x, y)$。"],
        3: [f"解方程组 ${_THREE}$，写出 $(x, y, z)$。", f"求满足 ${_THREE}$ 的有序数组 $(x, y, z)$。"],
    },
}
_FIRST, _LATER, _RIGHT = Coefficient(bound=999), Coefficient(later=True, bound=999), Number(-(10**6), 10**6)
slots = dict.fromkeys("adi", _FIRST) | dict.fromkeys("beghjk", _LATER) | dict.fromkeys("cfl", _RIGHT)


def draw(rng: random.Random, level: int) -> Values:
    while True:
        if level < 3:
            x, y = nonzero(rng, 9), nonzero(rng, 9)
            bound = 5 if level == 1 else 12
            a, b = 1 if level == 1 else nonzero(rng, bound), nonzero(rng, bound)
            d, e = nonzero(rng, bound), nonzero(rng, bound)
            c, f = (
                (a * x + b * y, d * x + e * y)
                if level == 1 or rng.random() < 0.5
                else (nonzero(rng, 30), nonzero(rng, 30))
            )
            if a * e != b * d:
                return {"form": 2, "a": a, "b": b, "c": c, "d": d, "e": e, "f": f}
            continue
        root = [nonzero(rng, 6) for _ in range(3)]
        rows = [[nonzero(rng, 5) for _ in range(3)] for _ in range(3)]
        right = [sum(p * q for p, q in zip(row, root, strict=True)) for row in rows]
        a, b, g, d, e, h, i, j, k = (cell for row in rows for cell in row)
        if a * e != b * d and _determinant(rows):
            values = {"a": a, "b": b, "g": g, "d": d, "e": e, "h": h, "i": i, "j": j, "k": k}
            return {"form": 3, **values, "c": right[0], "f": right[1], "l": right[2]}


def _determinant(rows: list[list[int]]) -> int:
    (a, b, c), (d, e, f), (g, h, i) = rows
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


def work(values: Values, language: str) -> Worked:
    zh = language == "zh"
    a, b, c, d, e, f = (int(values[name]) for name in "abcdef")
    if values["form"] == 3:
        return _three(values, zh)
    below = a * e - b * d
    require(below != 0, "no single solution")
    across = e * c - b * f
    x = Fraction(across, below)
    y = (c - a * x) / b
    steps = (
        f"消去 y：第一式乘以 {e}，第二式乘以 {b}，再相减。"
        if zh
        else f"Eliminate y: take the first equation times {e} minus the second times {b}.",
        f"x 的系数为 {_cross(a, e, b, d)}，右边为 {_cross(e, c, b, f)}。"
        if zh
        else f"The coefficient of x becomes {_cross(a, e, b, d)}, the right side {_cross(e, c, b, f)}.",
        f"x = {across} / {plain(below)} = {x}。" if zh else f"So x = {across} / {plain(below)} = {x}.",
        f"代入第一式：y = ({c} - {plain(a)} * {plain(x)}) / {plain(b)} = {y}。"
        if zh
        else f"From the first equation, y = ({c} - {plain(a)} * {plain(x)}) / {plain(b)} = {y}.",
    )
    program = (
        "from sympy import latex, solve, symbols\nx, y = symbols('x y')\n"
        f"found = solve([{a}*x {signed(b)}*y - {plain(c)}, {d}*x {signed(e)}*y - {plain(f)}], [x, y])\n"
        "print(f'({latex(found[x])}, {latex(found[y])})')"
    )
    return Worked(f"({fraction(x)}, {fraction(y)})", steps, program)


def _cross(a: int, e: int, b: int, d: int) -> str:
    return f"{plain(a)} * {plain(e)} - {plain(b)} * {plain(d)} = {a * e - b * d}"


def _three(values: Values, zh: bool) -> Worked:
    letters = ("abgc", "dehf", "ijkl")
    rows = [[int(values[letter]) for letter in row] for row in letters]
    (a, b, _, _), (d, e, _, _), _ = rows
    whole = _determinant([row[:3] for row in rows])
    require(whole != 0 and a * e != b * d, "no single solution, or none by our elimination")
    parts = [
        _determinant([[*row[:column], row[3], *row[column + 1 : 3]] for row in rows]) for column in range(3)
    ]
    roots = [Fraction(part, whole) for part in parts]
    steps = [
        f"用克拉默法则。系数行列式 D = {_expanded([row[:3] for row in rows])} = {whole}。"
        if zh
        else f"Use Cramer's rule. The determinant of the coefficients is D = {_expanded([row[:3] for row in rows])} = {whole}.",
    ]
    for column, letter in enumerate("xyz"):
        swapped = [[*row[:column], row[3], *row[column + 1 : 3]] for row in rows]
        value = f"{_expanded(swapped)} = {parts[column]}"
        ratio = f"{letter} = {parts[column]} / {plain(whole)} = {roots[column]}"
        steps.append(
            f"把 {letter} 的系数换成右边的数：{value}，所以 {ratio}。"
            if zh
            else f"With the right sides in place of the coefficients of {letter}: {value}, so {ratio}."
        )
    equations = ", ".join(f"{p}*x {signed(q)}*y {signed(r)}*z - {plain(s)}" for p, q, r, s in rows)
    program = (
        "from sympy import latex, solve, symbols\nx, y, z = symbols('x y z')\n"
        f"found = solve([{equations}], [x, y, z])\n"
        "print('(' + ', '.join(latex(found[letter]) for letter in (x, y, z)) + ')')"
    )
    return Worked("(" + ", ".join(fraction(value) for value in roots) + ")", tuple(steps), program)


def _expanded(rows: list[list[int]]) -> str:
    """Return a determinant of order 3, expanded along its first row, as plain arithmetic."""
    (a, b, c), (d, e, f), (g, h, i) = [[plain(cell) for cell in row] for row in rows]
    return f"{a} * ({e} * {i} - {f} * {h}) - {b} * ({d} * {i} - {f} * {g}) + {c} * ({d} * {h} - {e} * {g})"
