"""Drawing balls from a bag.

Level 1: two draws with replacement. Level 2: two draws without replacement, equal colours. Level 3:
three draws without replacement, exactly two of one colour. There are over 10,000 questions at level 1.
"""

from __future__ import annotations

import random
from fractions import Fraction

from tasks.problems.machinery.family import Steps, Values, Worked
from tasks.problems.machinery.notation import fraction, plain, require
from tasks.problems.machinery.slots import Number
from tasks.problems.machinery.words import COLOURS

subdomain = "probability"
concepts = ("drawing with and without replacement", "multiplication rule", "addition rule")
_BAG_EN, _BAG_ZH = "A bag contains {a} {x} balls and {b} {y} balls", "袋中有 {a} 个{x}球和 {b} 个{y}球"
templates = {
    "en": {
        1: [
            f"{_BAG_EN}. A ball is drawn, put back, and a second ball is drawn. What is the probability that the first is {{x}} and the second is {{y}}?",
            f"{_BAG_EN}. Two balls are drawn one after the other with replacement. Find the probability of drawing {{x}} first and {{y}} second.",
            f"{_BAG_EN}. You draw one ball at random, return it, and draw again. How likely is a {{x}} ball followed by a {{y}} one?",
        ],
        2: [
            f"{_BAG_EN}. Two balls are drawn at random without replacement. What is the probability that they have the same colour?",
            f"{_BAG_EN}. You take out two balls at once. Find the probability that both are of one colour.",
            f"{_BAG_EN}. Two different balls are picked at random. How likely is it that their colours agree?",
        ],
        3: [
            f"{_BAG_EN}. Three balls are drawn at random without replacement. What is the probability that exactly two of them are {{x}}?",
            f"{_BAG_EN}. You take out three balls at once. Find the probability that exactly two are {{x}} and one is {{y}}.",
            f"{_BAG_EN}. Three different balls are picked at random. How likely is it that there are exactly two {{x}} balls among them?",
        ],
    },
    "zh": {
        1: [
            f"{_BAG_ZH}。先摸出一个球，放回后再摸一个，第一次摸到{{x}}球且第二次摸到{{y}}球的概率是多少？",
            f"{_BAG_ZH}。有放回地依次摸出两个球，求先摸到{{x}}球、后摸到{{y}}球的概率。",
        ],
        2: [
            f"{_BAG_ZH}。不放回地随机摸出两个球，两球颜色相同的概率是多少？",
            f"{_BAG_ZH}。一次任取两个球，求两个球同色的概率。",
        ],
        3: [
            f"{_BAG_ZH}。不放回地随机摸出三个球，其中恰好有两个{{x}}球的概率是多少？",
            f"{_BAG_ZH}。一次任取三个球，求恰好取到两个{{x}}球的概率。",
        ],
    },
}
_COUNT = Number(1, 1000)
slots = {"a": _COUNT, "b": _COUNT, "x": COLOURS, "y": COLOURS}


def draw(rng: random.Random, level: int) -> Values:
    x, y = rng.sample(range(len(COLOURS)), 2)
    least = 2 if level < 3 else 3
    return {"form": level, "x": x, "y": y, "a": rng.randint(least, 15), "b": rng.randint(least, 15)}


def work(values: Values, language: str) -> Worked:
    form, a, b = int(values["form"]), int(values["a"]), int(values["b"])
    require(values["x"] != values["y"], "two kinds of one colour")
    x, y = COLOURS.show(values["x"], language), COLOURS.show(values["y"], language)
    steps = Steps(language)
    n = a + b
    head = "from fractions import Fraction\n"
    steps.say(f"There are {a} + {b} = {n} balls.", f"一共有 {a} + {b} = {n} 个球。")
    if form == 1:
        result = Fraction(a * b, n * n)
        line = f"{a}/{n} * {b}/{n} = {result}"
        steps.say(f"The draws are independent: {line}.", f"两次摸球相互独立：{line}。")
        return Worked(fraction(result), steps.all(), f"{head}print(Fraction({a}, {n}) * Fraction({b}, {n}))")
    if form == 2:
        require(a >= 2 and b >= 2, "a colour with a single ball")
        first, second = Fraction(a * (a - 1), n * (n - 1)), Fraction(b * (b - 1), n * (n - 1))
        line = f"{a}/{n} * {a - 1}/{n - 1} = {first}"
        steps.say(f"Both {x}: {line}.", f"两个都是{x}球：{line}。")
        line = f"{b}/{n} * {b - 1}/{n - 1} = {second}"
        steps.say(f"Both {y}: {line}.", f"两个都是{y}球：{line}。")
        line = f"{plain(first)} + {plain(second)} = {first + second}"
        steps.say(f"The same colour: {line}.", f"同色的概率：{line}。")
        program = f"from fractions import Fraction\nfrom math import comb\nprint(Fraction(comb({a}, 2) + comb({b}, 2), comb({n}, 2)))"
        return Worked(fraction(first + second), steps.all(), program)
    require(a >= 2, "fewer than two balls of the colour")
    one = Fraction(a * (a - 1) * b, n * (n - 1) * (n - 2))
    line = f"{a}/{n} * {a - 1}/{n - 1} * {b}/{n - 2} = {one}"
    steps.say(f"In the order {x}, {x}, {y}: {line}.", f"按{x}、{x}、{y}的顺序：{line}。")
    line = f"3 * {plain(one)} = {3 * one}"
    steps.say(
        f"The {y} ball may come first, second or third: {line}.", f"{y}球可以在第一、第二或第三次：{line}。"
    )
    program = f"from fractions import Fraction\nfrom math import comb\nprint(Fraction(comb({a}, 2) * {b}, comb({n}, 3)))"
    return Worked(fraction(3 * one), steps.all(), program)
