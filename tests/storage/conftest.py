"""Rows and stores for the storage tests."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from storage.datasets.store import Store
from storage.rows import Row, to_table

DAY = datetime.date(2026, 11, 20)
Rows = Callable[..., pa.Table]


def rows_between(first: int, last: int, **fields: object) -> pa.Table:
    """Rows number `first` to `last` - 1: different questions, some of everything in the columns."""
    rows = []
    for number in range(first, last):
        values = {
            "question": f"What is {number} + 数?",
            "language": "en" if number % 3 else "zh",
            "solution": f"It is {number}.\nSo \\boxed{{{number}}}",
            "solution_format": "pot" if number % 2 else "cot",
            "answer": str(number),
            "subdomain": ("limits", "vectors", None)[number % 3],
            "source": "seeds",
            "license": "Apache-2.0",
            "sample_index": number % 4,
            "parent_ids": [f"{parent:024x}" for parent in range(number % 3)],
            "verdicts": {"executed": "ok", "equivalent": "equal"} if number % 2 else {},
            "scores": {"answer": number / 7, "instruction": 0.5},
            "difficulty": None if number % 5 == 0 else number / 100,
        }
        rows.append(Row(**(values | fields)))  # type: ignore[arg-type]
    return to_table(rows)


@pytest.fixture(scope="session")
def rows() -> Rows:
    return rows_between


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


@pytest.fixture(scope="session")
def day() -> datetime.date:
    return DAY
