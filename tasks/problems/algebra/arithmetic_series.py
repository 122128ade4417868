"""Arithmetic sequences and their sums.

Level 1: a later term from the first ones. Level 2: the sum from first term and difference. Level 3: two
terms are given, a sum is asked. There are over 10,000 questions at level 1.
"""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import pairwise

from tasks.problems.machinery.family import Values, Worked, nonzero
from tasks.problems.machinery.notation import fraction, plain, require
from tasks.problems.machinery.slots import Number, Numbers, join, split

subdomain = "sequences and series"
concepts = ("arithmetic sequences", "sums of arithmetic sequences")
templates = {
    "en": {
        1: [
            "What is term number {n} of the arithmetic sequence ${list}, \\ldots$?",
            "An arithmetic sequence begins ${list}, \\ldots$. Find its term number {n}.",
            "In the arithmetic sequence ${list}, \\ldots$, find $a_{{{n}}}$, where $a_1$ is the first term.",
        ],
        2: [
            "An arithmetic sequence has first term {a} and common difference {d}. Find the sum of its first {n} terms.",
            "What is the sum of the first {n} terms of the arithmetic sequence with $a_1 = {a}$ and common difference $d = {d}$?",
            "The first of {n} numbers is {a}, and each further one is obtained by adding {d} to the one before. What is their sum?",
        ],
        3: [
            "In an arithmetic sequence, $a_{{{p}}} = {u}$ and $a_{{{q}}} = {v}$. Find the sum of the first {n} terms.",
            "An arithmetic sequence $a_1, a_2, \\ldots$ satisfies $a_{{{p}}} = {u}$ and $a_{{{q}}} = {v}$. What is $a_1 + a_2 + \\cdots + a_{{{n}}}$?",
            "Term number {p} of an arithmetic sequence is {u} and term number {q} is {v}. What do its first {n} terms add up to?",
        ],
    },
    "zh": {
        1: [
            "等差数列 ${list}, \\ldots$ 的第 {n} 项是多少？",
            "已知等差数列 ${list}, \\ldots$，求它的第 {n} 项。",
        ],
        2: [
            "等差数列的首项是 {a}，公差是 {d}，求前 {n} 项的和。",
            "已知等差数列 $\\{{a_n\\}}$ 中，$a_1 = {a}$，公差 $d = {d}$，求 $S_{{{n}}}$。",
        ],
        3: [
            "等差数列 $\\{{a_n\\}}$ 中，$a_{{{p}}} = {u}$，$a_{{{q}}} = {v}$，求前 {n} 项的和。",
            "一个等差数列的第 {p} 项是 {u}，第 {q} 项是 {v}，它的前 {n} 项之和是多少？",
        ],
    },
}
_PLACE = Number(1, 10**5)
slots = {"list": Numbers(3, 6), "n": _PLACE, "p": _PLACE, "q": _PLACE}


def draw(rng: random.Random, level: int) -> Values:
    a, d = rng.randint(-20, 40), nonzero(rng, 12)
    if level == 1:
        return {
            "form": 1,
            "list": join([a + d * i for i in range(rng.choice((3, 4)))]),
            "n": rng.randint(8, 40),
        }
    if level == 2:
        return {"form": 2, "a": a, "d": d, "n": rng.randint(8, 60)}
    p, q = sorted(rng.sample(range(2, 21), 2))
    u, v = a + d * (p - 1), a + d * (q - 1)
    return {"form": 3, "p": p, "q": q, "u": u, "v": v, "n": rng.randint(8, 60)}


def work(values: Values, language: str) -> Worked:
    form, n = int(values["form"]), int(values["n"])
    zh = language == "zh"
    steps = []
    if form == 1:
        terms = split(values["list"])
        a, d = Fraction(terms[0]), Fraction(terms[1] - terms[0])
        require(all(y - x == d for x, y in pairwise(terms)), "not arithmetic")
        line = f"{terms[1]} - {plain(terms[0])} = {d}"
        steps.append(f"公差：{line}。" if zh else f"The common difference is {line}.")
    elif form == 2:
        a, d = Fraction(int(values["a"])), Fraction(int(values["d"]))
    else:
        p, q, u, v = (int(values[name]) for name in "pquv")
        require(p < q, "places out of order")
        d = Fraction(v - u, q - p)
        a = u - (p - 1) * d
        line = f"({v} - {plain(u)}) / ({q} - {p}) = {d}"
        steps.append(f"公差：{line}。" if zh else f"The common difference is {line}.")
        line = f"{u} - ({p} - 1) * {plain(d)} = {a}"
        steps.append(f"首项：{line}。" if zh else f"The first term is {line}.")
    last = a + (n - 1) * d
    line = f"{a} + ({n} - 1) * {plain(d)} = {last}"
    steps.append(f"第 {n} 项：{line}。" if zh else f"Term number {n} is {line}.")
    head = f"from fractions import Fraction\na, d = Fraction('{a}'), Fraction('{d}')\n"
    if form == 1:
        return Worked(fraction(last), tuple(steps), f"{head}print(a + ({n} - 1) * d)")
    total = n * (a + last) / 2
    line = f"{n} * ({a} + {plain(last)}) / 2 = {total}"
    steps.append(f"前 {n} 项的和：{line}。" if zh else f"The sum of the first {n} terms is {line}.")
    return Worked(fraction(total), tuple(steps), f"{head}print(sum(a + i * d for i in range({n})))")
