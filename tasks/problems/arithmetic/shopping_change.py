"""Buying things and counting the change, in whole dollars or yuan.

Level 1: one kind of thing. Level 2: two kinds. Level 3: two kinds and a rebate on every full amount
spent. There are over 100,000 questions at level 1 (names, things, prices).
"""

from __future__ import annotations

import random

from tasks.problems.machinery.family import Values, Worked
from tasks.problems.machinery.notation import require
from tasks.problems.machinery.slots import Number
from tasks.problems.machinery.words import FRUITS, NAMES, TOYS

subdomain = "multi-step arithmetic"
concepts = ("multiplication", "subtraction", "money")
templates = {
    "en": {
        1: [
            "{name} buys {a} {thing} at ${p} each and pays with ${paid}. How many dollars of change does {name} get?",
            "At a market, {thing} cost ${p} each. {name} takes {a} of them and hands over ${paid}. How much change, in dollars, is due?",
            "{name} has ${paid} and spends part of it on {a} {thing}, each costing ${p}. How many dollars are left?",
        ],
        2: [
            "{name} buys {a} {thing} at ${p} each and {b} {other} at ${q} each, and pays with ${paid}. How many dollars of change does {name} get?",
            "A shop sells {thing} for ${p} each and {other} for ${q} each. {name} pays ${paid} for {a} {thing} and {b} {other}. How much change, in dollars, is due?",
            "{name} has ${paid}. After buying {a} {thing} (${p} each) and {b} {other} (${q} each), how many dollars are left?",
        ],
        3: [
            "{name} buys {a} {thing} at ${p} each and {b} {other} at ${q} each. The shop takes ${off} off for every full ${step} spent. How many dollars does {name} pay?",
            "A shop sells {thing} for ${p} each and {other} for ${q} each, and gives back ${off} for every full ${step} of the bill. What do {a} {thing} and {b} {other} cost {name} in the end, in dollars?",
            "For every full ${step} on the bill, a store deducts ${off}. {name} chooses {a} {thing} (${p} each) and {b} {other} (${q} each). How many dollars are to be paid after the deduction?",
        ],
    },
    "zh": {
        1: [
            "{name}买了 {a} 个{thing}，每个 {p} 元，付了 {paid} 元，应找回多少元？",
            "{name}带了 {paid} 元去商店，买了 {a} 个单价为 {p} 元的{thing}，还剩多少元？",
        ],
        2: [
            "{name}买了 {a} 个{thing}（每个 {p} 元）和 {b} 个{other}（每个 {q} 元），付了 {paid} 元，应找回多少元？",
            "商店里{thing}每个 {p} 元，{other}每个 {q} 元。{name}带了 {paid} 元，买了 {a} 个{thing}和 {b} 个{other}，还剩多少元？",
        ],
        3: [
            "商店促销：每满 {step} 元减 {off} 元。{name}买了 {a} 个{thing}（每个 {p} 元）和 {b} 个{other}（每个 {q} 元），实际应付多少元？",
            "{name}选了 {a} 个单价为 {p} 元的{thing}和 {b} 个单价为 {q} 元的{other}，结账时每满 {step} 元减 {off} 元，{name}一共要付多少元？",
        ],
    },
}
_COUNT, _PRICE = Number(2, 10**4), Number(1, 10**5)
slots = {
    "name": NAMES, "thing": FRUITS, "other": TOYS, "a": _COUNT, "b": _COUNT, "p": _PRICE, "q": _PRICE,
    "paid": Number(1, 10**8), "step": Number(2, 10**6), "off": Number(1, 10**6),
}  # fmt: skip


def draw(rng: random.Random, level: int) -> Values:
    values: Values = {"form": level, "name": rng.randrange(len(NAMES)), "thing": rng.randrange(len(FRUITS))}
    a, p = rng.randint(3, 12 if level == 1 else 40), rng.randint(2, 9 if level == 1 else 25)
    values |= {"a": a, "p": p}
    if level == 1:
        return values | {"paid": (a * p // 10 + rng.randint(1, 5)) * 10}
    b, q = rng.randint(2, 30), rng.randint(5, 60)
    values |= {"other": rng.randrange(len(TOYS)), "b": b, "q": q}
    if level == 2:
        return values | {"paid": ((a * p + b * q) // 50 + rng.randint(1, 4)) * 50}
    step = rng.choice((50, 80, 100, 120, 150))
    return values | {"step": step, "off": rng.randint(5, step // 4)}


def work(values: Values, language: str) -> Worked:
    form, a, p = int(values["form"]), int(values["a"]), int(values["p"])
    zh = language == "zh"
    thing = FRUITS.show(values["thing"], language)
    total, sums = a * p, f"{a} * {p}"
    steps = [f"{thing}的价钱：{sums} = {total} 元。" if zh else f"The {thing} cost {sums} = {total} dollars."]
    if form > 1:
        b, q, other = int(values["b"]), int(values["q"]), TOYS.show(values["other"], language)
        steps.append(
            f"{other}的价钱：{b} * {q} = {b * q} 元。"
            if zh
            else f"The {other} cost {b} * {q} = {b * q} dollars."
        )
        both = f"{total} + {b * q} = {total + b * q}"
        steps.append(f"合计：{both} 元。" if zh else f"Together that is {both} dollars.")
        total, sums = total + b * q, f"{sums} + {b} * {q}"
    if form < 3:
        paid = int(values["paid"])
        require(paid >= total, "the money does not suffice")
        rest = f"{paid} - {total} = {paid - total}"
        steps.append(f"剩余：{rest} 元。" if zh else f"What remains is {rest} dollars.")
        return Worked(str(paid - total), tuple(steps), f"total = {sums}\nprint({paid} - total)")
    step, off = int(values["step"]), int(values["off"])
    require(off < step, "the rebate is not below the amount it is given for")
    times = total // step
    steps.append(
        f"{total} 里有 {times} 个完整的 {step}（{times} * {step} = {times * step}），共减 {times} * {off} = {times * off} 元。"
        if zh
        else f"{total} holds {times} full amounts of {step} ({times} * {step} = {times * step}), so {times} * {off} = {times * off} dollars come off."
    )
    rest = f"{total} - {times * off} = {total - times * off}"
    steps.append(f"应付：{rest} 元。" if zh else f"To pay: {rest} dollars.")
    program = f"total = {sums}\nprint(total - total // {step} * {off})"
    return Worked(str(total - times * off), tuple(steps), program)
