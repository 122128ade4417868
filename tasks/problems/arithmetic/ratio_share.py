"""Sharing in a given ratio.

Level 1: two people, one share. Level 2: three people, the difference of two shares. Level 3: the ratio
changes when one gives the other something; the total is asked. There are over 50,000 questions at level
1.
"""

from __future__ import annotations

import random
from fractions import Fraction
from math import gcd

from tasks.problems.machinery.family import Values, Worked
from tasks.problems.machinery.notation import require
from tasks.problems.machinery.slots import Number
from tasks.problems.machinery.words import NAMES

subdomain = "ratios and proportions"
concepts = ("ratios", "proportional sharing")
templates = {
    "en": {
        1: [
            "{name} and {other} share ${n} in the ratio {a}:{b}. How many dollars does {name} get?",
            "A prize of ${n} is divided between {name} and {other} in the ratio {a}:{b}, in that order. What is {name}'s share in dollars?",
            "{name} and {other} invested in the ratio {a}:{b} and split a profit of ${n} accordingly. How many dollars go to {name}?",
        ],
        2: [
            "{name}, {other} and {third} share ${n} in the ratio {a}:{b}:{c}. What is the difference, in dollars, between the largest and the smallest share?",
            "A sum of ${n} is divided among {name}, {other} and {third} in the ratio {a}:{b}:{c}. By how many dollars does the largest share exceed the smallest?",
            "{name}, {other} and {third} split ${n} so that their shares are in the ratio {a}:{b}:{c}. Find the difference between the biggest and the smallest share, in dollars.",
        ],
        3: [
            "The amounts of money of {name} and {other} are in the ratio {a}:{b}. After {name} gives {other} ${k}, the ratio is {c}:{d}. How many dollars do they have altogether?",
            "{name} and {other} own money in the ratio {a}:{b}. If {name} hands ${k} to {other}, the ratio becomes {c}:{d}. What is the total amount of their money in dollars?",
            "{name}'s savings and {other}'s savings are in the ratio {a}:{b}. Once {name} has given ${k} to {other}, they are in the ratio {c}:{d}. Find the sum of their savings in dollars.",
        ],
    },
    "zh": {
        1: [
            "{name}和{other}按 {a}:{b} 的比分 {n} 元，{name}分得多少元？",
            "一笔 {n} 元的奖金按 {a}:{b} 依次分给{name}和{other}，{name}得到多少元？",
        ],
        2: [
            "{name}、{other}和{third}按 {a}:{b}:{c} 的比分 {n} 元，最多的一份比最少的一份多多少元？",
            "把 {n} 元按 {a}:{b}:{c} 分给{name}、{other}和{third}三人，最大份与最小份相差多少元？",
        ],
        3: [
            "{name}和{other}的钱数之比是 {a}:{b}。{name}给{other} {k} 元后，两人的钱数之比变为 {c}:{d}。两人一共有多少元？",
            "{name}与{other}的存款之比为 {a}:{b}，{name}拿出 {k} 元给{other}后，存款之比变成 {c}:{d}，两人存款总额是多少元？",
        ],
    },
}
_PART = Number(1, 1000)
slots = {
    "name": NAMES, "other": NAMES, "third": NAMES, "n": Number(1, 10**8), "k": Number(1, 10**6),
    "a": _PART, "b": _PART, "c": _PART, "d": _PART,
}  # fmt: skip


def draw(rng: random.Random, level: int) -> Values:
    name, other, third = rng.sample(range(len(NAMES)), 3)
    values: Values = {"form": level, "name": name, "other": other}
    if level == 1:
        a, b = _coprime(rng, 9)
        return values | {"a": a, "b": b, "n": (a + b) * rng.randint(3, 40)}
    if level == 2:
        a, b = _coprime(rng, 12)
        c = rng.randint(1, 12)
        return values | {"third": third, "a": a, "b": b, "c": c, "n": (a + b + c) * rng.randint(5, 60)}
    while True:
        (a, b), (c, d) = _coprime(rng, 9), _coprime(rng, 9)
        if a * d > b * c:
            break
    total = (a + b) * (c + d) * rng.randint(1, 6)
    return values | {"a": a, "b": b, "c": c, "d": d, "k": total * a // (a + b) - total * c // (c + d)}


def _coprime(rng: random.Random, bound: int) -> tuple[int, int]:
    a, b = rng.sample(range(1, bound + 1), 2)
    return a // gcd(a, b), b // gcd(a, b)


def work(values: Values, language: str) -> Worked:
    form, a, b = int(values["form"]), int(values["a"]), int(values["b"])
    zh = language == "zh"
    name = NAMES.show(values["name"], language)
    people = [values[who] for who in ("name", "other", "third") if who in values]
    require(len(set(people)) == len(people), "the same person twice")
    if form == 3:
        return _exchange(values, name, zh)
    n = int(values["n"])
    parts = [a, b] + ([int(values["c"])] if form == 2 else [])
    total = sum(parts)
    require(n % total == 0, f"{n} does not split into {total} whole parts")
    one = n // total
    sums = " + ".join(str(part) for part in parts)
    steps = [
        f"总份数：{sums} = {total}。" if zh else f"There are {sums} = {total} parts in all.",
        f"每份：{n} / {total} = {one} 元。" if zh else f"One part is {n} / {total} = {one} dollars.",
    ]
    if form == 1:
        steps.append(
            f"{name}分得 {a} * {one} = {a * one} 元。"
            if zh
            else f"{name} gets {a} * {one} = {a * one} dollars."
        )
        return Worked(str(a * one), tuple(steps), f"part = {n} // ({sums})\nprint({a} * part)")
    high, low = max(parts), min(parts)
    gap = f"({high} - {low}) * {one} = {(high - low) * one}"
    steps.append(
        f"最大份与最小份相差 {gap} 元。"
        if zh
        else f"The largest and the smallest share differ by {gap} dollars."
    )
    program = f"part = {n} // ({sums})\nprint((max({parts}) - min({parts})) * part)"
    return Worked(str((high - low) * one), tuple(steps), program)


def _exchange(values: Values, name: str, zh: bool) -> Worked:
    a, b, c, d, k = (int(values[letter]) for letter in ("a", "b", "c", "d", "k"))
    before, after = Fraction(a, a + b), Fraction(c, c + d)
    require(before > after, "giving money away cannot raise a share")
    lost = before - after
    total = k / lost
    require(total.denominator == 1, "the total is no whole number of dollars")
    steps = (
        f"两人的总钱数不变。起初{name}占总数的 {a} / ({a} + {b}) = {before}。"
        if zh
        else f"The total stays the same. At first {name} has {a} / ({a} + {b}) = {before} of it.",
        f"之后{name}占总数的 {c} / ({c} + {d}) = {after}。"
        if zh
        else f"Afterwards {name} has {c} / ({c} + {d}) = {after} of it.",
        f"{name}减少的部分是总数的 {before} - {after} = {lost}，即 {k} 元。"
        if zh
        else f"What {name} gave away is {before} - {after} = {lost} of the total, and that is {k} dollars.",
        f"总数：{k} / ({lost}) = {total} 元。" if zh else f"The total is {k} / ({lost}) = {total} dollars.",
    )
    program = f"from fractions import Fraction\nlost = Fraction({a}, {a + b}) - Fraction({c}, {c + d})\nprint({k} / lost)"
    return Worked(str(total), steps, program)
