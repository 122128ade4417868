"""Different problems with similar texts are kept; duplicates are still dropped."""

from __future__ import annotations

import json

import numpy as np
import pytest

from storage.rows import Row, column, to_table
from tasks.dedup.contrast import different_problems
from tasks.dedup.lcs import novel
from tasks.dedup.settings import DedupSettings
from tasks.stages.dedup import dedup
from tasks.stages.semantic import semantic
from tasks.stages.similarity import similarity

DIFFERENT = [
    ("Find the maximum value of $x^2 - 4x + 7$ for real $x$ in the interval from 0 to 5.",
     "Find the minimum value of $x^2 - 4x + 7$ for real $x$ in the interval from 0 to 5."),
    ("How many integers from 1 to 100 are divisible by 3 and by 5?",
     "How many integers from 1 to 100 are divisible by 3 or by 5?"),
    ("Compute the value of $x^2 + 3x - 1$ at $x = 2$ and simplify it.",
     "Compute the value of $x^2 - 3x - 1$ at $x = 2$ and simplify it."),
    ("Compute the value of $x^2 + 3x - 1$ at $x = 2$ and simplify it.",
     "Compute the value of $x^2 - 3x + 1$ at $x = 2$ and simplify it."),
    ("Evaluate $(-3)^2 + 4$ and give the result.", "Evaluate $(3)^2 + 4$ and give the result."),
    ("What is 12 * 4 in the simplest form you know?", "What is 12 + 4 in the simplest form you know?"),
    ("For how many integers $n$ is $n^2 < 50$ and $n$ positive?", "For how many integers $n$ is $n^2 \\le 50$ and $n$ positive?"),
    ("A rectangle has a perimeter of 30 cm and its length is twice its width. Find the length of the rectangle.",
     "A rectangle has a perimeter of 30 cm and its length is twice its width. Find the width of the rectangle."),
    ("Tom has 5 more apples than Ann and Ann has 7. How many apples do they have?",
     "Tom has 5 fewer apples than Ann and Ann has 7. How many apples do they have?"),
    ("The price of a coat is 80 dollars and increases by 15 percent. What is the new price?",
     "The price of a coat is 80 dollars and decreases by 15 percent. What is the new price?"),
    ("Find the sum of all even numbers between 1 and 99.", "Find the sum of all odd numbers between 1 and 99."),
    ("Find the sum of the roots of the equation 2x^2 + 5x = 7.", "Find the product of the roots of the equation 2x^2 + 5x = 7."),
    ("Two cards are drawn with replacement from a deck of 52. What is the chance of two aces?",
     "Two cards are drawn without replacement from a deck of 52. What is the chance of two aces?"),
    ("What is the chance that at least 3 of 10 coins show heads?", "What is the chance that at most 3 of 10 coins show heads?"),
    ("How many hours does it take to fill the tank of 90 litres?", "How many minutes does it take to fill the tank of 90 litres?"),
    ("A circle has a radius of 7 cm. What is its area?", "A circle has a diameter of 7 cm. What is its area?"),
    ("Tom is 5 years older than Ann, and together they are 31. How old is Tom?",
     "Tom is 5 years older than Ann, and together they are 31. How old is Ann?"),
    ("Solve the system x + y = 5, x - y = 1 and give x.", "Solve the system x + y = 5, x - y = 1 and give y."),
    ("What is the mean of 3, 9, 4, 4 and 10?", "What is the median of 3, 9, 4, 4 and 10?"),
    ("How many boys are in a class of 30 with 4 more boys than girls?",
     "How many girls are in a class of 30 with 4 more boys than girls?"),
    ("What is 20% of 50 and how do you find it?", "What is 20 of 50 and how do you find it?"),
    ("小明比小红多5个苹果，小红有8个，小明有几个？", "小明比小红少5个苹果，小红有8个，小明有几个？"),
    ("求函数 y = x^2 - 4x + 7 在区间 0 到 5 上的最大值。", "求函数 y = x^2 - 4x + 7 在区间 0 到 5 上的最小值。"),
    ("求36和48这两个数的和是多少？", "求36和48这两个数的积是多少？"),
    ("一个长方形的周长是30厘米，长是宽的2倍，求长。", "一个长方形的周长是30厘米，长是宽的2倍，求宽。"),
    ("从袋中有放回地取两个球，求都是红球的概率。", "从袋中不放回地取两个球，求都是红球的概率。"),
    ("1到100之间的奇数一共有多少个？", "1到100之间的偶数一共有多少个？"),
    ("商店里的衣服先涨价百分之十，现在多少元？", "商店里的衣服先降低百分之十，现在多少元？"),
]  # fmt: skip
SAME = [
    ("A train leaves the station at 9 and travels 240 miles in 4 hours. How far does it travel in 7 hours at this speed?",
     "A train leaves a station at 9 and travels 240 miles in 4 hours. How far will it travel in 7 hours at that speed?"),
    ("Maria bought 12 notebooks for 3 dollars each and sold 9 of them for 5 dollars each. How much did she earn?",
     "Maria purchased 12 notebooks for 3 dollars each and sold 9 of them for 5 dollars each. How much did she earn?"),
    ("Solve the equation $2x + 3 = 7$ for $x$ and check the result.", "Solve the equation $2y + 3 = 7$ for $y$ and check the result."),
    ("Find the smallest three-digit number that is divisible by 7.", "Find the smallest three digit number that is divisible by 7."),
    ("Tom has 5 apples, buys 3 and eats 2. How many apples does he have in total?",
     "Tom has 5 apples, buys 3 and eats 2. How many apples does he have altogether?"),
    ("What is $3 \\cdot 4 + 5$, written as one number?", "What is $3 \\times 4 + 5$, written as one number?"),
    ("What is the total cost of 3 pens at 2 dollars each?", "What is the total cost, in dollars, of 3 pens at 2 dollars each?"),
    ("Ann reads 15 pages a day. How many pages does she read in 12 days?",
     "Ann reads 15 pages daily. How many pages does she read in 12 days?"),
    ("The minimum of x^2 + 3 is asked for; find the minimum.", "The minimum of x^2 + 3 is asked for - find the minimum!"),
    ("What is 30 percent of 90?", "What is 30% of 90?"),
    ("What is the largest prime below 50?", "What is the greatest prime below 50?"),
    ("How many cookies are left if 5 of 12 are eaten?", "How many cookies remain if 5 of 12 are eaten?"),
    ("小明一共有3个苹果和5个梨，他有多少个水果？", "小明总共有3个苹果和5个梨，他有多少个水果？"),
    ("一本书有120页，每天看15页，几天可以看完？", "一本书有120页，每天看15页，多少天可以看完？"),
    ("求方程 2x + 3 = 7 的解。", "求方程 2y + 3 = 7 的解。"),
]  # fmt: skip


