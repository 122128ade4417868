"""The critic's arithmetic on solutions written by people: right ones are not accused, planted errors are found."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tasks.critics.recomputing import calculations
from tasks.seeding import rng_of

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"

RIGHT = [
    "200 x 2/5 = 80", "There are 20 x 20/100 = 4 students.", "4/20 x 100% = 20%", "100-60=40% of the groceries",
    "45 + 21 +28 = 94%", "1260 / 3500 * 100 = 36%", "The tour takes 3 / 2 = 1 1/2 hours.", "4 / 3 = 1 and 1/3 hours",
    "100 / 6= 16 and (2/3)", "60 students x 2/3 = 40 students", "36 x 50% = 18 more seeds", "2 x 4 x 50% = 4 pieces",
    "7 x 1,320 = 9,240", "12 x 1 and 1/4 = 15", "$1 / 2 = 50 cents", "0900-0130 = 0730 hours", "25 / 1/3 = 75 decorations",
    "600 x 30 = 18 000 watts", "13 / 6 = 2 full cycles with a remainder of 1", "48 = 100% + 20% = 120% of it",
    "\\frac23 \\dotsm \\frac{21}{22}=\\frac{2}{22}", "10 pages on day 1 * 2 = 20 pages", "$15/$10 x 100% = 150%",
]  # fmt: skip
WRONG = [
    "200 x 2/5 = 90", "20 x 20/100 = 5 students", "100-60=50% of the groceries", "4/20 x 100% = 30%", "3 / 2 = 1 1/3 hours",
    "36 x 50% = 19 more seeds", "7 x 1,320 = 9,250", "12 - 5 = 8", "45 + 21 + 28 = 93%", "2 x 4 x 50% = 5 pieces",
    "60 x 2/3 = 41 loaves", "8 x 1/4 = 3 boxes", "54 x 1/3 = 19 seats", "3 * 14 = 43", "9 X 9 = 80",
]  # fmt: skip


def accused(text: str) -> bool:
    return any(not statement.true for line in text.split("\n") for statement in calculations(line))


@pytest.mark.parametrize("line", RIGHT)
def test_right_arithmetic_is_not_accused(line: str) -> None:
    assert not accused(line)


@pytest.mark.parametrize("line", WRONG)
def test_wrong_arithmetic_is_found(line: str) -> None:
    assert accused(line)


def rows(name: str) -> list[dict[str, Any]]:
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"no {name} in the shared data folder")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def plain(answer: str) -> str:
    return re.sub(r"<<.*?>>", "", answer)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "column", "share"),
    [
        # most of what is left are mistakes of the golds, such as $32 - $20 = $300 and 6*2.5 = $18
        ("gsm8k/test.a.jsonl.gz", "answer", 0.002),
        ("gsm8k/train.jsonl.gz", "answer", 0.0038),
        ("math/test.a.jsonl.gz", "solution", 0.004),
    ],
)
def test_gold_solutions_are_not_accused(name: str, column: str, share: float) -> None:
    solutions = [plain(row[column]) for row in rows(name)]
    assert sum(map(accused, solutions)) <= share * len(solutions)


def test_planted_errors_are_found_as_often_as_before() -> None:
    rng = rng_of("planted in real solutions")
    planted = caught = 0
    for row in rows("gsm8k/test.a.jsonl.gz"):
        results = list(re.finditer(r"=[\d.]+>>([\d,.]*\d)", row["answer"]))
        if not results:
            continue
        one = rng.choice(results)
        value = one.group(1)
        changed = value[:-1] + str((int(value[-1]) + rng.randint(1, 9)) % 10)
        planted += 1
        caught += accused(plain(row["answer"][: one.start(1)] + changed + row["answer"][one.end(1) :]))
    assert planted > 600
    assert caught >= 0.5 * planted
