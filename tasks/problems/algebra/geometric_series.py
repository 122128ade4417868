"""Geometric sequences and their sums.

Level 1: a later term from the first ones. Level 2: the sum of the first terms, integer or fractional
ratio. Level 3: the infinite sum from two terms. There are about 3,000 questions at level 1.
"""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import pairwise

from tasks.problems.machinery.family import Steps, Values, Worked
from tasks.problems.machinery.notation import exact_root, fraction, plain, require
from tasks.problems.machinery.slots import Number, Numbers, join, split

subdomain = "sequences and series"
concepts = ("geometric sequences", "geometric series", "infinite series")
templates = {
    "en": {
        1: [
            "What is term number {n} of the geometric sequence ${list}, \\ldots$?",
            "A geometric sequence begins ${list}, \\ldots$. Find its term number {n}.",
            "In the geometric sequence ${list}, \\ldots$, find $a_{{{n}}}$, where $a_1$ is the first term.",
        ],
        2: [
            "Find the sum of the first {n} terms of the geometric sequence that begins ${list}, \\ldots$",
            "A geometric sequence begins ${list}, \\ldots$. What is the sum of its first {n} terms?",
            "What do the first {n} terms of the geometric sequence ${list}, \\ldots$ add up to?",
        ],
        3: [
            "A geometric series with positive ratio has second term {u} and fourth term {v}. What is its infinite sum?",
            "In a geometric sequence with positive common ratio, $a_2 = {u}$ and $a_4 = {v}$. Find $a_1 + a_2 + a_3 + \\cdots$",
            "The second and the fourth term of a geometric sequence with positive ratio are {u} and {v}. Find the sum of all its infinitely many terms.",
        ],
    },
    "zh": {
        1: [
            "等比数列 ${list}, \\ldots$ 的第 {n} 项是多少？",
            "已知等比数列 ${list}, \\ldots$，求它的第 {n} 项。",
        ],
        2: [
            "求等比数列 ${list}, \\ldots$ 的前 {n} 项之和。",
            "等比数列的前几项为 ${list}, \\ldots$，它的前 {n} 项和是多少？",
        ],
        3: [
            "一个公比为正数的等比数列，第二项是 {u}，第四项是 {v}，求它所有项的和。",
            "公比为正的无穷等比数列中，$a_2 = {u}$，$a_4 = {v}$，求 $a_1 + a_2 + a_3 + \\cdots$ 的值。",
        ],
    },
}
slots = {"list": Numbers(3, 6), "n": Number(1, 40), "u": Number(1, 10**6), "v": Number(1, 10**6)}


def draw(rng: random.Random, level: int) -> Values:
    if level == 1:
        a, r = rng.randint(1, 25), rng.choice((-5, -4, -3, -2, 2, 3, 4, 5))
        return {
            "form": 1,
            "list": join([a * r**i for i in range(rng.choice((3, 4)))]),
            "n": rng.randint(5, 9),
        }
    if level == 2:
        top, bottom = rng.choice(
            ((1, 2), (1, 3), (2, 3), (3, 2), (3, 4), (4, 3), (1, 4), (5, 2), (2, 1), (3, 1))
        )
        a, top = rng.randint(1, 25) * bottom**2, rng.choice((-top, top))
        return {
            "form": 2,
            "list": join([a, a * top // bottom, a * top**2 // bottom**2]),
            "n": rng.randint(4, 7),
        }
    bottom = rng.randint(2, 9)
    top = rng.randint(1, bottom - 1)
    u = rng.randint(1, 30) * bottom**2
    return {"form": 3, "u": u, "v": u * top * top // bottom**2}


def work(values: Values, language: str) -> Worked:
    steps = Steps(language)
    head = "from fractions import Fraction\n"
    if values["form"] == 3:
        return _infinite(int(values["u"]), int(values["v"]), steps)
    terms, n = split(values["list"]), int(values["n"])
    require(all(terms), "a term that is zero")
    a, r = terms[0], Fraction(terms[1], terms[0])
    require(all(x * r == y for x, y in pairwise(terms)), "not geometric")
    require(max(abs(r.numerator), r.denominator) <= 1000, "a ratio with large numbers")
    line = f"{terms[1]} / {plain(a)} = {r}"
    steps.say(f"The common ratio is {line}.", f"公比：{line}。")
    if values["form"] == 1:
        power, last = r ** (n - 1), a * r ** (n - 1)
        line = f"{plain(r)}^{n - 1} = {power}"
        steps.say(
            f"Term number {n} has {n - 1} factors of it: {line}.", f"第 {n} 项含 {n - 1} 个公比：{line}。"
        )
        line = f"{a} * {plain(power)} = {last}"
        steps.say(f"Term number {n} is {line}.", f"第 {n} 项：{line}。")
        return Worked(fraction(last), steps.all(), f"{head}print({a} * Fraction('{r}')**{n - 1})")
    program = f"{head}print(sum({a} * Fraction('{r}')**i for i in range({n})))"
    if r == 1:
        line = f"{n} * {plain(a)} = {n * a}"
        steps.say(f"All terms are equal, so the sum is {line}.", f"各项相等，和为 {line}。")
        return Worked(str(n * a), steps.all(), program)
    power = r**n
    total = a * (1 - power) / (1 - r)
    line = f"{plain(r)}^{n} = {power}"
    steps.say(f"For the sum formula: {line}.", f"求和公式中：{line}。")
    line = f"{a} * (1 - {plain(power)}) / (1 - {plain(r)}) = {total}"
    steps.say(f"The sum is {line}.", f"前 {n} 项之和：{line}。")
    return Worked(fraction(total), steps.all(), program)


def _infinite(u: int, v: int, steps: Steps) -> Worked:
    require(v < u, "the series does not converge")
    square = Fraction(v, u)
    r = Fraction(exact_root(square.numerator), exact_root(square.denominator))
    a = u / r
    total = a / (1 - r)
    line = f"{v} / {u} = {square}"
    steps.say(
        f"Two steps multiply by {line}, the square of the ratio.", f"第四项与第二项之比是公比的平方：{line}。"
    )
    line = f"{plain(r)}^2 = {square}"
    steps.say(f"The positive ratio is {r}, as {line}.", f"公比为正，等于 {r}，因为 {line}。")
    line = f"{u} / {plain(r)} = {a}"
    steps.say(f"The first term is {line}.", f"首项：{line}。")
    line = f"{plain(a)} / (1 - {plain(r)}) = {total}"
    steps.say(f"The infinite sum is {line}.", f"所有项的和：{line}。")
    program = f"from sympy import Rational, sqrt\nr = sqrt(Rational({v}, {u}))\nprint({u} / r / (1 - r))"
    return Worked(fraction(total), steps.all(), program)
