"""Means.

Level 1: the mean of a list. Level 2: a missing number from the mean. Level 3: the mean after one value
of a group is corrected and another group joins. There are over 100,000 questions at level 1.
"""

from __future__ import annotations

import random
from fractions import Fraction

from tasks.problems.machinery.family import Steps, Values, Worked
from tasks.problems.machinery.notation import fraction, plain, require
from tasks.problems.machinery.slots import Number, Numbers, join, split

subdomain = "descriptive statistics"
concepts = ("arithmetic mean", "weighted mean")
templates = {
    "en": {
        1: [
            "Find the mean of the numbers {list}.",
            "A pupil's test scores are {list}. What is the average score?",
            "What is the arithmetic mean of {list}?",
        ],
        2: [
            "The mean of the numbers {list} and $x$ is {m}. Find $x$.",
            "A pupil's test scores so far are {list}. Which score in the next test brings the average of all tests to exactly {m}?",
            "When one more number is added to the list {list}, the average becomes {m}. What is the added number?",
        ],
        3: [
            "The mean score of {n} pupils was given as {m}, but one score had been entered as {w} instead of {r}. After the correction, another class of {k} pupils with a mean of {v} is added. What is the mean score of all pupils?",
            "A list of {n} values was said to have mean {m}; one value was wrongly taken as {w} when it should have been {r}. The corrected list is merged with {k} further values whose mean is {v}. Find the mean of the merged list.",
            "{n} measurements have the mean {m}, if a reading of {r} is mistaken for {w}. With the right reading, and with {k} more measurements of mean {v}, what is the mean of all measurements?",
        ],
    },
    "zh": {
        1: ["求下列各数的平均数：{list}。", "一名学生的几次测验成绩是 {list}，平均成绩是多少？"],
        2: [
            "{list} 和 $x$ 的平均数是 {m}，求 $x$。",
            "一名学生前几次测验的成绩是 {list}，下一次考多少分才能使所有测验的平均分恰好为 {m}？",
        ],
        3: [
            "{n} 名学生的平均分原来算得 {m} 分，后来发现有一个 {r} 分的成绩被误记为 {w} 分。改正后又并入另一个班的 {k} 名学生，他们的平均分是 {v} 分。全体学生的平均分是多少？",
            "一组 {n} 个数据的平均数被算成 {m}，原因是把其中的 {r} 误写成 {w}。改正后再与另外 {k} 个平均数为 {v} 的数据合并，求合并后的平均数。",
        ],
    },
}
_COUNT, _SCORE = Number(1, 10**5), Number(-(10**5), 10**5)
slots = {
    "list": Numbers(3, 10), "n": _COUNT, "k": _COUNT, "m": _SCORE, "w": _SCORE, "r": _SCORE, "v": _SCORE,
}  # fmt: skip


def draw(rng: random.Random, level: int) -> Values:
    size = rng.randint(4, 5) if level == 1 else rng.randint(4, 7)
    scores = [rng.randint(50, 100) for _ in range(size)]
    if level == 1:
        return {"form": 1, "list": join(scores)}
    if level == 2:
        return {"form": 2, "list": join(scores), "m": (sum(scores) + rng.randint(55, 100)) // (size + 1)}
    w, r = rng.sample(range(40, 100), 2)
    return {
        "form": 3,
        "n": rng.randint(10, 40),
        "m": rng.randint(60, 90),
        "w": w,
        "r": r,
        "k": rng.randint(5, 40),
        "v": rng.randint(60, 90),
    }


def work(values: Values, language: str) -> Worked:
    form = int(values["form"])
    steps = Steps(language)
    head = "from fractions import Fraction\n"
    if form < 3:
        numbers = split(values["list"])
        total, size = sum(numbers), len(numbers)
        line = " + ".join(plain(number) for number in numbers) + f" = {total}"
        steps.say(f"The sum is {line}.", f"总和：{line}。")
        if form == 1:
            line = f"{total} / {size} = {Fraction(total, size)}"
            steps.say(f"Divide by the {size} numbers: {line}.", f"除以个数 {size}：{line}。")
            return Worked(
                fraction(Fraction(total, size)), steps.all(), f"{head}print(Fraction(sum({numbers}), {size}))"
            )
        m = int(values["m"])
        line = f"{size + 1} * {plain(m)} = {(size + 1) * m}"
        steps.say(
            f"With the mean {m}, all {size + 1} numbers add up to {line}.",
            f"平均数为 {m} 时，{size + 1} 个数的总和：{line}。",
        )
        line = f"{(size + 1) * m} - {plain(total)} = {(size + 1) * m - total}"
        steps.say(f"The missing number is {line}.", f"所求的数：{line}。")
        return Worked(
            str((size + 1) * m - total), steps.all(), f"print({size + 1} * {plain(m)} - sum({numbers}))"
        )
    n, m, w, r, k, v = (int(values[name]) for name in "nmwrkv")
    require(w != r, "nothing to correct")
    first = n * m - w + r
    line = f"{n} * {plain(m)} - {plain(w)} + {plain(r)} = {first}"
    steps.say(f"The corrected sum is {line}.", f"改正后的总和：{line}。")
    line = f"{k} * {plain(v)} = {k * v}"
    steps.say(f"The others add up to {line}.", f"另一组的总和：{line}。")
    mean = Fraction(first + k * v, n + k)
    line = f"({first} + {plain(k * v)}) / ({n} + {k}) = {mean}"
    steps.say(f"The mean of all is {line}.", f"全体的平均数：{line}。")
    program = f"{head}total = {n} * {plain(m)} - {plain(w)} + {plain(r)} + {k} * {plain(v)}\nprint(Fraction(total, {n} + {k}))"
    return Worked(fraction(mean), steps.all(), program)