def language(text: str) -> str:
    return "zh" if any("\u4e00" <= c <= "\u9fff" for c in text) else "en"


def stays(texts: list[str], **settings: object) -> list[bool]:
    table = to_table([Row(text, language(text), id=str(k)) for k, text in enumerate(texts)])
    judged = similarity(table, settings=DedupSettings(**settings))  # type: ignore[arg-type]
    return [why is None for why in column(judged, "rejected")]


@pytest.mark.parametrize(("left", "right"), DIFFERENT)
def test_different_problems(left: str, right: str) -> None:
    assert different_problems([left, right], [right, left]).tolist() == [True, True], "whichever comes first"
    assert stays([left, right]) == [True, True]


@pytest.mark.parametrize(("left", "right"), SAME)
def test_reworded_problems(left: str, right: str) -> None:
    assert different_problems([left, right, left], [right, left, left]).tolist() == [False] * 3
    assert stays([left, right], rouge_l=0.6, jaccard=0.6)[0] is True


@pytest.mark.slow
def test_most_pairs_would_go_by_their_words_alone() -> None:
    gone = [stays([left, right], opposites=False) != [True, True] for left, right in DIFFERENT]
    assert sum(gone) > 20
    gone = [stays([left, right], guard="none") != [True, True] for left, right in DIFFERENT]
    assert sum(gone) > 20, "self-instruct's own decisions"


