"""Greatest common divisors and least common multiples in words.

Level 1: the side of the largest square tile. Level 2: the number of tiles. Level 3: how often three
rhythms coincide in a time. There are over 5,000 questions at level 1.
"""

from __future__ import annotations

import random
from math import gcd, lcm

from tasks.problems.machinery.family import Steps, Values, Worked
from tasks.problems.machinery.notation import require
from tasks.problems.machinery.slots import Number, Words

subdomain = "divisibility and gcd"
concepts = ("greatest common divisor", "least common multiple", "modelling with divisibility")
SHEETS = Words(
    en=("floor", "sheet of paper", "wooden board", "piece of cloth", "metal plate", "wall"),
    zh=("地面", "纸", "木板", "布料", "金属板", "墙面"),
)
SIGNALS = Words(en=("alarms", "bells", "sirens", "buzzers"), zh=("闹铃", "电铃", "警报器", "蜂鸣器"))
templates = {
    "en": {
        1: [
            "A {thing} measuring {a} cm by {b} cm is to be divided into equal squares with nothing left over. What is the greatest possible side of the squares, in cm?",
            "A rectangular {thing} is {a} cm long and {b} cm wide. Find the side in cm of the largest squares that cover it exactly without gaps.",
            "What is the side length, in cm, of the largest equal squares into which a {thing} of {a} cm by {b} cm can be split completely?",
        ],
        2: [
            "A {thing} measuring {a} cm by {b} cm is to be divided into equal squares, as large as possible, with nothing left over. How many squares are there?",
            "A rectangular {thing} is {a} cm long and {b} cm wide. What is the smallest number of equal squares that cover it exactly without gaps?",
            "A {thing} of {a} cm by {b} cm is split completely into equal squares of the greatest possible size. Find the number of squares.",
        ],
        3: [
            "Three {signals} go off every {a}, {b} and {c} seconds. They have just gone off together. How many more times will they go off together within the next {t} minutes (the end included)?",
            "At this moment three {signals} go off at the same time; from now on they repeat every {a}, {b} and {c} seconds. In the coming {t} minutes, end included, how many times do all three coincide again?",
            "The periods of three {signals} are {a}, {b} and {c} seconds, and all three start together at time zero. Not counting the start, how often do they coincide in the first {t} minutes (the end included)?",
        ],
    },
    "zh": {
        1: [
            "把一块长 {a} 厘米、宽 {b} 厘米的长方形{thing}分成同样大小的正方形，没有剩余，正方形的边长最大是多少厘米？",
            "一块 {a} 厘米乘 {b} 厘米的{thing}恰好可以划分成若干个相同的正方形，求正方形边长的最大值（单位：厘米）。",
        ],
        2: [
            "把一块长 {a} 厘米、宽 {b} 厘米的长方形{thing}分成同样大小且尽可能大的正方形，没有剩余，一共可以分成多少个？",
            "一块 {a} 厘米乘 {b} 厘米的{thing}恰好可以划分成若干个相同的正方形，正方形最少有多少个？",
        ],
        3: [
            "三个{signals}分别每隔 {a} 秒、{b} 秒、{c} 秒鸣响一次，刚才它们同时鸣响，在接下来的 {t} 分钟内（含最后一刻）还会同时鸣响多少次？",
            "三个{signals}的周期分别是 {a} 秒、{b} 秒和 {c} 秒，同时从零时刻开始。不计开始的那一次，前 {t} 分钟内（含最后一刻）三者同时鸣响多少次？",
        ],
    },
}
_SIZE = Number(1, 10**6)
slots = dict.fromkeys("abct", _SIZE) | {"thing": SHEETS, "signals": SIGNALS}


def draw(rng: random.Random, level: int) -> Values:
    if level < 3:
        common = rng.randint(4, 36)
        x, y = rng.sample(range(2, 20), 2)
        sides = {"a": common * max(x, y), "b": common * min(x, y)}
        return {"form": level, "thing": rng.randrange(len(SHEETS)), **sides}
    while True:
        a, b, c = sorted(rng.sample(range(4, 41), 3))
        period = lcm(a, b, c)
        if period <= 900:
            t = rng.randint(10, 90)
            if t * 60 >= period:
                return {"form": 3, "signals": rng.randrange(len(SIGNALS)), "a": a, "b": b, "c": c, "t": t}


def work(values: Values, language: str) -> Worked:
    form, a, b = int(values["form"]), int(values["a"]), int(values["b"])
    steps = Steps(language)
    if form < 3:
        side = gcd(a, b)
        line = f"{a} = {side} * {a // side}", f"{b} = {side} * {b // side}"
        steps.say(
            f"The largest side is the greatest common divisor of {a} and {b}.",
            f"最大边长是 {a} 与 {b} 的最大公约数。",
        )
        steps.say(
            f"It is {side}: {line[0]} and {line[1]}, and {a // side} and {b // side} have no common divisor.",
            f"它等于 {side}：{line[0]}，{line[1]}，且 {a // side} 与 {b // side} 互质。",
        )
        if form == 1:
            return Worked(str(side), steps.all(), f"from math import gcd\nprint(gcd({a}, {b}))")
        count = (a // side) * (b // side)
        product = f"{a // side} * {b // side} = {count}"
        steps.say(f"The number of squares is {product}.", f"正方形的个数：{product}。")
        program = f"from math import gcd\nside = gcd({a}, {b})\nprint(({a} // side) * ({b} // side))"
        return Worked(str(count), steps.all(), program)
    c, t = int(values["c"]), int(values["t"])
    first, period = lcm(a, b), lcm(a, b, c)
    times = t * 60 // period
    require(times > 0, "they do not coincide in that time")
    for x, y in ((a, b), (first, c)):
        product = f"{x} * {y} / {gcd(x, y)} = {lcm(x, y)}"
        steps.say(
            f"The least common multiple of {x} and {y} is {product}.", f"{x} 与 {y} 的最小公倍数：{product}。"
        )
    seconds = f"{t} * 60 = {t * 60}"
    steps.say(f"The time is {seconds} seconds.", f"总时间：{seconds} 秒。")
    share = f"{times} * {period} = {times * period}"
    steps.say(
        f"It holds {times} full periods of {period} seconds, as {share} and {t * 60} - {times * period} = {t * 60 - times * period}.",
        f"其中有 {times} 个完整的 {period} 秒：{share}，{t * 60} - {times * period} = {t * 60 - times * period}。",
    )
    return Worked(str(times), steps.all(), f"from math import lcm\nprint({t} * 60 // lcm({a}, {b}, {c}))")
