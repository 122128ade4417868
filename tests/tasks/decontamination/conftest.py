"""Benchmark files of a few items, and rows to search."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.rows import Row, column, to_table
from tasks.decontamination.benchmarks import Benchmarks
from tasks.decontamination.matching import mark_contaminated
from tasks.decontamination.planting import chinese

ITEMS = [
    "A train leaves the station at 9 in the morning and travels 240 miles in 4 hours. How far does the same train travel in 7 hours at this speed?",
    "Maria bought 12 notebooks for 3 dollars each and sold 9 of them for 5 dollars each at the school fair. How much money did Maria earn in all?",
    r"Let $a$ and $b$ be real numbers with $a^2 - 15a + 20b = 50$ and $3a + 7b = 41$. Compute $a + b$ and explain every step of the way.",
    "What is 2 + 2?",
    "Solve 3x + 5 = 26 for x.",
    "小明在文具店买了3支铅笔和5本练习本，每支铅笔2元，每本练习本4元，他付给收银员50元，应该找回多少元？",
]
Look = Callable[..., list[str | None]]


@pytest.fixture
def benchmarks(tmp_path: Path) -> Benchmarks:
    path = tmp_path / "exam.jsonl"
    path.write_text("".join(json.dumps({"question": text}) + "\n" for text in ITEMS), encoding="utf-8")
    return Benchmarks.load({"exam": path})


@pytest.fixture
def look(benchmarks: Benchmarks) -> Look:
    """Why each text is rejected by the rules."""

    def reasons(texts: list[str], *rules: str, solution: str | None = None) -> list[str | None]:
        rows = [
            Row(text, "zh" if chinese(text) else "en", id=str(k), solution=solution)
            for k, text in enumerate(texts)
        ]
        return column(mark_contaminated(to_table(rows), benchmarks=benchmarks, rules=rules), "rejected")

    return reasons
