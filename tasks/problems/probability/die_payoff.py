"""Expected values of an unusual die.

Level 1: one roll. Level 2: the product of two rolls. Level 3: one roll that may be repeated once when
it is low. There are over 10,000 questions at level 1.
"""

from __future__ import annotations

import random
from fractions import Fraction

from tasks.problems.machinery.family import Steps, Values, Worked
from tasks.problems.machinery.notation import fraction, plain, require
from tasks.problems.machinery.slots import Number, Numbers, join, split

subdomain = "expected value"
concepts = ("expected value", "independence", "conditional expectation")
_DIE_EN, _DIE_ZH = (
    "A fair six-sided die has the numbers {faces} on its faces",
    "一枚均匀的六面骰子，各面上的数为 {faces}",
)
templates = {
    "en": {
        1: [
            f"{_DIE_EN}. What is the expected value of one roll?",
            f"{_DIE_EN}. Find the mean of the number rolled.",
            f"{_DIE_EN}. Which number does it show on average?",
        ],
        2: [
            f"{_DIE_EN}. It is rolled twice. What is the expected product of the two numbers?",
            f"{_DIE_EN}. Find the expected value of the product of two independent rolls.",
            f"{_DIE_EN}. Two rolls are made and their results multiplied. What is the product on average?",
        ],
        3: [
            f"{_DIE_EN}. You roll once; if the result is less than {{t}}, you must roll a second time and take the new result. What is the expected final result?",
            f"{_DIE_EN}. A first roll below {{t}} is discarded and replaced by a second roll, which then counts. Find the expected value of the number that counts.",
            f"{_DIE_EN}. A player keeps the first roll if it is at least {{t}} and otherwise keeps the second roll. What number does the player keep on average?",
        ],
    },
    "zh": {
        1: [f"{_DIE_ZH}，掷一次所得数的期望是多少？", f"{_DIE_ZH}，求掷出的数的数学期望。"],
        2: [
            f"{_DIE_ZH}，连掷两次，两次所得数之积的期望是多少？",
            f"{_DIE_ZH}，求独立掷两次所得数的乘积的数学期望。",
        ],
        3: [
            f"{_DIE_ZH}。先掷一次，如果结果小于 {{t}}，必须重掷一次并以新结果为准，最终结果的期望是多少？",
            f"{_DIE_ZH}。第一次掷出的数不小于 {{t}} 就保留，否则改用第二次掷出的数，求最终所得数的数学期望。",
        ],
    },
}
slots = {"faces": Numbers(6, 6, 1000), "t": Number(-1000, 1000)}
_FACES = 6


def draw(rng: random.Random, level: int) -> Values:
    faces = sorted(rng.randint(0, 15) for _ in range(_FACES))
    values: Values = {"form": level, "faces": join(faces)}
    if level < 3:
        return values
    distinct = sorted(set(faces))
    return values | {"t": rng.choice(distinct[1:])} if len(distinct) > 2 else draw(rng, level)


def work(values: Values, language: str) -> Worked:
    form, faces = int(values["form"]), split(values["faces"])
    steps = Steps(language)
    head = "from fractions import Fraction\n"
    total = sum(faces)
    mean = Fraction(total, _FACES)
    line = " + ".join(plain(face) for face in faces) + f" = {total}"
    steps.say(f"The sum of the faces is {line}.", f"各面之和：{line}。")
    line = f"{total} / 6 = {mean}"
    steps.say(f"The expected value of one roll is {line}.", f"掷一次的期望：{line}。")
    if form == 1:
        return Worked(fraction(mean), steps.all(), f"{head}print(Fraction(sum({faces}), 6))")
    if form == 2:
        line = f"{plain(mean)} * {plain(mean)} = {mean**2}"
        steps.say(
            f"The rolls are independent, so the expectations multiply: {line}.",
            f"两次独立，期望相乘：{line}。",
        )
        return Worked(
            fraction(mean**2),
            steps.all(),
            f"{head}rolls = {faces}\nprint(Fraction(sum(a * b for a in rolls for b in rolls), 36))",
        )
    t = int(values["t"])
    kept = [face for face in faces if face >= t]
    require(0 < len(kept) < _FACES, "the rule for the second roll never, or always, applies")
    again = _FACES - len(kept)
    line = " + ".join(plain(face) for face in kept) + f" = {sum(kept)}"
    steps.say(
        f"The faces that are kept add up to {line}; the other {again} of 6 lead to a second roll.",
        f"保留的各面之和：{line}，其余 {again} 面需要重掷。",
    )
    result = Fraction(sum(kept), _FACES) + Fraction(again, _FACES) * mean
    line = f"{sum(kept)} / 6 + {again}/6 * {plain(mean)} = {result}"
    steps.say(f"The expected final result is {line}.", f"最终结果的期望：{line}。")
    program = f"{head}rolls = {faces}\nfinal = [a if a >= {t} else b for a in rolls for b in rolls]\nprint(Fraction(sum(final), 36))"
    return Worked(fraction(result), steps.all(), program)
