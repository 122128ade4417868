"""Arrangements of letters with repetitions.

Level 1: all arrangements. Level 2: those with all copies of one letter together. Level 3: those without
two neighbouring copies of one letter. There are over 10,000 questions at level 1.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from math import comb, factorial

from tasks.problems.machinery.family import Steps, Values, Worked
from tasks.problems.machinery.notation import require

subdomain = "counting"
concepts = ("permutations with repetition", "treating a block as one", "filling gaps")
templates = {
    "en": {
        1: [
            "How many different arrangements of the letters {word} are there?",
            "In how many distinct orders can all the letters {word} be written in a row?",
            "Find the number of different strings that use each of the letters {word} exactly once.",
        ],
        2: [
            "How many different arrangements of the letters {word} have all the letters {letter} next to each other?",
            "In how many distinct orders can all the letters {word} be written in a row so that the {letter}'s form one block?",
            "Find the number of different strings that use each of the letters {word} exactly once and keep all the {letter}'s together.",
        ],
        3: [
            "How many different arrangements of the letters {word} have no two letters {letter} next to each other?",
            "In how many distinct orders can all the letters {word} be written in a row so that no two {letter}'s are adjacent?",
            "Find the number of different strings that use each of the letters {word} exactly once and in which the {letter}'s are never neighbours.",
        ],
    },
    "zh": {
        1: [
            "字母 {word} 全部排成一行，有多少种不同的排法？",
            "把字母 {word} 每个恰好用一次，可以组成多少个不同的字符串？",
        ],
        2: [
            "字母 {word} 全部排成一行，并且所有的 {letter} 都相邻，有多少种不同的排法？",
            "把字母 {word} 每个恰好用一次，要求所有的 {letter} 连在一起，可以组成多少个不同的字符串？",
        ],
        3: [
            "字母 {word} 全部排成一行，任意两个 {letter} 都不相邻，有多少种不同的排法？",
            "把字母 {word} 每个恰好用一次，要求 {letter} 两两不相邻，可以组成多少个不同的字符串？",
        ],
    },
}


@dataclass(frozen=True)
class Letters:
    """Capital letters in a row, such as `A, A, B, C`, or a single one."""

    least: int
    most: int

    def pattern(self, language: str) -> str:
        return f"[A-Z](?:,[A-Z]){{{self.least - 1},{self.most - 1}}}"

    def show(self, value: int | str, language: str) -> str:
        return str(value)

    def parse(self, text: str, language: str) -> int | str:
        return ", ".join(text.split(","))


slots = {"word": Letters(4, 12), "letter": Letters(1, 1)}
_ALPHABET = "ABCDEFGHKLMNPRST"


def draw(rng: random.Random, level: int) -> Values:
    size = rng.randint(5, 7) if level == 1 else rng.randint(6, 8)
    copies = rng.randint(2, 3)
    special, *others = rng.sample(_ALPHABET, size - copies + 1)
    if rng.random() < 0.5:
        others[0] = others[1]
    word = [special] * copies + others
    rng.shuffle(word)
    values: Values = {"form": level, "word": ", ".join(word)}
    return values if level == 1 else values | {"letter": special}


def _arranged(letters: Counter[str]) -> tuple[str, int]:
    """Return the number of arrangements of a multiset, as plain arithmetic and as a number."""
    size = letters.total()
    value, repeats = factorial(size), [count for count in letters.values() if count > 1]
    text = f"{size}! = {value}"
    for count in repeats:
        value //= factorial(count)
    if not repeats:
        return text, value
    below = " * ".join(str(factorial(count)) for count in repeats)
    return f"{text}; {factorial(size)} / ({below}) = {value}", value


def work(values: Values, language: str) -> Worked:
    form = int(values["form"])
    word = str(values["word"]).split(", ")
    letters = Counter(word)
    steps = Steps(language)
    require(len(word) <= 9, "too many letters to list")
    if form == 1:
        text, value = _arranged(letters)
        counted = ", ".join(f"{letter}: {count}" for letter, count in sorted(letters.items()))
        steps.say(f"Count the letters: {counted}.", f"各字母的个数：{counted}。")
        steps.say(
            f"Divide by the orders of equal letters: {text}.",
            f"除以相同字母的排列数：{text}。".replace("; ", "；"),
        )
        return Worked(
            str(value),
            steps.all(),
            f"from sympy.utilities.iterables import multiset_permutations\nprint(sum(1 for _ in multiset_permutations({sorted(word)})))",
        )
    special = str(values["letter"])
    copies = letters.pop(special, 0)
    require(copies >= 2, f"fewer than two letters {special}")
    rest = letters.total()
    if form == 2:
        letters["block"] = 1
        text, value = _arranged(letters)
        steps.say(
            f"Treat the {copies} letters {special} as one block; there are {rest} + 1 = {rest + 1} things to arrange.",
            f"把 {copies} 个 {special} 看成一个整体，共有 {rest} + 1 = {rest + 1} 个对象排列。",
        )
        steps.say(
            f"Divide by the orders of equal letters: {text}.",
            f"除以相同字母的排列数：{text}。".replace("; ", "；"),
        )
        test = f"{special * copies!r} in ''.join(w)"
    else:
        require(rest + 1 >= copies, "too few gaps")
        text, others = _arranged(letters)
        steps.say(
            f"Arrange the other {rest} letters: {text}.",
            f"先排其余 {rest} 个字母：{text}。".replace("; ", "；"),
        )
        value = others * comb(rest + 1, copies)
        steps.say(
            f"There are {rest} + 1 = {rest + 1} gaps; choosing {copies} of them gives C({rest + 1}, {copies}), which is {comb(rest + 1, copies)}.",
            f"有 {rest} + 1 = {rest + 1} 个空位，选 {copies} 个放 {special}，C({rest + 1}, {copies}) 等于 {comb(rest + 1, copies)}。",
        )
        steps.say(
            f"Together: {others} * {comb(rest + 1, copies)} = {value}.",
            f"共有 {others} * {comb(rest + 1, copies)} = {value} 种。",
        )
        test = f"{special * 2!r} not in ''.join(w)"
    program = (
        "from sympy.utilities.iterables import multiset_permutations\n"
        f"print(sum(1 for w in multiset_permutations({sorted(word)}) if {test}))"
    )
    return Worked(str(value), steps.all(), program)
