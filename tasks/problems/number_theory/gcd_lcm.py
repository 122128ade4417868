"""Greatest common divisors and least common multiples.

Level 1: the gcd of two numbers. Level 2: the lcm of three numbers. Level 3: the least number that
leaves one remainder on three divisions. There are over 50,000 questions at level 1.
"""

from __future__ import annotations

import random
from math import gcd, lcm

from tasks.problems.machinery.family import Steps, Values, Worked
from tasks.problems.machinery.notation import require
from tasks.problems.machinery.slots import Number

subdomain = "divisibility and gcd"
concepts = ("Euclidean algorithm", "greatest common divisor", "least common multiple")
templates = {
    "en": {
        1: [
            "Find the greatest common divisor of {a} and {b}.",
            "What is $\\gcd({a}, {b})$?",
            "What is the largest integer that divides both {a} and {b}?",
        ],
        2: [
            "Find the least common multiple of {a}, {b} and {c}.",
            "What is $\\operatorname{{lcm}}({a}, {b}, {c})$?",
            "What is the smallest positive integer divisible by {a}, by {b} and by {c}?",
        ],
        3: [
            "What is the smallest integer greater than {r} that leaves a remainder of {r} when divided by {a}, by {b} and by {c}?",
            "Find the least integer above {r} which on division by {a}, {b} and {c} always leaves the remainder {r}.",
            "A number greater than {r} leaves the same remainder {r} when it is divided by {a}, by {b} or by {c}. What is the smallest such number?",
        ],
    },
    "zh": {
        1: ["求 {a} 和 {b} 的最大公约数。", "能同时整除 {a} 和 {b} 的最大整数是多少？"],
        2: ["求 {a}、{b} 和 {c} 的最小公倍数。", "能同时被 {a}、{b}、{c} 整除的最小正整数是多少？"],
        3: [
            "一个大于 {r} 的整数除以 {a}、{b}、{c} 都余 {r}，这样的数最小是多少？",
            "求大于 {r} 且被 {a}、{b}、{c} 除余数都是 {r} 的最小整数。",
        ],
    },
}
slots = dict.fromkeys("abcr", Number(1, 10**8))


def draw(rng: random.Random, level: int) -> Values:
    if level == 1:
        common = rng.randint(2, 30)
        x, y = rng.sample(range(2, 30), 2)
        return {"form": 1, "a": common * x, "b": common * y}
    bound = 40 if level == 2 else 24
    a, b, c = rng.sample(range(4, bound), 3)
    values: Values = {"form": level, "a": a, "b": b, "c": c}
    return values if level == 2 else values | {"r": rng.randint(1, min(a, b, c) - 1)}


def work(values: Values, language: str) -> Worked:
    a, b = int(values["a"]), int(values["b"])
    steps = Steps(language)
    if values["form"] == 1:
        lines, high, low = [], max(a, b), min(a, b)
        while low:
            lines.append(f"{high} = {high // low} * {low} + {high % low}")
            high, low = low, high % low
        steps.say(
            "Use the Euclidean algorithm: divide and keep the remainder.", "用辗转相除法，每次用余数继续除。"
        )
        steps.say(f"{'; '.join(lines)}.", f"{'；'.join(lines)}。")
        steps.say(f"The last divisor is the answer: {high}.", f"最后的除数就是最大公约数：{high}。")
        return Worked(str(high), steps.all(), f"from math import gcd\nprint(gcd({a}, {b}))")
    c = int(values["c"])
    first, total = lcm(a, b), lcm(a, b, c)
    require(total <= 10**12, "a multiple out of bounds")
    for x, y in ((a, b), (first, c)):
        common = gcd(x, y)
        line = f"{x} * {y} / {common} = {lcm(x, y)}"
        steps.say(
            f"The gcd of {x} and {y} is {common}, so their least common multiple is {line}.",
            f"{x} 与 {y} 的最大公约数是 {common}，最小公倍数为 {line}。",
        )
    if values["form"] == 2:
        return Worked(str(total), steps.all(), f"from math import lcm\nprint(lcm({a}, {b}, {c}))")
    r = int(values["r"])
    require(r < min(a, b, c), "a remainder that is not below the divisors")
    line = f"{total} + {r} = {total + r}"
    steps.say(
        f"The number minus {r} is a multiple of all three; the smallest is {line}.",
        f"这个数减去 {r} 是三个数的公倍数，最小为 {line}。",
    )
    return Worked(str(total + r), steps.all(), f"from math import lcm\nprint(lcm({a}, {b}, {c}) + {r})")
