"""Median and variance.

Level 1: the median of a list. Level 2: the population variance of a list. Level 3: the variance of two groups
together. There are over 100,000 questions at level 1.
"""

from __future__ import annotations

import random
from fractions import Fraction

from tasks.problems.machinery.family import Steps, Values, Worked
from tasks.problems.machinery.notation import fraction, plain
from tasks.problems.machinery.slots import Number, Numbers, join, split

subdomain = "descriptive statistics"
concepts = ("median", "variance", "combining groups")
templates = {
    "en": {
        1: [
            "Find the median of {list}.",
            "What is the median of the data set {list}?",
            "Put {list} in order and give the median.",
        ],
        2: [
            "Find the population variance of {list}.",
            "What is the variance of the data set {list}, taken as a whole population?",
            "Compute the mean of the squared deviations of {list} from their mean.",
        ],
        3: [
            "A group of {n} values has mean {a} and population variance {v}; another group of {m} values has mean {b} and population variance {w}. What is the population variance of all values together?",
            "Two data sets are merged: {n} values with mean {a} and population variance {v}, and {m} values with mean {b} and population variance {w}. Find the population variance of the merged set.",
            "Of {n} numbers the mean is {a} and the population variance {v}; of {m} others they are {b} and {w}. Find the population variance of all of them taken together.",
        ],
    },
    "zh": {
        1: ["求数据 {list} 的中位数。", "一组数据为 {list}，它的中位数是多少？"],
        2: ["求数据 {list} 的方差。", "一组数据为 {list}，求各数与平均数之差的平方的平均数。"],
        3: [
            "一组 {n} 个数据的平均数为 {a}、方差为 {v}，另一组 {m} 个数据的平均数为 {b}、方差为 {w}，全部数据的方差是多少？",
            "把两组数据合并：第一组 {n} 个数，平均数 {a}，方差 {v}；第二组 {m} 个数，平均数 {b}，方差 {w}。求合并后数据的方差。",
        ],
    },
}
_COUNT, _MEAN, _SPREAD = Number(1, 10**4), Number(-(10**4), 10**4), Number(0, 10**6)
slots = {"list": Numbers(4, 12), "n": _COUNT, "m": _COUNT, "a": _MEAN, "b": _MEAN, "v": _SPREAD, "w": _SPREAD}


def draw(rng: random.Random, level: int) -> Values:
    if level == 1:
        return {"form": 1, "list": join([rng.randint(1, 60) for _ in range(rng.randint(5, 8))])}
    if level == 2:
        return {"form": 2, "list": join([rng.randint(1, 25) for _ in range(rng.randint(4, 6))])}
    a, b = rng.sample(range(10, 90), 2)
    n, m = rng.randint(4, 30), rng.randint(4, 30)
    return {"form": 3, "n": n, "m": m, "a": a, "b": b, "v": rng.randint(1, 60), "w": rng.randint(1, 60)}


def work(values: Values, language: str) -> Worked:
    form = int(values["form"])
    steps = Steps(language)
    head = "from fractions import Fraction\n"
    if form == 3:
        return _combined(values, steps, head)
    numbers = split(values["list"])
    size = len(numbers)
    if form == 1:
        ordered = sorted(numbers)
        steps.say(f"In order: {join(ordered)}.", f"从小到大排列：{join(ordered)}。")
        low, high = ordered[(size - 1) // 2], ordered[size // 2]
        median = Fraction(low + high, 2)
        if size % 2:
            line = f"({size} + 1) / 2 = {(size + 1) // 2}"
            steps.say(
                f"The middle is number {line} in order, that is {low}.", f"中间是第 {line} 个，即 {low}。"
            )
        else:
            line = f"({low} + {plain(high)}) / 2 = {median}"
            steps.say(f"The two middle numbers have the mean {line}.", f"中间两个数的平均数：{line}。")
        program = f"{head}from statistics import median\nprint(median([Fraction(x) for x in {numbers}]))"
        return Worked(fraction(median), steps.all(), program)
    mean = Fraction(sum(numbers), size)
    total = " + ".join(plain(number) for number in numbers)
    line = f"({total}) / {size} = {mean}"
    steps.say(f"The mean is {line}.", f"平均数：{line}。")
    squares = [(number - mean) ** 2 for number in numbers]
    lines = [
        f"({number} - {plain(mean)})^2 = {square}" for number, square in zip(numbers, squares, strict=True)
    ]
    steps.say(f"The squared deviations: {'; '.join(lines)}.", f"各偏差的平方：{'；'.join(lines)}。")
    variance = sum(squares, Fraction(0)) / size
    line = f"({' + '.join(str(square) for square in squares)}) / {size} = {variance}"
    steps.say(f"Their mean is {line}.", f"它们的平均数：{line}。")
    program = f"{head}from statistics import pvariance\nprint(pvariance([Fraction(x) for x in {numbers}]))"
    return Worked(fraction(variance), steps.all(), program)


def _combined(values: Values, steps: Steps, head: str) -> Worked:
    n, m, a, b, v, w = (int(values[name]) for name in "nmabvw")
    mean = Fraction(n * a + m * b, n + m)
    line = f"({n} * {plain(a)} + {m} * {plain(b)}) / ({n} + {m}) = {mean}"
    steps.say(f"The mean of all values is {line}.", f"全部数据的平均数：{line}。")
    squares = n * (v + a * a) + m * (w + b * b)
    line = f"{n} * ({v} + {plain(a)}^2) + {m} * ({w} + {plain(b)}^2) = {squares}"
    steps.say(
        f"A sum of squares is number times (variance + mean^2); together: {line}.",
        f"平方和等于个数乘以（方差加平均数的平方），合计：{line}。",
    )
    variance = Fraction(squares, n + m) - mean**2
    line = f"{squares} / ({n} + {m}) - {plain(mean)}^2 = {variance}"
    steps.say(f"The variance of all values is {line}.", f"全部数据的方差：{line}。")
    program = (
        f"{head}n, m = {n}, {m}\nmean = Fraction(n * {plain(a)} + m * {plain(b)}, n + m)\n"
        f"squares = n * ({v} + {plain(a)}**2) + m * ({w} + {plain(b)}**2)\nprint(Fraction(squares, n + m) - mean**2)"
    )
    return Worked(fraction(variance), steps.all(), program)