@pytest.mark.slow
def test_duplicates_still_go() -> None:
    gone = [stays([left, right])[1] is False for left, right in SAME]
    without = [stays([left, right], opposites=False)[1] is False for left, right in SAME]
    assert gone == without
    assert sum(gone) >= 10


def test_the_guard_takes_pairs_out_and_adds_none() -> None:
    texts = [text for pair in DIFFERENT + SAME for text in pair]
    plain = novel(texts, [], threshold=0.7)
    assert sum(pair is not None for pair in plain) > 25, "rouge_score's own decisions have no guard"


def test_solutions_after_they_are_judged_and_meanings() -> None:
    rows = [Row(text, language(text), id=str(k), problem_id=str(k), solution="s", solution_format="cot")
            for k, text in enumerate(DIFFERENT[0] + DIFFERENT[9])]  # fmt: skip
    assert column(dedup(to_table(rows)), "rejected") == [None] * 4

    class Alike:
        identity = "alike"

        def __call__(self, texts: list[str]) -> np.ndarray:
            return np.ones((len(texts), 1), dtype=np.float32)

    table = to_table([Row(text, "en", id=str(k)) for k, text in enumerate([*DIFFERENT[0], *SAME[0]])])
    drop = DedupSettings(semantic="drop")
    rejected = column(semantic(table, encode=Alike(), settings=drop), "rejected")
    assert rejected[1] is None
    pair = to_table([Row(text, "en", id=str(k)) for k, text in enumerate(SAME[0])])
    assert column(semantic(pair, encode=Alike(), settings=drop), "rejected")[1] is not None


INSTRUCTION = (
    "Work through the task below one step at a time. Finish with a single closing line that reads Result: $R, where $R stands "
    'for what was asked for and nothing else is on that line.\n\n{}\n\nDo not forget: the closing line begins with "Result:" '
    "and stands alone."
)
QUESTIONS = [
    "Find x if 2x=6.",
    "How many sides does a hexagon have?",
    "A train travels 60 miles in 2 hours. What is its speed?",
    "What is 15% of 80?",
]


@pytest.mark.parametrize(
    "wrap",
    [
        INSTRUCTION,
        "{} Answer the following question. Think step by step before answering. Put the final answer in \\boxed{{}}.",
        "请一步一步地推理，写出完整的解题过程，并把最终答案写在方框里面，不要写别的内容。{}",
        "Solve the next problem with care, show all of your work, and then put only the number in a box at the end, {}",
    ],
)
def test_an_instruction_around_every_question_makes_no_duplicates(wrap: str) -> None:
    texts = [wrap.format(question) for question in QUESTIONS]
    assert stays(texts) == [True] * 4
    assert stays(texts, guard="none") != [True] * 4
    # a real duplicate among them still goes
    longer = [SAME[0][0], SAME[0][1], *QUESTIONS]
    assert stays([wrap.format(text) for text in longer]) == [True, False, True, True, True, True]


def test_near_copies_share_no_instruction() -> None:
    stem = "A water tank holds {} litres of water and a pump takes {} litres out of it every hour until it is quite empty, {}."
    texts = [
        stem.format(900, 45, word)
        for word in ("friends", "people", "children", "everyone", "pupils", "reader")
    ]
    assert stays(texts) == [True] + [False] * 5


def test_settings() -> None:
    with pytest.raises(ValueError, match="shared must lie in"):
        DedupSettings(shared=2)
    assert json.dumps(DedupSettings().shared) == "0.05"
