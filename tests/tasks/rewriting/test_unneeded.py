"""Numbers that no step uses: planted in real problems they are noticed, and real problems are hardly ever refused."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

from tasks.rewriting.numbers import values_of
from tasks.rewriting.unneeded import unneeded_numbers

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "gsm8k" / "test.a.jsonl.gz"

QUESTION = "A farm has 12 hens that lay 7 eggs each. How many eggs are there?"
SOLUTION = "12 * 7 = 84 eggs.\n\\boxed{84}"


@pytest.mark.parametrize(
    ("question", "solution", "numbers"),
    [
        (QUESTION, SOLUTION, []),
        ("The farmer is 46 years old. " + QUESTION, SOLUTION, ["46"]),
        ("农夫今年46岁。农场有12只母鸡，每只下7个蛋。一共有多少个蛋？", "12×7=84（个）。答案是 84。", ["46"]),
        ("In 1998 a farm in room 23 of block B-17 has 12 hens that lay 7 eggs each. How many?", SOLUTION, []),
        ("At 6:45 pm on May 26th 12 hens lay 7 eggs each. How many?", SOLUTION, []),
        ("Of 19 hens 12 lay 7 eggs each, and the other 7 none. How many?", SOLUTION, []),  # a total
        ("A shop sells 40% of 50 pens. How many?", "0.4 * 50 = 20", []),
        ("A bus drives 2 hours at 30 km/h, and waits 25 minutes. How far is it?", "30 * 2 = 60 km", ["25"]),
        ("A tank loses 9 litres in 45 minutes. How many per hour?", "9 / 0.75 = 12 litres", []),
        ("Find $x^{17}$ for $x = 9$, with 31 more.", "9^17 + 31", []),
        ("The farmer is 46 years old. " + QUESTION, "84", []),  # no steps are shown
        ("The farmer is 46 years old. " + QUESTION, "hens = 12\neggs = 7\nprint(hens * eggs)", ["46"]),
    ],
)
def test_a_number_that_no_step_uses_is_named(question: str, solution: str, numbers: list[str]) -> None:
    assert unneeded_numbers(question, [solution]) == numbers


def test_one_solution_that_uses_a_number_and_the_parent_s_numbers_count() -> None:
    question = "The farmer is 46 years old. " + QUESTION
    assert unneeded_numbers(question, [SOLUTION, "He is 46. 12 * 7 = 84"]) == []
    assert unneeded_numbers(question, [SOLUTION], ["How old is a farmer of 46 years?"]) == []
    assert unneeded_numbers(question, []) == []


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_file(), reason="gsm8k/test.a.jsonl.gz of ../shared/data is not here")
def test_real_problems_are_hardly_ever_refused_and_planted_facts_are_noticed() -> None:
    with gzip.open(DATA, "rt") as lines:
        records = [json.loads(line) for line in lines]
    problems = [(one["question"], re.sub("<<.*?>>", "", one["answer"])) for one in records]
    refused = sum(bool(unneeded_numbers(question, [solution])) for question, solution in problems)
    assert refused <= 0.02 * len(problems)  # 7 of 660, though all numbers count as added ones
    noticed = planted = 0
    for question, solution in problems:
        if values_of("37") <= values_of(question + solution):
            continue
        planted += 1
        padded = f"His brother owns 37 red hats. {question}"
        noticed += unneeded_numbers(padded, [solution], [question]) == ["37"]
    assert noticed >= 0.8 * planted
