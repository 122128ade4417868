"""The time for work that is done together, from the time that each worker needs alone.

Level 1: two workers. Level 2: two pipes fill a tank while a third empties it. Level 3: one worker
starts, the other joins later. There are over 10,000 questions at level 1.
"""

from __future__ import annotations

import random
from fractions import Fraction

from tasks.problems.machinery.family import Steps, Values, Worked
from tasks.problems.machinery.notation import fraction, plain, require
from tasks.problems.machinery.slots import Number, Words
from tasks.problems.machinery.words import NAMES

subdomain = "rates and units"
concepts = ("work rates", "adding rates", "fractions")
JOBS = Words(
    en=("paint a fence", "mow a meadow", "tile a floor", "clear a yard", "pack an order", "plant a hedge"),
    zh=("粉刷一道围墙", "修剪一片草坪", "铺一块地砖", "清理一个院子", "打包一批货物", "栽一排树"),
)
templates = {
    "en": {
        1: [
            "Working alone, {name} can {job} in {a} hours and {other} can do it in {b} hours. How many hours do they need together?",
            "{name} needs {a} hours to {job}; {other} needs {b} hours for the same job. If both work at the same time, how many hours does it take?",
            "It takes {name} {a} hours to {job} and it takes {other} {b} hours. Find the time in hours when they do it together.",
        ],
        2: [
            "Two pipes fill an empty tank in {a} and {b} hours respectively, and a drain empties the full tank in {c} hours. With all three open, how many hours does it take to fill the tank?",
            "One pipe fills a pool in {a} hours, another in {b} hours, while an outlet empties it in {c} hours. If all three are open, after how many hours is the empty pool full?",
            "A tank can be filled by one tap in {a} hours and by another in {b} hours; a leak would empty it in {c} hours. How many hours does it take to fill the tank with both taps open and the leak running?",
        ],
        3: [
            "Working alone, {name} can {job} in {a} hours and {other} can do it in {b} hours. {name} starts alone, and after {c} hours {other} joins. How many hours after {name}'s start is the job done?",
            "{name} needs {a} hours to {job}; {other} needs {b} hours for the same job. {name} works alone for {c} hours, then both work together until the end. How many hours does {name} work in total?",
            "It takes {name} {a} hours to {job} and it takes {other} {b} hours. {other} begins {c} hours later than {name}. Find the number of hours from {name}'s start to the end of the job.",
        ],
    },
    "zh": {
        1: [
            "{name}单独{job}要 {a} 小时，{other}单独做要 {b} 小时，两人合作需要多少小时？",
            "要{job}，{name}一个人需 {a} 小时，{other}一个人需 {b} 小时。两人一起做，多少小时完成？",
        ],
        2: [
            "一个水池有甲、乙两个进水管和一个排水管，单开甲管 {a} 小时注满，单开乙管 {b} 小时注满，单开排水管 {c} 小时放完满池水。三管齐开，多少小时能把空池注满？",
            "甲管单独注满空水池要 {a} 小时，乙管要 {b} 小时，排水管放空满池要 {c} 小时。同时打开三管，多少小时后空池注满？",
        ],
        3: [
            "{name}单独{job}要 {a} 小时，{other}单独做要 {b} 小时。{name}先做 {c} 小时，然后{other}加入一起做，从{name}开始到完工共多少小时？",
            "要{job}，{name}一个人需 {a} 小时，{other}一个人需 {b} 小时。{other}比{name}晚 {c} 小时开始，{name}从开始到完工一共做了多少小时？",
        ],
    },
}
_HOURS = Number(1, 10**4)
slots = dict.fromkeys("abc", _HOURS) | {"name": NAMES, "other": NAMES, "job": JOBS}


def draw(rng: random.Random, level: int) -> Values:
    name, other = rng.sample(range(len(NAMES)), 2)
    values: Values = {"name": name, "other": other, "job": rng.randrange(len(JOBS))}
    while True:
        a, b, c = rng.randint(3, 40), rng.randint(3, 40), rng.randint(2, 40)
        if a == b or c in (a, b):
            continue
        rate = Fraction(1, a) + Fraction(1, b)
        if level == 1 and (1 / rate).denominator <= 7:
            return values | {"form": 1, "a": a, "b": b}
        if level == 2 and rate * c > 1 and (1 / (rate - Fraction(1, c))).denominator <= 7:
            return {"form": 2, "a": a, "b": b, "c": c}
        if level == 3 and c < a - 1 and ((1 - Fraction(c, a)) / rate).denominator <= 7:
            return values | {"form": 3, "a": a, "b": b, "c": c}


def work(values: Values, language: str) -> Worked:
    form, a, b, c = int(values["form"]), int(values["a"]), int(values["b"]), int(values.get("c", 1))
    steps = Steps(language)
    head = "from fractions import Fraction\n"
    if form != 2:
        require(values["name"] != values["other"], "the same person twice")
    rate = Fraction(1, a) + Fraction(1, b)
    line = f"1/{a} + 1/{b} = {rate}"
    if form == 2:
        steps.say(f"Both together fill {line} of it an hour.", f"两个进水管每小时共注入水池的 {line}。")
        net = rate - Fraction(1, c)
        require(net > 0, "it never fills")
        line = f"{rate} - 1/{c} = {net}"
        steps.say(f"With the outflow, {line} of it is gained an hour.", f"减去排水，每小时净增 {line}。")
        line = f"1 / {plain(net)} = {1 / net}"
        steps.say(f"It is full after {line} hours.", f"注满需要 {line} 小时。")
        return Worked(
            fraction(1 / net),
            steps.all(),
            f"{head}print(1 / (Fraction(1, {a}) + Fraction(1, {b}) - Fraction(1, {c})))",
        )
    if form == 1:
        steps.say(f"In one hour they do {line} of the job.", f"两人每小时完成工作的 {line}。")
        line = f"1 / {plain(rate)} = {1 / rate}"
        steps.say(f"They need {line} hours.", f"合作需要 {line} 小时。")
        return Worked(
            fraction(1 / rate), steps.all(), f"{head}print(1 / (Fraction(1, {a}) + Fraction(1, {b})))"
        )
    require(c < a, "the job is done before the second joins")
    done = Fraction(c, a)
    first = f"{c} * 1/{a} = {done}"
    steps.say(f"Alone, the first does {first} of the job.", f"先做的人单独完成了 {first}。")
    rest = f"1 - {done} = {1 - done}"
    steps.say(f"What is left is {rest}.", f"还剩 {rest}。")
    steps.say(f"Together they do {line} an hour.", f"两人一起每小时完成 {line}。")
    more = (1 - done) / rate
    line = f"{plain(1 - done)} / {plain(rate)} = {more}"
    steps.say(f"That takes {line} more hours.", f"还需要 {line} 小时。")
    line = f"{c} + {plain(more)} = {c + more}"
    steps.say(f"In total: {line} hours.", f"一共 {line} 小时。")
    program = (
        f"{head}rest = 1 - Fraction({c}, {a})\nprint({c} + rest / (Fraction(1, {a}) + Fraction(1, {b})))"
    )
    return Worked(fraction(c + more), steps.all(), program)
