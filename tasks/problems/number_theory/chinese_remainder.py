"""Simultaneous congruences.

Level 1: two small moduli. Level 2: two larger moduli. Level 3: three moduli. There are about 3,000
questions in each phrasing at level 1.
"""

from __future__ import annotations

import random
from itertools import combinations
from math import gcd

from tasks.problems.machinery.family import Steps, Values, Worked
from tasks.problems.machinery.notation import require
from tasks.problems.machinery.slots import Number

subdomain = "modular arithmetic"
concepts = ("Chinese remainder theorem", "congruences")
templates = {
    "en": {
        2: [
            "Find the smallest positive integer that leaves remainder {a} when divided by {m} and remainder {b} when divided by {n}.",
            "What is the least positive integer $x$ with $x \\equiv {a} \\pmod{{{m}}}$ and $x \\equiv {b} \\pmod{{{n}}}$?",
            "A positive integer gives remainder {a} on division by {m} and remainder {b} on division by {n}. What is its smallest possible value?",
        ],
        3: [
            "Find the smallest positive integer that leaves remainder {a} when divided by {m}, remainder {b} when divided by {n} and remainder {c} when divided by {k}.",
            "What is the least positive integer $x$ with $x \\equiv {a} \\pmod{{{m}}}$, $x \\equiv {b} \\pmod{{{n}}}$ and $x \\equiv {c} \\pmod{{{k}}}$?",
            "A positive integer gives remainder {a} on division by {m}, {b} on division by {n} and {c} on division by {k}. What is its smallest possible value?",
        ],
    },
    "zh": {
        2: [
            "一个正整数除以 {m} 余 {a}，除以 {n} 余 {b}，这样的数最小是多少？",
            "求满足 $x \\equiv {a} \\pmod{{{m}}}$，$x \\equiv {b} \\pmod{{{n}}}$ 的最小正整数 $x$。",
        ],
        3: [
            "一个正整数除以 {m} 余 {a}，除以 {n} 余 {b}，除以 {k} 余 {c}，这样的数最小是多少？",
            "求满足 $x \\equiv {a} \\pmod{{{m}}}$，$x \\equiv {b} \\pmod{{{n}}}$，$x \\equiv {c} \\pmod{{{k}}}$ 的最小正整数 $x$。",
        ],
    },
}
_REST, _MODULUS = Number(0, 1000), Number(2, 1000)
slots = dict.fromkeys("abc", _REST) | dict.fromkeys("mnk", _MODULUS)


def draw(rng: random.Random, level: int) -> Values:
    low, high = ((3, 14), (12, 40), (4, 18))[level - 1]
    while True:
        moduli = rng.sample(range(low, high), 3 if level == 3 else 2)
        if all(gcd(x, y) == 1 for x, y in combinations(moduli, 2)):
            break
    rests = [rng.randint(1, modulus - 1) for modulus in moduli]
    values: Values = {
        "form": len(moduli),
        **dict(zip("mnk", moduli, strict=False)),
        **dict(zip("abc", rests, strict=False)),
    }
    return values


def work(values: Values, language: str) -> Worked:
    moduli = [int(values[name]) for name in "mnk" if name in values]
    rests = [int(values[name]) for name in "abc" if name in values]
    require(all(gcd(x, y) == 1 for x, y in combinations(moduli, 2)), "moduli with a common divisor")
    require(all(rest < modulus for rest, modulus in zip(rests, moduli, strict=True)), "a remainder too large")
    steps = Steps(language)
    x, period = rests[0], moduli[0]
    for rest, modulus in zip(rests[1:], moduli[1:], strict=True):
        times = (rest - x) * pow(period, -1, modulus) % modulus
        merged = x + period * times
        steps.say(
            f"Write x = {x} + {period}t. The smallest t >= 0 for which x leaves {rest} on division by {modulus} is t = {times}.",
            f"设 x = {x} + {period}t。使 x 除以 {modulus} 余 {rest} 的最小非负整数 t 为 {times}。",
        )
        line = f"{x} + {period} * {times} = {merged}"
        check = f"{merged} = {merged // modulus} * {modulus} + {rest}"
        steps.say(f"That gives {line}, and indeed {check}.", f"得 {line}，验证：{check}。")
        x, period = merged, period * modulus
    if x == 0:
        x = period
        steps.say(
            f"0 is not positive; the next solution is 0 + {period} = {period}.",
            f"0 不是正数，下一个解为 0 + {period} = {period}。",
        )
    conditions = " and ".join(f"x % {modulus} == {rest}" for rest, modulus in zip(rests, moduli, strict=True))
    program = f"x = 1\nwhile not ({conditions}):\n    x += 1\nprint(x)"
    require(period <= 10**6, "a search out of bounds")
    return Worked(str(x), steps.all(), program)
