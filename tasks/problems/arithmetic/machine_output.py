"""Direct and compound proportion.

Level 1: a recipe scaled to another number of people. Level 2: what other machines make in another time.
Level 3: the time that other machines need for another amount. There are over 5,000 questions at level
1.
"""

from __future__ import annotations

import random
from fractions import Fraction

from tasks.problems.machinery.family import Steps, Values, Worked
from tasks.problems.machinery.notation import fraction, plain
from tasks.problems.machinery.slots import Number, Words
from tasks.problems.machinery.words import TOYS

subdomain = "ratios and proportions"
concepts = ("direct proportion", "compound proportion", "unit rates")
FOODS = Words(
    en=("flour", "rice", "sugar", "butter", "cheese", "minced meat", "oatmeal", "lentils"),
    zh=("面粉", "大米", "白糖", "黄油", "奶酪", "肉末", "燕麦", "扁豆"),
)
templates = {
    "en": {
        1: [
            "A recipe for {a} people needs {n} grams of {food}. How many grams of {food} are needed for {b} people?",
            "A cook uses {n} grams of {food} in a dish for {a} people. How many grams does the same dish take for {b} people?",
            "If {n} grams of {food} are enough for {a} people, how many grams of {food} do {b} people need at the same rate?",
        ],
        2: [
            "{a} identical machines make {n} {thing} in {t} hours. How many {thing} do {b} such machines make in {u} hours?",
            "In {t} hours, {a} equal machines produce {n} {thing}. Working at the same rate, how many {thing} come from {b} machines in {u} hours?",
            "A factory's {a} identical machines turn out {n} {thing} every {t} hours. How many {thing} would {b} of these machines turn out in {u} hours?",
        ],
        3: [
            "{a} identical machines make {n} {thing} in {t} hours. How many hours do {b} such machines need to make {m} {thing}?",
            "In {t} hours, {a} equal machines produce {n} {thing}. Working at the same rate, how many hours do {b} machines take for {m} {thing}?",
            "A factory's {a} identical machines turn out {n} {thing} every {t} hours. In how many hours would {b} of these machines turn out {m} {thing}?",
        ],
    },
    "zh": {
        1: [
            "一份供 {a} 人食用的食谱需要{food} {n} 克，照这样计算，供 {b} 人食用需要{food}多少克？",
            "做一道菜，{a} 人份要用 {n} 克{food}，{b} 人份要用多少克{food}？",
        ],
        2: [
            "{a} 台同样的机器 {t} 小时生产 {n} 个{thing}，照这样的效率，{b} 台机器 {u} 小时生产多少个{thing}？",
            "工厂里 {a} 台相同的机器每 {t} 小时制造 {n} 个{thing}，{b} 台这样的机器工作 {u} 小时能制造多少个{thing}？",
        ],
        3: [
            "{a} 台同样的机器 {t} 小时生产 {n} 个{thing}，照这样的效率，{b} 台机器生产 {m} 个{thing}需要多少小时？",
            "工厂里 {a} 台相同的机器每 {t} 小时制造 {n} 个{thing}，用 {b} 台这样的机器制造 {m} 个{thing}要多少小时？",
        ],
    },
}
_COUNT = Number(2, 10**4)
slots = dict.fromkeys("abtu", _COUNT) | {
    "n": Number(1, 10**7),
    "m": Number(1, 10**7),
    "thing": TOYS,
    "food": FOODS,
}


def draw(rng: random.Random, level: int) -> Values:
    a, b = rng.sample(range(2, 13), 2)
    if level == 1:
        return {"form": 1, "a": a, "b": b, "n": a * 5 * rng.randint(3, 40), "food": rng.randrange(len(FOODS))}
    t, u = rng.sample(range(2, 13), 2)
    rate = rng.randint(2, 15)
    values: Values = {
        "form": level,
        "a": a,
        "b": b,
        "t": t,
        "n": a * t * rate,
        "thing": rng.randrange(len(TOYS)),
    }
    if level == 2:
        return values | {"u": u}
    # halves and quarters of an hour make the time a fraction now and then
    return values | {"m": b * rate * u + rng.choice((0, 0, b * rate // 2, b * rate))}


def work(values: Values, language: str) -> Worked:
    form, a, b, n = (int(values[name]) for name in ("form", "a", "b", "n"))
    steps = Steps(language)
    head = "from fractions import Fraction\n"
    if form == 1:
        food = FOODS.show(values["food"], language)
        each = Fraction(n, a)
        line = f"{n} / {a} = {each}"
        steps.say(f"One person needs {line} grams of {food}.", f"每人需要{food} {line} 克。")
        line = f"{b} * {plain(each)} = {b * each}"
        steps.say(f"For {b} people that makes {line} grams.", f"{b} 人需要 {line} 克。")
        return Worked(fraction(b * each), steps.all(), f"{head}print({b} * Fraction({n}, {a}))")
    t = int(values["t"])
    rate = Fraction(n, a * t)
    line = f"{n} / ({a} * {t}) = {rate}"
    steps.say(f"One machine makes {line} an hour.", f"每台机器每小时生产 {line} 个。")
    if form == 2:
        u = int(values["u"])
        line = f"{b} * {u} * {plain(rate)} = {b * u * rate}"
        steps.say(f"{b} machines in {u} hours make {line}.", f"{b} 台机器 {u} 小时生产 {line} 个。")
        return Worked(
            fraction(b * u * rate), steps.all(), f"{head}print({b} * {u} * Fraction({n}, {a} * {t}))"
        )
    m = int(values["m"])
    line = f"{b} * {plain(rate)} = {b * rate}"
    steps.say(f"{b} machines make {line} an hour.", f"{b} 台机器每小时生产 {line} 个。")
    line = f"{m} / {plain(b * rate)} = {m / (b * rate)}"
    steps.say(f"They need {line} hours.", f"需要 {line} 小时。")
    return Worked(
        fraction(m / (b * rate)), steps.all(), f"{head}print({m} / ({b} * Fraction({n}, {a} * {t})))"
    )
