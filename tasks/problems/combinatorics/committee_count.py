"""Choosing people for a group.

Level 1: from one kind. Level 2: given numbers of two kinds. Level 3: at least a given number of one
kind. There are over 2,000 questions in each phrasing at level 1.
"""

from __future__ import annotations

import random
from math import comb

from tasks.problems.machinery.family import Steps, Values, Worked
from tasks.problems.machinery.notation import require
from tasks.problems.machinery.slots import Number, Words

subdomain = "counting"
concepts = ("combinations", "rule of product", "rule of sum")
GROUPS = Words(
    en=("committee", "team", "delegation", "choir", "jury", "working group", "panel", "band"),
    zh=("委员会", "代表队", "代表团", "合唱组", "评审团", "工作小组", "专家组", "乐队"),
)
FIRST = Words(
    en=("women", "teachers", "doctors", "engineers", "juniors"),
    zh=("女士", "教师", "医生", "工程师", "低年级学生"),
)
SECOND = Words(
    en=("men", "parents", "nurses", "designers", "seniors"),
    zh=("男士", "家长", "护士", "设计师", "高年级学生"),
)
templates = {
    "en": {
        1: [
            "In how many ways can a {group} of {k} be chosen from {n} {first}?",
            "{n} {first} are candidates for a {group} with {k} members. How many different selections are possible?",
            "How many different groups of {k} can be formed out of {n} {first} to make up a {group}?",
        ],
        2: [
            "A {group} of {j} {first} and {k} {second} is to be chosen from {m} {first} and {n} {second}. In how many ways can this be done?",
            "From {m} {first} and {n} {second}, how many different choices are there for a {group} consisting of {j} {first} and {k} {second}?",
            "There are {m} {first} and {n} {second} to choose from. How many different ways are there to fill a {group} with {j} {first} and {k} {second}?",
        ],
        3: [
            "A {group} of {k} is to be chosen from {m} {first} and {n} {second}. In how many ways can this be done if at least {j} of the members are {first}?",
            "From {m} {first} and {n} {second}, how many different choices are there for a {group} of {k} people with at least {j} {first} in it?",
            "There are {m} {first} and {n} {second} to choose from. How many different ways are there to fill a {group} of {k} that includes {j} or more {first}?",
        ],
    },
    "zh": {
        1: [
            "从 {n} 名{first}中选出 {k} 人组成{group}，有多少种不同的选法？",
            "{group}需要 {k} 名成员，候选人是 {n} 名{first}，共有多少种选法？",
        ],
        2: [
            "从 {m} 名{first}和 {n} 名{second}中选出 {j} 名{first}和 {k} 名{second}组成{group}，有多少种不同的选法？",
            "{group}由 {j} 名{first}和 {k} 名{second}组成，现有 {m} 名{first}和 {n} 名{second}可供选择，共有多少种选法？",
        ],
        3: [
            "从 {m} 名{first}和 {n} 名{second}中选出 {k} 人组成{group}，其中至少有 {j} 名{first}，有多少种不同的选法？",
            "{group}由 {k} 人组成，要从 {m} 名{first}和 {n} 名{second}中选出，并且{first}不少于 {j} 名，共有多少种选法？",
        ],
    },
}
_PEOPLE = Number(1, 60)
slots = dict.fromkeys("jkmn", _PEOPLE) | {"group": GROUPS, "first": FIRST, "second": SECOND}


def draw(rng: random.Random, level: int) -> Values:
    kind = rng.randrange(len(FIRST))
    values: Values = {"form": level, "group": rng.randrange(len(GROUPS)), "first": kind}
    if level == 1:
        n = rng.randint(5, 16)
        return values | {"n": n, "k": rng.randint(2, min(n - 2, 6))}
    m, n = rng.randint(4, 11), rng.randint(4, 11)
    values |= {"second": kind, "m": m, "n": n}
    if level == 2:
        return values | {"j": rng.randint(2, min(m - 1, 4)), "k": rng.randint(2, min(n - 1, 4))}
    k = rng.randint(3, 6)
    return values | {"k": k, "j": rng.randint(max(1, k - 3), min(k - 1, m))}


def _chosen(n: int, k: int) -> str:
    """Return C(n, k) as plain arithmetic."""
    top = " * ".join(str(n - i) for i in range(k)) or "1"
    bottom = " * ".join(str(k - i) for i in range(k)) or "1"
    return f"({top}) / ({bottom}) = {comb(n, k)}"


def work(values: Values, language: str) -> Worked:
    form, n, k = int(values["form"]), int(values["n"]), int(values["k"])
    steps = Steps(language)
    head = "from math import comb\n"
    if form == 1:
        require(k <= min(n, 12), "more members than candidates, or too many")
        steps.say(
            f"The order does not matter, so the number is C({n}, {k}).",
            f"与顺序无关，选法数为组合数 C({n}, {k})。",
        )
        steps.say(f"C({n}, {k}) is {_chosen(n, k)}.", f"C({n}, {k})：{_chosen(n, k)}。")
        return Worked(str(comb(n, k)), steps.all(), f"{head}print(comb({n}, {k}))")
    m, j = int(values["m"]), int(values["j"])
    first, second = FIRST.show(values["first"], language), SECOND.show(values["second"], language)
    require(max(j, k) <= 12, "too many members")
    if form == 2:
        require(j <= m and k <= n, "more members than candidates")
        steps.say(
            f"Choices of {first}: C({m}, {j}) is {_chosen(m, j)}.",
            f"选{first}：C({m}, {j})：{_chosen(m, j)}。",
        )
        steps.say(
            f"Choices of {second}: C({n}, {k}) is {_chosen(n, k)}.",
            f"选{second}：C({n}, {k})：{_chosen(n, k)}。",
        )
        total = comb(m, j) * comb(n, k)
        line = f"{comb(m, j)} * {comb(n, k)} = {total}"
        steps.say(f"Every choice goes with every other: {line}.", f"由乘法原理：{line}。")
        return Worked(str(total), steps.all(), f"{head}print(comb({m}, {j}) * comb({n}, {k}))")
    cases = [i for i in range(j, min(k, m) + 1) if k - i <= n]
    require(0 < len(cases) <= 6, "no such group, or too many cases")
    counts = []
    for i in cases:
        counts.append(comb(m, i) * comb(n, k - i))
        product = f"{comb(m, i)} * {comb(n, k - i)} = {counts[-1]}"
        ways = f"C({m}, {i}) * C({n}, {k - i})"
        steps.say(
            f"With exactly {i} {first}: {ways}, that is {product}.",
            f"恰有 {i} 名{first}：{ways}，即 {product}。",
        )
    summed = " + ".join(map(str, counts))
    steps.say(f"Altogether: {summed} = {sum(counts)}.", f"合计：{summed} = {sum(counts)}。")
    program = f"{head}print(sum(comb({m}, i) * comb({n}, {k} - i) for i in range({j}, {k} + 1)))"
    return Worked(str(sum(counts)), steps.all(), program)
