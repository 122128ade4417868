"""Screens of form: rows that each must drop, and ordinary rows that none may drop."""

from __future__ import annotations

import gzip
import itertools
import json
from pathlib import Path

import pytest

from tasks.selection.consistency import SCREENS

WORDS = "First we add the two numbers and then we divide the result by three to get"


def passed(question: str, solution: str, form: str = "cot", language: str = "en") -> list[str]:
    """The screens that the row does not pass."""
    row = {"question": question, "solution": solution, "solution_format": form, "language": language}
    return [name for name, screen in SCREENS.items() if screen(row)]


@pytest.mark.parametrize(
    ("question", "solution", "form", "language", "expected"),
    [
        ("What is 1 + 1?", f"{WORDS} 2. \\boxed{{2}}", "cot", "en", []),
        (
            "小明有 3 个苹果，又买了 4 个，一共有几个？",
            "3 + 4 = 7，所以一共有 7 个苹果。\\boxed{7}",
            "cot",
            "zh",
            [],
        ),
        ("小明有 3 个苹果，又买了 4 个，一共有几个？", f"{WORDS} 7. \\boxed{{7}}", "cot", "zh", ["language"]),
        ("What is 3 + 4?", "先把两个数相加，再除以三，得到结果七。\\boxed{7}", "cot", "en", ["language"]),
        (
            "小明有 3 个苹果。",
            "def solution():\n    return the_total_number_of_all_apples + 7",
            "pot",
            "zh",
            [],
        ),
        (
            r"Find the derivative of \(x^2\).",
            r"By the power rule it is 2*x. \boxed{2x}",
            "cot",
            "en",
            ["notation"],
        ),
        (r"Find the derivative of \(x^2\).", r"By the power rule it is \(2x\). \boxed{2x}", "cot", "en", []),
        (r"Find $\frac{1}{2}$ of 6.", r"It is 3. \boxed{3}", "cot", "en", []),
        ("Two pens cost $5 and three cost $7.", r"5 * 2 = 10 dollars, so $10. \boxed{10}", "cot", "en", []),
        (
            "If $2^8=4^x$, find $x$.",
            r"Since $2^8=2^{2x}$, we have $2x=8$, so $x=\boxed{4}$.",
            "cot",
            "en",
            [],
        ),
        ("Add.", r"There are $3\times 3=9$ of them, so $\boxed{9}$ in all.", "cot", "en", []),
        ("Add.", r"We have \( 1 + 1 = 2. \boxed{2}", "cot", "en", ["delimiters"]),
        ("Add.", r"We have \frac{1}{2} + 1. \boxed{\frac{3}{2}}", "cot", "en", ["delimiters"]),
        ("Add.", r"We have \(\frac{1}{2} + 1\). \boxed{\frac{3}{2}}", "cot", "en", []),
        ("Add.", r"\[\begin{cases} x \\ y \end{cases}\] so \boxed{\frac{1}{\sqrt{2}}}", "cot", "en", []),
        ("Add.", r"\begin{cases} \frac{1}{2} \end{cases} so \boxed{2}", "cot", "en", []),
        ("Add.", r"\begin{cases} x so \boxed{2}", "cot", "en", ["delimiters"]),
        ("Add.", r"x \end{cases} so \boxed{2}", "cot", "en", ["delimiters"]),
        ("Add.", r"First \boxed{3}. No, \boxed{4}", "cot", "en", ["answers"]),
        ("Add.", r"First \boxed{3}. So \boxed{ 3 }", "cot", "en", []),
        ("Add.", "<think>so</think> It is \\boxed{3}", "cot", "en", ["fences"]),
        ("Add.", "```python\nprint(3)\n```", "pot", "en", ["fences"]),
        ("Add.", "```python\nprint(3)\n It is \\boxed{3}", "cot", "en", ["fences"]),
        ("Add.", "Sure, I can help. \\boxed{3}", "cot", "en", ["rubric"]),
        ("Problem 3:\nAdd.", "It is \\boxed{3}", "cot", "en", ["rubric"]),
        ("题目：\n求和。", "等于 \\boxed{3}", "cot", "zh", ["rubric"]),
        ("Add.", "Let x be a sure thing. \\boxed{3}", "cot", "en", []),
    ],
)
def test_a_screen_drops_what_it_names_and_nothing_else(
    question: str, solution: str, form: str, language: str, expected: list[str]
) -> None:
    assert passed(question, solution, form, language) == expected


@pytest.mark.parametrize(
    "text", [r"\(", r"\boxed{", "$", r"\begin{cases}", "\n", "```", "<think>", r"\boxed{\frac{", "1 * "]
)
def test_a_hostile_text_takes_linear_time(text: str) -> None:
    """With quadratic time this would run for hours."""
    row = {
        "question": r"\(x\)" + text * 50_000,
        "solution": text * 50_000,
        "solution_format": "cot",
        "language": "en",
    }
    assert {screen(row) for screen in SCREENS.values()} <= {True, False}


def test_published_solutions_pass() -> None:
    """MATH and GSM8K are of a uniform form: 252 and 1,000 of their solutions, none of which may be dropped."""
    data = Path(__file__).resolve().parents[4] / "shared" / "data"
    files = (data / "math" / "math500.a.jsonl", data / "gsm8k" / "train.jsonl.gz")
    if not all(path.exists() for path in files):
        pytest.skip("shared/data is not here")
    math, grade = (path.read_bytes() for path in files)
    rows = [(row["problem"], row["solution"]) for row in map(json.loads, math.splitlines())]
    rows += [
        (row["question"], row["answer"])
        for row in map(json.loads, itertools.islice(gzip.decompress(grade).splitlines(), 1000))
    ]
    assert [question for question, solution in rows if passed(question, solution)] == []
