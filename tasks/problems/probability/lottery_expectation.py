"""Expected gains.

Level 1: one prize against a stake. Level 2: a raffle with two kinds of prizes. Level 3: two balls drawn
without replacement, each with its value. There are over 5,000 questions at level 1.
"""

from __future__ import annotations

import random
from fractions import Fraction

from tasks.problems.machinery.family import Steps, Values, Worked
from tasks.problems.machinery.notation import fraction, plain, require
from tasks.problems.machinery.slots import Fractional, Number
from tasks.problems.machinery.words import COLOURS, NAMES

subdomain = "expected value"
concepts = ("expected value", "fair games", "linearity of expectation")
templates = {
    "en": {
        1: [
            "In a game, {name} wins ${w} with probability ${p}$ and otherwise loses ${l}. What is the expected gain in dollars?",
            "{name} plays a game that pays ${w} with probability ${p}$ and costs ${l} in all other cases. Find the expected net result in dollars.",
            "With probability ${p}$ a bet brings {name} ${w}; if not, {name} loses ${l}. How many dollars does {name} gain on average?",
        ],
        2: [
            "{n} raffle tickets are sold at ${c} each. One ticket wins ${w} and {k} tickets win ${v} each; the others win nothing. What is the expected net gain, in dollars, of one ticket?",
            "In a raffle with {n} tickets there is one prize of ${w} and there are {k} prizes of ${v}. A ticket costs ${c}. Find the buyer's expected net gain per ticket in dollars.",
            "A ticket for ${c} takes part in a draw with {n} tickets, of which one pays ${w} and {k} others pay ${v} each. How many dollars does its buyer gain on average, after the price of the ticket?",
        ],
        3: [
            "A bag contains {a} {x} balls and {b} {y} balls. {name} draws {n} balls without replacement and gets ${w} for every {x} ball and ${v} for every {y} ball. What is the expected payment in dollars?",
            "From a bag with {a} {x} and {b} {y} balls, {name} takes {n} balls at once. Each {x} ball is worth ${w}, each {y} ball ${v}. Find the expected total value in dollars.",
            "{name} picks {n} different balls at random out of {a} {x} and {b} {y} ones, earning ${w} per {x} ball and ${v} per {y} ball. What are the average earnings in dollars?",
        ],
    },
    "zh": {
        1: [
            "在一个游戏中，{name}以 ${p}$ 的概率赢 {w} 元，否则输 {l} 元，收益的期望是多少元？",
            "{name}参加一个游戏，获得 {w} 元的概率是 ${p}$，其余情况损失 {l} 元，求净收益的数学期望（单位：元）。",
        ],
        2: [
            "抽奖活动共售出 {n} 张奖券，每张 {c} 元。其中 1 张奖 {w} 元，{k} 张各奖 {v} 元，其余无奖。买一张奖券的净收益的期望是多少元？",
            "某次抽奖共有 {n} 张奖券，设 1 个 {w} 元的奖和 {k} 个 {v} 元的奖，每张奖券售价 {c} 元，求购买一张奖券净收益的数学期望（单位：元）。",
        ],
        3: [
            "袋中有 {a} 个{x}球和 {b} 个{y}球，{name}不放回地摸出 {n} 个球，每个{x}球得 {w} 元，每个{y}球得 {v} 元，所得金额的期望是多少元？",
            "从装有 {a} 个{x}球和 {b} 个{y}球的袋中，{name}一次取出 {n} 个球，{x}球每个值 {w} 元，{y}球每个值 {v} 元，求总价值的数学期望（单位：元）。",
        ],
    },
}
_MONEY, _COUNT = Number(1, 10**6), Number(1, 10**6)
slots = {
    "name": NAMES, "p": Fractional(1000), "x": COLOURS, "y": COLOURS, "n": _COUNT, "k": _COUNT, "a": _COUNT,
    "b": _COUNT, "w": _MONEY, "v": _MONEY, "l": _MONEY, "c": _MONEY,
}  # fmt: skip


