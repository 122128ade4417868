"""Cross products, areas and volumes.

Level 1: the cross product. Level 2: the area of a triangle in space. Level 3: the volume of a
tetrahedron from its vertices. There are over 100,000 questions at level 1.
"""

from __future__ import annotations

import random
from fractions import Fraction

from tasks.problems.machinery.family import Steps, Values, Worked
from tasks.problems.machinery.notation import fraction, plain, require, root, square_factor, square_part
from tasks.problems.machinery.slots import Numbers, join, split

subdomain = "vectors"
concepts = ("cross product", "area of a triangle", "scalar triple product")
templates = {
    "en": {
        1: [
            "Find the cross product $({a}) \\times ({b})$.",
            "Let $\\vec u = ({a})$ and $\\vec v = ({b})$. Compute $\\vec u \\times \\vec v$.",
            "What vector is $({a}) \\times ({b})$?",
        ],
        2: [
            "Find the area of the triangle in space with vertices $({a})$, $({b})$ and $({c})$.",
            "A triangle has its corners at $({a})$, $({b})$ and $({c})$. What is its exact area?",
            "What is the area of the triangle with vertices $P({a})$, $Q({b})$ and $R({c})$?",
        ],
        3: [
            "Find the volume of the tetrahedron with vertices $({a})$, $({b})$, $({c})$ and $({d})$.",
            "A tetrahedron has its corners at $({a})$, $({b})$, $({c})$ and $({d})$. What is its volume?",
            "What is the volume of the triangular pyramid with vertices $P({a})$, $Q({b})$, $R({c})$ and $S({d})$?",
        ],
    },
    "zh": {
        1: [
            "求向量积 $({a}) \\times ({b})$。",
            "已知 $\\vec u = ({a})$，$\\vec v = ({b})$，计算 $\\vec u \\times \\vec v$。",
        ],
        2: [
            "求空间中以 $({a})$、$({b})$、$({c})$ 为顶点的三角形的面积。",
            "空间三角形的三个顶点是 $P({a})$、$Q({b})$、$R({c})$，它的面积是多少？",
        ],
        3: [
            "求以 $({a})$、$({b})$、$({c})$、$({d})$ 为顶点的四面体的体积。",
            "四面体的顶点是 $P({a})$、$Q({b})$、$R({c})$、$S({d})$，它的体积是多少？",
        ],
    },
}
slots = dict.fromkeys("abcd", Numbers(3, 3, 1000))
_SPACE = 3


def draw(rng: random.Random, level: int) -> Values:
    while True:
        points = [[rng.randint(-6, 9) for _ in range(_SPACE)] for _ in range(level + 1)]
        edges = points if level == 1 else [_minus(point, points[0]) for point in points[1:]]
        normal = _cross(edges[0], edges[1])
        if any(normal) and (level < 3 or _dot(normal, edges[2])):
            names = "abcd"[: level + 1]
            return {"form": level, **{name: join(point) for name, point in zip(names, points, strict=True)}}


def _minus(p: list[int], q: list[int]) -> list[int]:
    return [x - y for x, y in zip(p, q, strict=True)]


def _cross(u: list[int], v: list[int]) -> list[int]:
    return [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]]


def _dot(u: list[int], v: list[int]) -> int:
    return sum(x * y for x, y in zip(u, v, strict=True))


def work(values: Values, language: str) -> Worked:
    form = int(values["form"])
    points = [split(values[name]) for name in "abcd" if name in values]
    steps = Steps(language)
    edges = points
    if form > 1:
        edges = [_minus(point, points[0]) for point in points[1:]]
        shown = ("、" if steps.zh else ", ").join(f"({join(edge)})" for edge in edges)
        steps.say(f"The edges from the first vertex are {shown}.", f"从第一个顶点出发的棱向量：{shown}。")
    u, v = edges[:2]
    normal = _cross(u, v)
    lines = [
        f"{plain(u[i])} * {plain(v[j])} - {plain(u[j])} * {plain(v[i])} = {normal[k]}"
        for k, (i, j) in enumerate(((1, 2), (2, 0), (0, 1)))
    ]
    steps.say(
        f"The components of the cross product are {'; '.join(lines)}.",
        f"向量积的各分量：{'；'.join(lines)}。",
    )
    head = "from sympy import Abs, Matrix, latex\n"
    matrices = [f"Matrix({edge})" for edge in edges]
    if form == 1:
        answer = f"({join(normal)})"
        steps.say(f"So the cross product is {answer}.", f"所以向量积为 {answer}。")
        program = f"from sympy import Matrix\nprint(tuple({matrices[0]}.cross({matrices[1]})))"
        return Worked(answer, steps.all(), program)
    if form == 2:
        square = _dot(normal, normal)
        require(0 < square <= 10**9, "no triangle, or one out of bounds")
        line = " + ".join(f"{plain(x)}^2" for x in normal) + f" = {square}"
        steps.say(f"Its squared length is {line}.", f"它的模的平方：{line}。")
        answer = _half_root(square)
        line = square_factor(square, language)
        steps.say(
            f"The area is half its length; as {line}, that is ${answer}$.",
            f"面积是它的模的一半；{line}，所以面积为 ${answer}$。",
        )
        return Worked(
            answer,
            steps.all(),
            f"{head.replace('Abs, ', '')}print(latex({matrices[0]}.cross({matrices[1]}).norm() / 2))",
        )
    triple = _dot(normal, edges[2])
    require(triple != 0, "the vertices lie in a plane")
    line = (
        " + ".join(f"{plain(x)} * {plain(y)}" for x, y in zip(normal, edges[2], strict=True)) + f" = {triple}"
    )
    steps.say(f"Its dot product with the third edge is {line}.", f"它与第三条棱向量的数量积：{line}。")
    volume = Fraction(abs(triple), 6)
    line = f"{abs(triple)} / 6 = {volume}"
    steps.say(f"The volume is a sixth of its size: {line}.", f"体积是其绝对值的六分之一：{line}。")
    program = f"{head}print(latex(Abs({matrices[0]}.cross({matrices[1]}).dot({matrices[2]})) / 6))"
    return Worked(fraction(volume), steps.all(), program)


def _half_root(square: int) -> str:
    """Return half the root of a positive integer, as LaTeX."""
    outside, inside = square_part(square)
    if inside == 1:
        return fraction(Fraction(outside, 2))
    if outside % 2 == 0:
        return root(square // 4)
    return rf"\frac{{{root(square)}}}{{2}}"
