"""What is left after parts are taken away, as fractions of a whole.

Level 1: one part. Level 2: a part, then a part of the rest. Level 3: the same with a fixed amount,
working backwards from what is left. There are over 50,000 questions at level 1.
"""

from __future__ import annotations

import random
from fractions import Fraction

from tasks.problems.machinery.family import Steps, Values, Worked
from tasks.problems.machinery.notation import require
from tasks.problems.machinery.slots import Fractional, Number
from tasks.problems.machinery.words import NAMES

subdomain = "fractions and percentages"
concepts = ("fractions of a quantity", "working backwards")
templates = {
    "en": {
        1: [
            "{name} has ${n} and spends ${f}$ of it. How many dollars are left?",
            "Of the ${n} in a savings box, {name} takes out ${f}$. How many dollars remain in the box?",
            "{name} gives away ${f}$ of a sum of ${n}. How many dollars does {name} keep?",
        ],
        2: [
            "{name} has ${n}, spends ${f}$ of it on food and then ${g}$ of the rest on books. How many dollars are left?",
            "From a budget of ${n}, {name} uses ${f}$ for travel and ${g}$ of what remains for a hotel. How many dollars are not used?",
            "{name} gives ${f}$ of ${n} to a friend and then ${g}$ of the remainder to a charity. How many dollars does {name} keep?",
        ],
        3: [
            "{name} spends ${f}$ of some money on food, then ${g}$ of the rest on books, then another ${k}, and has ${n} left. How many dollars did {name} have at first?",
            "From a budget, {name} uses ${f}$ for travel, ${g}$ of what remains for a hotel and ${k} for meals. ${n} are not used. How many dollars was the budget?",
            "After giving ${f}$ of a sum to a friend, ${g}$ of the remainder to a charity and ${k} to a neighbour, {name} keeps ${n}. Find the original sum in dollars.",
        ],
    },
    "zh": {
        1: [
            "{name}有 {n} 元，花掉了其中的 ${f}$，还剩多少元？",
            "储蓄罐里有 {n} 元，{name}取出了 ${f}$，罐里还剩多少元？",
        ],
        2: [
            "{name}有 {n} 元，先用其中的 ${f}$ 买食品，再用余下的 ${g}$ 买书，还剩多少元？",
            "一笔 {n} 元的预算，{name}先用去 ${f}$ 作路费，又用去剩余部分的 ${g}$ 付房费，还有多少元没有用？",
        ],
        3: [
            "{name}先用所有钱的 ${f}$ 买食品，再用余下的 ${g}$ 买书，又花了 {k} 元，最后剩 {n} 元。{name}原来有多少元？",
            "{name}的一笔预算，先用去 ${f}$ 作路费，又用去剩余部分的 ${g}$ 付房费，再花 {k} 元吃饭，还剩 {n} 元。这笔预算共多少元？",
        ],
    },
}
_PART = Fractional(bound=99)
slots = {"name": NAMES, "f": _PART, "g": _PART, "n": Number(1, 10**7), "k": Number(1, 10**6)}


def _part(rng: random.Random, bound: int) -> Fraction:
    bottom = rng.randint(3, bound)
    return Fraction(rng.randint(1, bottom - 1), bottom)


def draw(rng: random.Random, level: int) -> Values:
    f, g = _part(rng, 9), _part(rng, 7)
    values: Values = {"form": level, "name": rng.randrange(len(NAMES)), "f": _text(f)}
    if level == 1:
        return values | {"n": f.denominator * rng.randint(4, 60)}
    kept = (1 - f) * (1 - g)
    values["g"] = _text(g)
    whole = f.denominator * g.denominator * rng.randint(2, 20)
    if level == 2:
        return values | {"n": whole}
    rest = int(whole * kept)
    k = rng.randint(1, max(1, rest - 1))
    return values | {"k": k, "n": rest - k} if rest > k else draw(rng, level)


def _text(part: Fraction) -> str:
    return f"{part.numerator}/{part.denominator}"


def work(values: Values, language: str) -> Worked:
    form, n = int(values["form"]), int(values["n"])
    steps = Steps(language)
    parts = [Fraction(str(values[name])) for name in ("f", "g") if name in values]
    require(all(0 < part < 1 for part in parts), "a part that is no proper fraction")
    kept = [1 - part for part in parts]
    head = "from fractions import Fraction\n"
    if form < 3:
        rest = Fraction(n)
        for part, share in zip(parts, kept, strict=True):
            line = f"1 - {part} = {share}"
            steps.say(f"The share that stays is {line}.", f"剩下的占：{line}。")
            line = f"{rest} * {share} = {rest * share}"
            steps.say(f"In dollars: {line}.", f"即 {line} 元。")
            rest *= share
        require(rest.denominator == 1, "no whole number of dollars")
        factors = "".join(f" * (1 - Fraction({part.numerator}, {part.denominator}))" for part in parts)
        return Worked(str(rest), steps.all(), f"{head}print({n}{factors})")
    k = int(values["k"])
    line = f"{n} + {k} = {n + k}"
    steps.say(f"Before the last payment there were {line} dollars.", f"最后一笔支出之前有 {line} 元。")
    middle = (n + k) / kept[1]
    line = f"1 - {parts[1]} = {kept[1]}"
    steps.say(f"That is {line} of the amount before it.", f"这是前一笔余额的 {line}。")
    line = f"{n + k} / ({kept[1]}) = {middle}"
    steps.say(f"So after the first payment there were {line} dollars.", f"所以第一笔支出后有 {line} 元。")
    whole = middle / kept[0]
    require(whole.denominator == middle.denominator == 1, "no whole number of dollars")
    line = f"1 - {parts[0]} = {kept[0]}"
    steps.say(f"And that is {line} of the original sum.", f"它又是原有总数的 {line}。")
    line = f"{middle} / ({kept[0]}) = {whole}"
    steps.say(f"The original sum is {line} dollars.", f"原来有 {line} 元。")
    f, g = parts
    divisors = (
        f"/ (1 - Fraction({g.numerator}, {g.denominator})) / (1 - Fraction({f.numerator}, {f.denominator}))"
    )
    return Worked(str(whole), steps.all(), f"{head}print(({n} + {k}) {divisors})")
