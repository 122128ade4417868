"""Repeated independent trials.

Level 1: success every time. Level 2: at least one success. Level 3: exactly k successes. There are over
3,000 questions in each phrasing at level 1.
"""

from __future__ import annotations

import random
from fractions import Fraction
from math import comb

from tasks.problems.machinery.family import Steps, Values, Worked
from tasks.problems.machinery.notation import fraction, plain, require
from tasks.problems.machinery.slots import Fractional, Number
from tasks.problems.machinery.words import NAMES

subdomain = "probability"
concepts = ("independent events", "complementary events", "binomial distribution")
templates = {
    "en": {
        1: [
            "{name} hits a target with probability ${p}$ on each shot, independently. What is the probability that all {n} shots hit?",
            "Each of {n} independent shots by {name} hits with probability ${p}$. Find the probability that none of them misses.",
            "A shot by {name} hits with probability ${p}$, and shots are independent. How likely are {n} hits in {n} shots?",
        ],
        2: [
            "{name} hits a target with probability ${p}$ on each shot, independently. What is the probability of at least one hit in {n} shots?",
            "Each of {n} independent shots by {name} hits with probability ${p}$. Find the probability that not all of them miss.",
            "A shot by {name} hits with probability ${p}$, and shots are independent. How likely is it that {n} shots bring one hit or more?",
        ],
        3: [
            "{name} hits a target with probability ${p}$ on each shot, independently. What is the probability of exactly {k} hits in {n} shots?",
            "Each of {n} independent shots by {name} hits with probability ${p}$. Find the probability that exactly {k} of them hit.",
            "A shot by {name} hits with probability ${p}$, and shots are independent. How likely is it that {n} shots bring exactly {k} hits?",
        ],
    },
    "zh": {
        1: [
            "{name}每次射击命中目标的概率是 ${p}$，各次射击相互独立，连续射击 {n} 次全部命中的概率是多少？",
            "{name}独立地射击 {n} 次，每次命中的概率都是 ${p}$，求没有一次脱靶的概率。",
        ],
        2: [
            "{name}每次射击命中目标的概率是 ${p}$，各次射击相互独立，射击 {n} 次至少命中一次的概率是多少？",
            "{name}独立地射击 {n} 次，每次命中的概率都是 ${p}$，求不全脱靶的概率。",
        ],
        3: [
            "{name}每次射击命中目标的概率是 ${p}$，各次射击相互独立，射击 {n} 次恰好命中 {k} 次的概率是多少？",
            "{name}独立地射击 {n} 次，每次命中的概率都是 ${p}$，求恰有 {k} 次命中的概率。",
        ],
    },
}
slots = {"name": NAMES, "p": Fractional(1000), "n": Number(2, 12), "k": Number(2, 12)}


def draw(rng: random.Random, level: int) -> Values:
    bottom = rng.randint(2, 10 if level == 1 else 7)
    p = Fraction(rng.randint(1, bottom - 1), bottom)
    n = rng.randint(2, 4) if level < 3 else rng.randint(3, 6)
    text = f"{p.numerator}/{p.denominator}"
    values: Values = {"form": level, "name": rng.randrange(len(NAMES)), "p": text, "n": n}
    return values | {"k": rng.randint(2, n - 1)} if level == 3 else values


def work(values: Values, language: str) -> Worked:
    form, n = int(values["form"]), int(values["n"])
    p = Fraction(str(values["p"]))
    require(0 < p < 1, "not a probability between 0 and 1")
    steps = Steps(language)
    head = "from fractions import Fraction\n"
    python = f"Fraction({p.numerator}, {p.denominator})"
    if form == 1:
        steps.say(f"Independent events: multiply the probability {n} times.", f"各次独立，概率相乘 {n} 次。")
        line = f"{plain(p)}^{n} = {p**n}"
        steps.say(f"All shots hit with probability {line}.", f"全部命中的概率：{line}。")
        return Worked(fraction(p**n), steps.all(), f"{head}print({python}**{n})")
    q = 1 - p
    line = f"1 - {p} = {q}"
    steps.say(f"A shot misses with probability {line}.", f"一次脱靶的概率：{line}。")
    if form == 2:
        line = f"{plain(q)}^{n} = {q**n}"
        steps.say(f"All {n} shots miss with probability {line}.", f"{n} 次全部脱靶的概率：{line}。")
        line = f"1 - {q**n} = {1 - q**n}"
        steps.say(f"At least one hit: {line}.", f"至少命中一次：{line}。")
        return Worked(fraction(1 - q**n), steps.all(), f"{head}print(1 - (1 - {python})**{n})")
    k = int(values["k"])
    require(k <= n, "more hits than shots")
    ways = comb(n, k)
    steps.say(
        f"There are C({n}, {k}) ways to place the hits; that is {ways}.",
        f"命中位置的选法有 C({n}, {k}) 种，即 {ways} 种。",
    )
    result = ways * p**k * q ** (n - k)
    line = f"{ways} * {plain(p)}^{k} * {plain(q)}^{n - k} = {result}"
    steps.say(f"The probability is {line}.", f"概率：{line}。")
    program = f"{head}from math import comb\np = {python}\nprint(comb({n}, {k}) * p**{k} * (1 - p)**{n - k})"
    return Worked(fraction(result), steps.all(), program)
