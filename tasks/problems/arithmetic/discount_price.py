"""Prices after percentage changes.

Level 1: one discount. Level 2: a discount, then a tax. Level 3: a rise and a cut are given with the
final price, the original is asked. There are over 10,000 questions at level 1. Prices are drawn so that
whole dollars stay whole; other prices are answered as exact fractions.
"""

from __future__ import annotations

import random
from fractions import Fraction

from tasks.problems.machinery.family import Values, Worked
from tasks.problems.machinery.notation import fraction, plain
from tasks.problems.machinery.slots import Number
from tasks.problems.machinery.words import GARMENTS

subdomain = "fractions and percentages"
concepts = ("percentages", "successive percentage changes")
templates = {
    "en": {
        1: [
            "The price of a {thing} is ${p}. In a sale it is reduced by {r}%. What is the sale price in dollars?",
            "A {thing} that used to cost ${p} is now {r}% off. How many dollars does it cost now?",
            "A shop takes {r}% off a {thing} marked at ${p}. How many dollars does a customer pay?",
        ],
        2: [
            "A {thing} marked at ${p} is sold at {r}% off, and a sales tax of {t}% is added to the reduced price. How many dollars does a customer pay in total?",
            "The price of a {thing} is ${p}. It is first reduced by {r}%, then a tax of {t}% of the new price is added. What is the final price in dollars?",
            "After a discount of {r}% on a {thing} marked at ${p}, a buyer also pays {t}% tax on the discounted price. What is the total in dollars?",
        ],
        3: [
            "The price of a {thing} is raised by {t}% and later reduced by {r}%, after which it is ${p}. What was the original price in dollars?",
            "A shop increases the price of a {thing} by {t}%. In a sale it then takes {r}% off the new price, and the {thing} sells for ${p}. How many dollars did it cost at first?",
            "A {thing} costs ${p} after a price increase of {t}% followed by a discount of {r}%. Find its price in dollars before both changes.",
        ],
    },
    "zh": {
        1: [
            "一件{thing}原价 {p} 元，现在降价 {r}%，现价是多少元？",
            "一件标价 {p} 元的{thing}在促销中便宜了 {r}%，顾客要付多少元？",
        ],
        2: [
            "一件{thing}标价 {p} 元，先降价 {r}%，再按降价后的价格加收 {t}% 的税，顾客一共要付多少元？",
            "一件标价 {p} 元的{thing}打折后便宜了 {r}%，另需按折后价缴纳 {t}% 的税，最终价格是多少元？",
        ],
        3: [
            "一件{thing}先涨价 {t}%，后来又降价 {r}%，现在售价为 {p} 元，原价是多少元？",
            "商店把一件{thing}提价 {t}%，促销时又在新价基础上降价 {r}%，最后卖 {p} 元，最初的价格是多少元？",
        ],
    },
}
slots = {"thing": GARMENTS, "p": Number(1, 10**7), "r": Number(1, 99), "t": Number(1, 500)}


def draw(rng: random.Random, level: int) -> Values:
    thing = rng.randrange(len(GARMENTS))
    r = rng.choice((5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 60, 75))
    if level == 1:
        return {"form": 1, "thing": thing, "p": 20 * rng.randint(1, 60), "r": r}
    t = rng.choice((5, 8, 10, 20, 25, 50))
    if level == 2:
        return {
            "form": 2,
            "thing": thing,
            "p": rng.randint(2, 40) * Fraction((100 + t) * (100 - r), 10000).denominator,
            "r": r,
            "t": t,
        }
    original = Fraction(rng.randint(2, 40))
    original *= (original * (100 + t) * (100 - r) / 10000).denominator
    final = original * (100 + t) * (100 - r) / 10000
    return {"form": 3, "thing": thing, "p": int(final), "r": r, "t": t}


def work(values: Values, language: str) -> Worked:
    form, p, r, t = int(values["form"]), int(values["p"]), int(values["r"]), int(values.get("t", 0))
    zh = language == "zh"
    keep = f"100% - {r}% = {100 - r}%"
    if form == 3:
        factor = Fraction((100 + t) * (100 - r), 10000)
        price = p / factor
        steps = [
            f"涨价后是原价的 {100 + t}/100，再降价后是它的 {100 - r}/100。"
            if zh
            else f"The rise multiplies the price by {100 + t}/100, the cut by {100 - r}/100.",
            f"两次变化合起来：{100 + t}/100 * {100 - r}/100 = {factor}。"
            if zh
            else f"Together: {100 + t}/100 * {100 - r}/100 = {factor}.",
            f"原价：{p} / {plain(factor)} = {price} 元。"
            if zh
            else f"The original price is {p} / {plain(factor)} = {price} dollars.",
        ]
        program = f"from fractions import Fraction\nfactor = Fraction({100 + t}, 100) * Fraction({100 - r}, 100)\nprint({p} / factor)"
        return Worked(fraction(price), tuple(steps), program)
    reduced = Fraction(p * (100 - r), 100)
    steps = [
        f"降价后是原价的 {keep}。" if zh else f"What remains of the price is {keep}.",
        f"降价后的价格：{p} * {100 - r} / 100 = {reduced} 元。"
        if zh
        else f"The reduced price is {p} * {100 - r} / 100 = {reduced} dollars.",
    ]
    program = f"from fractions import Fraction\nprice = Fraction({p} * {100 - r}, 100)\nprint(price)"
    total = reduced
    if form == 2:
        total = reduced * (100 + t) / 100
        tax = reduced * t / 100
        steps.append(
            f"税：{plain(reduced)} * {t} / 100 = {tax} 元。"
            if zh
            else f"The tax is {plain(reduced)} * {t} / 100 = {tax} dollars."
        )
        steps.append(
            f"合计：{reduced} + {tax} = {total} 元。"
            if zh
            else f"In total: {reduced} + {tax} = {total} dollars."
        )
        program = f"from fractions import Fraction\nprice = Fraction({p} * {100 - r}, 100)\nprint(price * {100 + t} / 100)"
    return Worked(fraction(total), tuple(steps), program)
