"""Unknowns that get values: equations that do not follow, values that do not fit, and what says nothing."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

from tasks.critics.kinds.steps import opinion_of
from tasks.critics.labelled import read
from tasks.critics.step_checker import check
from tasks.critics.steps import split_steps

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"


@pytest.mark.parametrize(
    ("steps", "wrong"),
    [
        (("Let x be the price. 2x + 5 = 11", "2x = 6", "x = 3"), None),
        (("Let x be the price. 2x + 5 = 11", "2x = 6", "x = 4"), 2),
        (("2x + 5 = 11", "2x = 16", "x = 8"), 1),
        (("3x - 6 = 2x", "5x = 6", "x = 6/5"), 1),
        (("x = 3", "So 2x = 6."), None),
        (("x = 3", "So 2x = 7."), 1),
        (("A = 2 + 6 = 8", "B = 5", "A * B = 45"), 2),
        (("A = 2 + 6 = 8", "B = 5", "A * B = 40"), None),
        (("$x^2 + x = 12$", "$x = 3$", "$\\frac{x}{6} = \\frac{1}{2}$"), None),
        # nothing follows from two values, cases, functions and other arithmetic
        (("x^2 = 4", "x = 2", "x = -2", "3x = 6"), None),
        (("If x = 2, then 3x = 7.", "5x = 10"), None),
        (("f(2) = 4", "f = 3"), None),
        (("In base b, b = 6 and 2b = 13.",), None),
        (("Let $x = 0.\\overline{5}$. Then $10x - x = 5$, so $x = 5/9$.",), None),
        (("2x + 5 < 11", "x = 9"), None),
    ],
)
def test_values_of_unknowns_are_put_in(steps: tuple[str, ...], wrong: int | None) -> None:
    assert check(steps).first_wrong == wrong


def test_an_answer_that_no_step_derives_is_wrong_in_plain_numbers_only() -> None:
    steps = ("3 + 4 = 7 apples", "7 * 2 = 14 apples", "The answer is 25.")
    checked = check(steps, question="Ann has 3 and 4 apples and doubles them.")
    assert (checked.first_wrong, checked.derived, checked.answer_wrong) == (None, False, True)
    assert opinion_of(checked).answer == 0.0
    assert "25" in str(opinion_of(checked).words)
    formulas = ("$3 + 4 = 7$", "$7 \\cdot 2 = 14$", "The answer is \\boxed{25}.")
    assert not check(formulas).answer_wrong
    assert not check((*steps[:2], "The answer is 14.")).answer_wrong


@pytest.mark.slow
def test_rules_are_precise_on_labelled_solutions() -> None:
    files = [*sorted(DATA.glob("critique/*")), *DATA.glob("gsm8k/example_model_solutions.a.jsonl.gz")]
    if len(files) < 14:
        pytest.skip(f"no labelled solutions below {DATA}")
    named = {True: 0, False: 0}
    underived = {True: 0, False: 0}
    for one in read(files).solutions:
        checked = check(one.steps, question=one.question)
        named[one.correct] += checked.first_wrong is not None
        underived[one.correct] += checked.answer_wrong
    assert named[False] > 380
    assert named[False] >= 0.95 * sum(named.values())
    assert underived[False] >= 0.9 * sum(underived.values())


@pytest.mark.slow
def test_few_gold_solutions_are_called_wrong() -> None:
    path = DATA / "gsm8k" / "train.jsonl.gz"
    if not path.is_file():
        pytest.skip(f"no {path.name} below {DATA}")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for _, line in zip(range(3000), lines, strict=False)]
    checked = [
        check(split_steps(re.sub(r"<<.*?>>", "", row["answer"])), question=row["question"]) for row in rows
    ]
    accused = sum(one.first_wrong is not None or one.answer_wrong for one in checked)
    assert accused < 0.005 * len(rows)
