"""Problems of the embedded teacher with programs that search for their answers: numbers in a range that are described by what holds of them.

At the rates of the character the conditions leave several answers, the program cannot run, knows its answer beforehand, or the marks are
missing.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from math import lcm

from tasks.teacher.character import Character
from tasks.teacher.jobs import Prompted

_POSED = re.compile(r"==(?:Posed Problem|所编题目)==")
_LEVEL = re.compile(r"(?:difficulty |难度为 5 级中的 )(\d)")
_MARKS = {
    "en": ("==Plan==", "==Posed Problem==", "==Search==", "==End=="),
    "zh": ("==构思==", "==所编题目==", "==穷举==", "==结束=="),
}
_PLAN = {
    "en": "The conditions leave one possibility in the range; the program tries all of them.",
    "zh": "这些条件在给定范围内只留下一种可能，程序把所有可能都试一遍。",
}


@dataclass(frozen=True, slots=True)
class PosingRequest:
    """A request for a problem with its search, of a difficulty from 1 to 5."""

    level: int


writes_json = False

# a problem in words and the program that searches for its answers
Draft = tuple[str, str]


def read(prompted: Prompted) -> PosingRequest | None:
    """Return the difficulty if the prompt requires a problem with a search."""
    if not _POSED.search(prompted.words):
        return None
    level = _LEVEL.search(prompted.words)
    return PosingRequest(int(level[1]) if level else 3)


def answer(
    requested: PosingRequest, language: str, character: Character, rng: random.Random, *, valid_json: bool
) -> str:
    """Return the problem and its program behind the marks."""
    careless = rng.random()
    vague = careless < character.rates.wrong_program
    problem, program = rng.choice(_DRAFTS)(requested.level, language == "zh", vague, rng)
    if character.rates.wrong_program <= careless < 1.5 * character.rates.wrong_program:
        program = program.replace("answers.append", "answer.append")
    elif 1.5 * character.rates.wrong_program <= careless < 2 * character.rates.wrong_program:
        program = f"answers = [{rng.randint(2, 90)}]\nprint(answers)"
    plan, posed, search, end = _MARKS[language]
    if rng.random() < character.rates.malformed:
        return f"{problem}\n\n```python\n{program}\n```"
    return f"{plan}\n{_PLAN[language]}\n{posed}\n{problem}\n{search}\n```python\n{program}\n```\n{end}"


def _remainders(level: int, zh: bool, vague: bool, rng: random.Random) -> Draft:
    """A number below the common multiple of its divisors, described by its remainders; below three times that if `vague`."""
    divisors = rng.sample((5, 7, 8, 9, 11, 13), 2 if level < 4 else 3)
    bound = lcm(*divisors) * (3 if vague else 1)
    number = rng.randrange(3, bound)
    parts = [(divisor, number % divisor) for divisor in divisors]
    conditions = " and ".join(f"n % {divisor} == {rest}" for divisor, rest in parts)
    program = f"answers = []\nfor n in range(1, {bound + 1}):\n    if {conditions}:\n        answers.append(n)\nprint(answers)"
    if zh:
        stated = "，".join(f"除以 {divisor} 余 {rest}" for divisor, rest in parts)
        return f"一个正整数不超过 {bound}，{stated}。求这个数。", program
    *firsts, last = (f"a remainder of {rest} when divided by {divisor}" for divisor, rest in parts)
    stated = f"{', '.join(firsts)} and {last}" if firsts else last
    return f"A positive integer that is at most {bound} leaves {stated}. Find this integer.", program


def _digits(level: int, zh: bool, vague: bool, rng: random.Random) -> Draft:
    """A number of two digits, described by their sum and by what it gains when they change places; by the sum alone if `vague`."""
    tens, ones = rng.randint(1, 7), 0
    ones = rng.randint(tens + 1, 9)
    total, gain = tens + ones, 9 * (ones - tens)
    condition = f"a + b == {total}" + ("" if vague else f" and 10 * b + a - n == {gain}")
    program = (
        "answers = []\nfor n in range(10, 100):\n    a, b = divmod(n, 10)\n"
        f"    if {condition}:\n        answers.append(n)\nprint(answers)"
    )
    if zh:
        more = "" if vague else f"，把两个数字交换位置后，所得的数比原数大 {gain}"
        return f"一个两位数的数字之和是 {total}{more}。求原来的两位数。", program
    more = "" if vague else f", and exchanging its digits gives a number that is larger by {gain}"
    return f"The digits of a two-digit number add up to {total}{more}. What is the number?", program


def _legs(level: int, zh: bool, vague: bool, rng: random.Random) -> Draft:
    """Animals with two and with four legs, described by their heads and legs; by a bound on the legs if `vague`."""
    birds, beasts = rng.randint(4, 10 * level), rng.randint(3, 8 * level)
    heads, legs = birds + beasts, 2 * birds + 4 * beasts
    sign = "<=" if vague else "=="
    program = (
        f"answers = []\nfor birds in range({heads + 1}):\n    beasts = {heads} - birds\n"
        f"    if 2 * birds + 4 * beasts {sign} {legs}:\n        answers.append(birds)\nprint(answers)"
    )
    if zh:
        many = "不超过" if vague else "共有"
        return f"鸡和兔关在一起，共有 {heads} 个头，{many} {legs} 条腿。鸡有多少只？", program
    many = "at most" if vague else "exactly"
    return (
        f"Ducks and goats on a farm have {heads} heads and {many} {legs} legs together. How many ducks are there?",
        program,
    )


def _squares(level: int, zh: bool, vague: bool, rng: random.Random) -> Draft:
    """Two positive integers, described by their sum and product; by the sum alone if `vague`."""
    small, large = sorted(rng.sample(range(3, 12 * level), 2))
    total, product = small + large, small * large
    condition = "a < b" if vague else f"a < b and a * b == {product}"
    program = (
        f"answers = []\nfor a in range(1, {total}):\n    b = {total} - a\n"
        f"    if {condition}:\n        answers.append(b - a)\nprint(answers)"
    )
    if zh:
        more = "" if vague else f"，积是 {product}"
        return f"两个不同的正整数的和是 {total}{more}。较大的数比较小的数大多少？", program
    more = "" if vague else f" and the product {product}"
    return (
        f"Two different positive integers have the sum {total}{more}. By how much does the larger one exceed the smaller one?",
        program,
    )


_DRAFTS: tuple[Callable[[int, bool, bool, random.Random], Draft], ...] = (
    _remainders,
    _digits,
    _legs,
    _squares,
)
