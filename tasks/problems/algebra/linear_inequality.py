"""Linear inequalities in one unknown.

Level 1: ax + b < c with positive a. Level 2: the unknown on both sides, with a sign to turn. Level 3:
the number of integers between two linear bounds. There are over 10,000 inequalities at level 1.
"""

from __future__ import annotations

import random
from fractions import Fraction
from math import ceil, floor

from tasks.problems.machinery.family import Steps, Values, Worked, nonzero
from tasks.problems.machinery.notation import fraction, plain, require
from tasks.problems.machinery.slots import Coefficient, Number, Signed, Words

subdomain = "inequalities"
concepts = ("linear inequalities", "reversing an inequality", "counting integers")
SIGNS = Words(en=("<", ">", r"\le", r"\ge"), zh=("<", ">", r"\le", r"\ge"))
templates = {
    "en": {
        1: [
            "Solve the inequality ${a}x {b} {sign} {c}$ for $x$.",
            "For which real numbers $x$ is ${a}x {b} {sign} {c}$? Give the answer as an inequality for $x$.",
            "Find all real $x$ with ${a}x {b} {sign} {c}$ and write the solution as an inequality.",
        ],
        2: [
            "Solve the inequality ${a}x {b} {sign} {c}x {d}$ for $x$.",
            "For which real numbers $x$ is ${a}x {b} {sign} {c}x {d}$? Give the answer as an inequality for $x$.",
            "Find all real $x$ with ${a}x {b} {sign} {c}x {d}$ and write the solution as an inequality.",
        ],
        3: [
            "How many integers $x$ satisfy ${l} < {a}x {b} \\le {u}$?",
            "Find the number of integers $x$ for which ${l} < {a}x {b} \\le {u}$.",
            "Count the integer solutions of ${l} < {a}x {b} \\le {u}$.",
        ],
    },
    "zh": {
        1: ["解不等式：${a}x {b} {sign} {c}$。", "求使 ${a}x {b} {sign} {c}$ 成立的 $x$ 的取值范围。"],
        2: [
            "解不等式：${a}x {b} {sign} {c}x {d}$。",
            "求使 ${a}x {b} {sign} {c}x {d}$ 成立的 $x$ 的取值范围。",
        ],
        3: [
            "满足 ${l} < {a}x {b} \\le {u}$ 的整数 $x$ 有多少个？",
            "求不等式组 ${l} < {a}x {b} \\le {u}$ 的整数解的个数。",
        ],
    },
}
slots = {
    "a": Coefficient(bound=10**4), "b": Signed(), "c": Number(-(10**6), 10**6), "d": Signed(), "sign": SIGNS,
    "l": Number(-(10**6), 10**6), "u": Number(-(10**6), 10**6),
}  # fmt: skip
_TURNED = {"<": ">", ">": "<", r"\le": r"\ge", r"\ge": r"\le"}


def draw(rng: random.Random, level: int) -> Values:
    sign, b = rng.randrange(len(SIGNS)), nonzero(rng, 15)
    if level == 1:
        return {"form": 1, "a": rng.randint(2, 9), "b": b, "sign": sign, "c": rng.randint(-20, 40)}
    if level == 2:
        a, c = rng.randint(-9, 5) or 7, rng.randint(6, 15)
        return {"form": 2, "a": a, "b": b, "sign": sign, "c": c, "d": nonzero(rng, 30)}
    low = rng.randint(-60, 10)
    return {
        "form": 3,
        "a": rng.choice((-1, 1)) * rng.randint(2, 9),
        "b": b,
        "l": low,
        "u": low + rng.randint(20, 120),
    }


def work(values: Values, language: str) -> Worked:
    form, a, b = int(values["form"]), int(values["a"]), int(values["b"])
    steps = Steps(language)
    if form == 3:
        return _count(a, b, int(values["l"]), int(values["u"]), steps)
    c, d = int(values["c"]), int(values.get("d", 0))
    sign = SIGNS.show(values["sign"], "en")
    slope, rest = (a, c - b) if form == 1 else (a - c, d - b)
    require(slope != 0, "x cancels")
    if form == 2:
        steps.say(
            f"Collect x on the left: {a} - {plain(c)} = {slope}.",
            f"移项，x 的系数：{a} - {plain(c)} = {slope}。",
        )
    line = f"{c if form == 1 else d} - {plain(b)} = {rest}"
    steps.say(f"Collect the constants on the right: {line}.", f"常数移到右边：{line}。")
    bound = Fraction(rest, slope)
    line = f"{rest} / {plain(slope)} = {bound}"
    if slope < 0:
        sign = _TURNED[sign]
        steps.say(
            f"Divide by {slope}, which is negative and reverses the inequality; the bound is {line}.",
            f"两边除以负数 {slope}，不等号变向，界为 {line}。",
        )
    else:
        steps.say(
            f"Divide by {slope}, which is positive; the bound is {line}.",
            f"两边除以正数 {slope}，界为 {line}。",
        )
    answer = f"x {sign} {fraction(bound)}"
    steps.say(f"So ${answer}$.", f"所以 ${answer}$。")
    left, right = f"{a}*x + {plain(b)}", str(c) if form == 1 else f"{plain(c)}*x + {plain(d)}"
    python = {"<": "<", ">": ">", r"\le": "<=", r"\ge": ">="}[SIGNS.show(values["sign"], "en")]
    above, below = (r"\ge", r"\le") if "=" in python else (">", "<")
    program = (
        "from sympy import latex, solve, symbols\nx = symbols('x', real=True)\n"
        f"bound = solve({left} - ({right}), x)[0]\n"
        f"above = bool(({left} {python} {right}).subs(x, bound + 1))\n"
        f"print('x', r'{above}' if above else r'{below}', latex(bound))"
    )
    return Worked(answer, steps.all(), program)


def _count(a: int, b: int, low: int, high: int, steps: Steps) -> Worked:
    require(low < high, "the bounds are out of order")
    first, last = Fraction(low - b, a), Fraction(high - b, a)
    line = f"{low} - {plain(b)} = {low - b}", f"{high} - {plain(b)} = {high - b}"
    steps.say(f"Move the constant: {line[0]} and {line[1]}.", f"移项：{line[0]}，{line[1]}。")
    line = f"{low - b} / {plain(a)} = {first}", f"{high - b} / {plain(a)} = {last}"
    if a > 0:
        least, most = floor(first) + 1, floor(last)
        steps.say(
            f"Divide by {a}: {line[0]} (left out) and {line[1]} (included).",
            f"除以 {a}：{line[0]}（不含），{line[1]}（含）。",
        )
    else:
        least, most = ceil(last), ceil(first) - 1
        steps.say(
            f"Divide by {a}, which swaps the bounds: {line[1]} (included) and {line[0]} (left out).",
            f"除以 {a}，两端互换：{line[1]}（含），{line[0]}（不含）。",
        )
    require(least <= most, "no integer between the bounds")
    steps.say(f"The integers run from {least} to {most}.", f"整数 x 从 {least} 到 {most}。")
    count = f"{most} - {plain(least)} + 1 = {most - least + 1}"
    steps.say(f"Their number is {count}.", f"个数：{count}。")
    span = max(abs(low - b), abs(high - b)) // abs(a) + 2
    require(span < 10**5, "too many integers to count")
    program = f"print(sum(1 for x in range({-span}, {span + 1}) if {low} < {a}*x + {plain(b)} <= {high}))"
    return Worked(str(most - least + 1), steps.all(), program)
