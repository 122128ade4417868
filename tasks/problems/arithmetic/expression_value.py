"""The value of an arithmetic expression: the order of operations.

Level 1: a product inside a sum. Level 2: brackets, a product and a quotient. Level 3: nested brackets
with a square. There are over 10,000 expressions at level 1.
"""

from __future__ import annotations

import random

from tasks.problems.machinery.family import Values, Worked
from tasks.problems.machinery.notation import plain, require
from tasks.problems.machinery.slots import Number

subdomain = "multi-step arithmetic"
concepts = ("order of operations", "integer arithmetic")
_SHAPES = {
    1: r"{a} + {b} \times {c} - {d}",
    2: r"({a} - {b}) \times {c} + {d} \div {e}",
    3: r"{a} - [{b} \times ({c} - {d}) + {e}^2] \div {f}",
}
templates = {
    "en": {
        form: [
            f"Calculate ${shape}$.",
            f"What is the value of ${shape}$?",
            f"Evaluate the expression ${shape}$.",
        ]
        for form, shape in _SHAPES.items()
    },
    "zh": {form: [f"计算：${shape}$。", f"${shape}$ 的值是多少？"] for form, shape in _SHAPES.items()},
}
slots = {name: Number(0, 10**6) for name in "abcd"} | {"e": Number(1, 10**6), "f": Number(1, 10**6)}


def draw(rng: random.Random, level: int) -> Values:
    if level == 1:
        b, c = rng.randint(2, 12), rng.randint(2, 12)
        return {"form": 1, "a": rng.randint(2, 60), "b": b, "c": c, "d": rng.randint(1, 40)}
    if level == 2:
        e = rng.randint(2, 15)
        d = e * rng.randint(2, 30)
        return {
            "form": 2,
            "a": rng.randint(5, 90),
            "b": rng.randint(5, 90),
            "c": rng.randint(3, 20),
            "d": d,
            "e": e,
        }
    while True:
        b, c, d, e = rng.randint(2, 20), rng.randint(2, 40), rng.randint(2, 40), rng.randint(3, 15)
        divisors = [factor for factor in range(2, 13) if (b * (c - d) + e * e) % factor == 0]
        if divisors:
            break
    f = rng.choice(divisors)
    return {"form": 3, "a": rng.randint(1, 200), "b": b, "c": c, "d": d, "e": e, "f": f}


def work(values: Values, language: str) -> Worked:
    form, a, b, c, d = (int(values[name]) for name in ("form", "a", "b", "c", "d"))
    zh = language == "zh"
    if form == 1:
        lines = [f"{b} * {c} = {b * c}", f"{a} + {b * c} - {d} = {a + b * c - d}"]
        result, formula = a + b * c - d, f"{a} + {b} * {c} - {d}"
    elif form == 2:
        e = int(values["e"])
        require(d % e == 0, f"{d} is not divisible by {e}")
        inner, product = a - b, (a - b) * c
        result, formula = product + d // e, f"({a} - {b}) * {c} + {d} // {e}"
        lines = [f"{a} - {b} = {inner}", f"{plain(inner)} * {c} = {product}", f"{d} / {e} = {d // e}"]
        lines.append(f"{product} + {d // e} = {result}")
    else:
        e, f = int(values["e"]), int(values["f"])
        inner, bracket = c - d, b * (c - d) + e * e
        require(bracket % f == 0, f"{bracket} is not divisible by {f}")
        result, formula = a - bracket // f, f"{a} - ({b} * ({c} - {d}) + {e}**2) // {f}"
        lines = [f"{c} - {d} = {inner}", f"{b} * {plain(inner)} + {e}^2 = {b * inner} + {e * e} = {bracket}"]
        lines += [f"{bracket} / {f} = {bracket // f}", f"{a} - {plain(bracket // f)} = {result}"]
    heads = _HEADS_ZH[form] if zh else _HEADS_EN[form]
    steps = [
        f"{head}：{line}。" if zh else f"{head}: {line}." for head, line in zip(heads, lines, strict=True)
    ]
    return Worked(str(result), tuple(steps), f"print({formula})")


_HEADS_EN = {
    1: ("The product comes first", "Then add and subtract from left to right"),
    2: ("The bracket first", "The product", "The quotient", "The sum of both"),
    3: ("The inner bracket", "The outer bracket", "The quotient", "The difference"),
}
_HEADS_ZH = {
    1: ("先算乘法", "再从左到右算加减"),
    2: ("先算括号", "再算乘法", "再算除法", "最后相加"),
    3: ("先算小括号", "再算中括号", "再算除法", "最后相减"),
}
