"""Word problems that lead to a quadratic equation.

Level 1: a rectangle from its area and the difference of its sides. Level 2: a border of even width
around a rectangle. Level 3: a faster trip saves time. There are about 2,500 questions at level 1.
"""

from __future__ import annotations

import random
from fractions import Fraction
from math import gcd

from tasks.problems.machinery.family import Steps, Values, Worked
from tasks.problems.machinery.notation import exact_root, plain, polynomial, python_polynomial, require
from tasks.problems.machinery.slots import Number, Words

subdomain = "quadratic equations"
concepts = ("quadratic equations", "modelling with equations")
PLACES = Words(
    en=("garden", "lawn", "playground", "courtyard", "pond", "field"),
    zh=("花园", "草坪", "操场", "庭院", "池塘", "田地"),
)
templates = {
    "en": {
        1: [
            "A rectangular {place} has an area of {s} square metres and is {d} metres longer than it is wide. What is its width in metres?",
            "The length of a rectangular {place} exceeds its width by {d} m, and its area is {s} m². Find the width in metres.",
            "A {place} is a rectangle of {s} square metres. If its length is {d} metres more than its width, how many metres wide is it?",
        ],
        2: [
            "A rectangular {place} of {a} m by {b} m is surrounded by a path of even width. The {place} and the path together cover {s} square metres. How many metres wide is the path?",
            "Around a {a} m by {b} m rectangular {place} runs a border of the same width on all four sides. With the border, the area is {s} m². Find the width of the border in metres.",
            "A path of constant width goes all around a rectangular {place} that measures {a} metres by {b} metres. The outer rectangle has an area of {s} square metres. What is the width of the path in metres?",
        ],
        3: [
            "A train covers {s} km at a constant speed. If it were {d} km/h faster, the trip would take {t} hours less. What is its speed in km/h?",
            "Travelling {d} km/h faster than usual, a train saves {t} hours on a trip of {s} km. Find its usual speed in km/h.",
            "On a route of {s} km, raising a train's constant speed by {d} km/h shortens the journey by {t} hours. What was the speed in km/h before?",
        ],
    },
    "zh": {
        1: [
            "一个长方形{place}的面积是 {s} 平方米，长比宽多 {d} 米，它的宽是多少米？",
            "长方形{place}的长比宽长 {d} 米，面积为 {s} 平方米，求它的宽（单位：米）。",
        ],
        2: [
            "一个长 {a} 米、宽 {b} 米的长方形{place}，四周有一条宽度相同的小路，{place}和小路的总面积是 {s} 平方米，小路宽多少米？",
            "在 {a} 米乘 {b} 米的长方形{place}四周铺一圈等宽的小路，外围长方形的面积为 {s} 平方米，求小路的宽（单位：米）。",
        ],
        3: [
            "一列火车匀速行驶 {s} 千米，如果每小时多行 {d} 千米，就可以少用 {t} 小时。求火车原来的速度（千米/时）。",
            "火车走完 {s} 千米的路程，若速度每小时提高 {d} 千米，则用时缩短 {t} 小时。火车原来每小时行多少千米？",
        ],
    },
}
_LENGTH = Number(1, 10**4)
slots = dict.fromkeys("abdt", _LENGTH) | {"s": Number(1, 10**7), "place": PLACES}


def draw(rng: random.Random, level: int) -> Values:
    place = rng.randrange(len(PLACES))
    if level == 1:
        width, d = rng.randint(3, 30), rng.randint(1, 15)
        return {"form": 1, "place": place, "d": d, "s": width * (width + d)}
    if level == 2:
        a, b, w = rng.randint(10, 60), rng.randint(8, 40), rng.randint(1, 7)
        a, b = max(a, b) + 1, min(a, b)
        return {"form": 2, "place": place, "a": a, "b": b, "s": (a + 2 * w) * (b + 2 * w)}
    while True:
        v, d, t = 2 * rng.randint(15, 60), rng.randint(4, 40), rng.randint(2, 4)
        product = v * (v + d)
        t *= d // gcd(d, product)
        if t <= 9 and 60 <= t * product // d <= 3000:
            return {"form": 3, "s": t * product // d, "d": d, "t": t}


def work(values: Values, language: str) -> Worked:
    form, s = int(values["form"]), int(values["s"])
    steps = Steps(language)
    if form == 1:
        d = int(values["d"])
        a, b, c = 1, d, -s
        steps.say(
            f"With width x: x(x + {d}) = {s}, so x^2 + {d}x - {s} = 0.",
            f"设宽为 x：x(x + {d}) = {s}，即 x^2 + {d}x - {s} = 0。",
        )
    elif form == 2:
        p, q = int(values["a"]), int(values["b"])
        a, b, c = 4, 2 * (p + q), p * q - s
        require(s > p * q, "no path")
        line = f"{p} * {q} - {s} = {c}"
        steps.say(
            f"With width x: ({p} + 2x)({q} + 2x) = {s}, and {line}, so {polynomial([a, b, c])} = 0.",
            f"设路宽为 x：({p} + 2x)({q} + 2x) = {s}，而 {line}，所以 {polynomial([a, b, c])} = 0。",
        )
    else:
        d, t = int(values["d"]), int(values["t"])
        a, b, c = t, t * d, -s * d
        steps.say(
            f"With speed x: {s}/x - {s}/(x + {d}) = {t}, and {s} * {d} = {s * d}, so {polynomial([a, b, c])} = 0.",
            f"设原速为 x：{s}/x - {s}/(x + {d}) = {t}，而 {s} * {d} = {s * d}，所以 {polynomial([a, b, c])} = 0。",
        )
    square = b * b - 4 * a * c
    outside = exact_root(square)
    x = Fraction(outside - b, 2 * a)
    require(x.denominator == 1 and x > 0, "no whole positive solution")
    line = f"{b}^2 - 4 * {a} * {plain(c)} = {square} = {outside}^2"
    steps.say(f"The discriminant is {line}.", f"判别式：{line}。")
    line = f"({-b} + {outside}) / (2 * {a}) = {x}"
    steps.say(f"The positive root is x = {line}.", f"取正根：x = {line}。")
    program = f"from sympy import solve, symbols\nx = symbols('x', positive=True)\nprint(solve({python_polynomial([a, b, c])}, x)[0])"
    return Worked(str(x), steps.all(), program)
