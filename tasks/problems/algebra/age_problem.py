"""Ages now, in some years and some years ago.

Level 1: a multiple and a sum. Level 2: a difference now, a multiple later. Level 3: two multiples, one
in the past and one in the future. There are over 20,000 questions at level 1.
"""

from __future__ import annotations

import random

from tasks.problems.machinery.family import Steps, Values, Worked
from tasks.problems.machinery.notation import require
from tasks.problems.machinery.slots import Number
from tasks.problems.machinery.words import NAMES

subdomain = "linear equations"
concepts = ("linear equations", "word problems about ages")
templates = {
    "en": {
        1: [
            "{name} is {k} times as old as {other}. Together they are {s} years old. How old is {other}?",
            "The ages of {name} and {other} add up to {s} years, and {name} is {k} times as old as {other}. Find {other}'s age.",
            "{name}'s age is {k} times {other}'s age, and the sum of both ages is {s}. What is {other}'s age?",
        ],
        2: [
            "{name} is {s} years older than {other}. In {m} years, {name} will be {k} times as old as {other} will be then. How old is {other} now?",
            "Today {name} is {s} years older than {other}; {m} years from now, {name}'s age will be {k} times {other}'s age. Find {other}'s present age.",
            "In {m} years {name} will be exactly {k} times as old as {other}. If {name} is {s} years older than {other}, what is {other}'s age today?",
        ],
        3: [
            "{m} years ago {name} was {k} times as old as {other} was. In {n} years {name} will be {j} times as old as {other} will be. How old is {name} now?",
            "In {n} years, {name}'s age will be {j} times {other}'s age; {m} years ago it was {k} times {other}'s age. Find {name}'s present age.",
            "{name} was {k} times as old as {other} {m} years ago and will be {j} times as old as {other} in {n} years. What is {name}'s age today?",
        ],
    },
    "zh": {
        1: [
            "{name}的年龄是{other}的 {k} 倍，两人年龄之和是 {s} 岁，{other}多少岁？",
            "{name}和{other}一共 {s} 岁，并且{name}的年龄是{other}的 {k} 倍，求{other}的年龄。",
        ],
        2: [
            "{name}比{other}大 {s} 岁，{m} 年后{name}的年龄是{other}的 {k} 倍，{other}今年多少岁？",
            "今年{name}比{other}年长 {s} 岁；再过 {m} 年，{name}的年龄恰好是{other}的 {k} 倍。求{other}今年的年龄。",
        ],
        3: [
            "{m} 年前{name}的年龄是{other}的 {k} 倍，{n} 年后{name}的年龄是{other}的 {j} 倍，{name}今年多少岁？",
            "再过 {n} 年，{name}的年龄将是{other}的 {j} 倍；而 {m} 年前，{name}的年龄是{other}的 {k} 倍。求{name}今年的年龄。",
        ],
    },
}
_YEARS, _TIMES = Number(1, 1000), Number(2, 100)
slots = {"name": NAMES, "other": NAMES, "k": _TIMES, "j": _TIMES, "s": _YEARS, "m": _YEARS, "n": _YEARS}


def draw(rng: random.Random, level: int) -> Values:
    name, other = rng.sample(range(len(NAMES)), 2)
    values: Values = {"form": level, "name": name, "other": other}
    if level == 1:
        k, y = rng.randint(2, 6), rng.randint(4, 18)
        return values | {"k": k, "s": (k + 1) * y}
    m = rng.randint(2, 12)
    if level == 2:
        k, later = rng.randint(2, 4), rng.randint(m + 2, 25)
        return values | {"k": k, "m": m, "s": (k - 1) * later}
    while True:
        # then: x - m = k (y - m), x + n = j (y + n), so y - m = (m + n)(j - 1) / (k - j)
        k, j, n = rng.randint(3, 9), rng.randint(2, 5), rng.randint(2, 20)
        if k > j and (m + n) * (j - 1) % (k - j) == 0:
            young = (m + n) * (j - 1) // (k - j)
            if k * young + m <= 100:
                return values | {"k": k, "j": j, "m": m, "n": n}


def work(values: Values, language: str) -> Worked:
    form, k = int(values["form"]), int(values["k"])
    require(values["name"] != values["other"], "the same person twice")
    steps = Steps(language)
    young = NAMES.show(values["other"], language)
    head = "from sympy import Eq, solve, symbols\n"
    if form == 1:
        s = int(values["s"])
        require(s % (k + 1) == 0, "no whole age")
        steps.say(
            f"Let {young} be y years old; the other is {k}y, so {k}y + y = {s} with {k} + 1 = {k + 1} parts.",
            f"设{young} y 岁，另一人 {k}y 岁，则 {k}y + y = {s}，共 {k} + 1 = {k + 1} 份。",
        )
        line = f"{s} / {k + 1} = {s // (k + 1)}"
        steps.say(f"So y = {line}.", f"所以 y = {line}。")
        return Worked(
            str(s // (k + 1)), steps.all(), f"{head}y = symbols('y')\nprint(solve(Eq({k}*y + y, {s}), y)[0])"
        )
    m = int(values["m"])
    if form == 2:
        s = int(values["s"])
        require(s % (k - 1) == 0 and s // (k - 1) >= m, "no whole age now")
        steps.say(
            f"In {m} years let {young} be z years old; the difference stays {s}, so z + {s} = {k}z.",
            f"设 {m} 年后{young} z 岁，年龄差仍是 {s}，则 z + {s} = {k}z。",
        )
        line = f"{s} / ({k} - 1) = {s // (k - 1)}"
        steps.say(f"So z = {line}.", f"所以 z = {line}。")
        y = s // (k - 1) - m
        line = f"{s // (k - 1)} - {m} = {y}"
        steps.say(f"Now {young} is {line} years old.", f"{young}今年 {line} 岁。")
        program = f"{head}y = symbols('y')\nprint(solve(Eq(y + {s} + {m}, {k}*(y + {m})), y)[0])"
        return Worked(str(y), steps.all(), program)
    j, n = int(values["j"]), int(values["n"])
    require(k > j, "a multiple of ages shrinks with time")
    span, top = m + n, (m + n) * (j - 1)
    require(top % (k - j) == 0, "no whole age")
    then = top // (k - j)
    steps.say(
        f"{m} years ago let {young} be z years old and the other {k}z. From then to the later time {m} + {n} = {span} years pass.",
        f"设 {m} 年前{young} z 岁，另一人 {k}z 岁。到后一时刻共经过 {m} + {n} = {span} 年。",
    )
    steps.say(f"Then {k}z + {span} = {j}(z + {span}).", f"于是 {k}z + {span} = {j}(z + {span})。")
    line = f"{span} * ({j} - 1) / ({k} - {j}) = {then}"
    steps.say(f"So z = {line}.", f"解得 z = {line}。")
    x = k * then + m
    line = f"{k} * {then} + {m} = {x}"
    steps.say(
        f"{NAMES.show(values['name'], language)} is now {line} years old.",
        f"{NAMES.show(values['name'], language)}今年 {line} 岁。",
    )
    program = (
        f"{head}x, y = symbols('x y')\n"
        f"found = solve([Eq(x - {m}, {k}*(y - {m})), Eq(x + {n}, {j}*(y + {n}))], [x, y])\nprint(found[x])"
    )
    return Worked(str(x), steps.all(), program)