def draw(rng: random.Random, level: int) -> Values:
    name = rng.randrange(len(NAMES))
    if level == 1:
        bottom = rng.randint(3, 12)
        p = Fraction(rng.randint(1, bottom - 1), bottom)
        text = f"{p.numerator}/{p.denominator}"
        return {"form": 1, "name": name, "p": text, "w": rng.randint(2, 60), "l": rng.randint(1, 30)}
    if level == 2:
        v, k = rng.choice((5, 10, 20, 25)), rng.randint(2, 20)
        values = {
            "n": 50 * rng.randint(2, 20),
            "w": 50 * rng.randint(1, 20),
            "k": k,
            "v": v,
            "c": rng.randint(1, 9),
        }
        return {"form": 2, **values}
    x, y = rng.sample(range(len(COLOURS)), 2)
    a, b = rng.randint(2, 12), rng.randint(2, 12)
    w, v = rng.sample(range(1, 21), 2)
    return {
        "form": 3,
        "name": name,
        "a": a,
        "b": b,
        "x": x,
        "y": y,
        "w": w,
        "v": v,
        "n": rng.randint(2, min(a, b, 5)),
    }


def work(values: Values, language: str) -> Worked:
    form, w = int(values["form"]), int(values["w"])
    steps = Steps(language)
    head = "from fractions import Fraction\n"
    if form == 1:
        p, loss = Fraction(str(values["p"])), int(values["l"])
        require(0 < p < 1, "not a probability between 0 and 1")
        line = f"1 - {p} = {1 - p}"
        steps.say(f"The probability of losing is {line}.", f"输的概率：{line}。")
        result = p * w - (1 - p) * loss
        line = f"{plain(p)} * {w} - {plain(1 - p)} * {loss} = {result}"
        steps.say(f"The expected gain is {line} dollars.", f"期望收益：{line} 元。")
        python = f"Fraction({p.numerator}, {p.denominator})"
        return Worked(fraction(result), steps.all(), f"{head}p = {python}\nprint(p * {w} - (1 - p) * {loss})")
    n, v = int(values["n"]), int(values["v"])
    if form == 2:
        k, c = int(values["k"]), int(values["c"])
        require(k + 1 <= n, "more prizes than tickets")
        total = w + k * v
        line = f"{w} + {k} * {v} = {total}"
        steps.say(f"All prizes together are {line} dollars.", f"奖金总额：{line} 元。")
        mean = Fraction(total, n)
        line = f"{total} / {n} = {mean}"
        steps.say(f"Per ticket that is {line} dollars.", f"平均每张奖券：{line} 元。")
        line = f"{mean} - {c} = {mean - c}"
        steps.say(f"Less the price of the ticket: {line} dollars.", f"减去票价：{line} 元。")
        return Worked(fraction(mean - c), steps.all(), f"{head}print(Fraction({w} + {k} * {v}, {n}) - {c})")
    a, b = int(values["a"]), int(values["b"])
    require(values["x"] != values["y"], "two kinds of one colour")
    require(n <= a + b, "more draws than balls")
    worth = a * w + b * v
    line = f"{a} * {w} + {b} * {v} = {worth}"
    steps.say(f"All balls together are worth {line} dollars.", f"所有球的总价值：{line} 元。")
    mean = Fraction(worth, a + b)
    line = f"{worth} / ({a} + {b}) = {mean}"
    steps.say(
        f"Each drawn ball is equally likely to be any of them, so its expected value is {line} dollars.",
        f"每次取到各球的可能性相等，单个球的期望价值：{line} 元。",
    )
    line = f"{n} * {plain(mean)} = {n * mean}"
    steps.say(
        f"Expectations add up, also for dependent draws: {line} dollars.",
        f"期望可以相加（不要求独立）：{line} 元。",
    )
    return Worked(
        fraction(n * mean), steps.all(), f"{head}print({n} * Fraction({a} * {w} + {b} * {v}, {a + b}))"
    )
