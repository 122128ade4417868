"""Every text of a row is compared, whatever its column; a row that cannot be read is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.decontamination.benchmarks import Benchmarks
from tasks.decontamination.matching import mark_contaminated
from tasks.decontamination.reading import parts

ITEM = (
    "Maria bought 12 notebooks for 3 dollars each and sold 9 of them for 5 dollars each. What did she earn?"
)


def chat(*texts: str) -> list[dict[str, str]]:
    return [{"role": "assistant" if k % 2 else "user", "content": text} for k, text in enumerate(texts)]


ROWS: list[dict[str, Any]] = [
    {"messages": chat("Hello there, please help me.", "Sure.", ITEM, "9")},
    {"messages": chat("Hello", "Hi", "Bye", "Bye", ITEM)},
    {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": f"Try this: {ITEM}"}]},
    {"messages": [{"role": "system", "content": ITEM}, *chat("Hello", "x")]},
    {"messages": json.dumps(chat("a", "b", ITEM))},
    {"text": ITEM},
    {"text": f"Human: {ITEM}\n\nAssistant: 9"},
    {"question": "What is a prime?", "reasoning": f"First: {ITEM}"},
    {"prompt": "Name a colour", "chosen": "blue", "rejected": ITEM},
    {
        "prompt": chat("Name a colour"),
        "chosen": chat("blue"),
        "rejected": [{"role": "assistant", "content": ITEM}],
    },
    {"question": "Colour?", "solution": "red", "solution_2": f"As in: {ITEM} we see"},
    {"question": "Colour?", "answers": ["red", ITEM]},
    {"extra": {"deep": [{"a": ITEM}]}},
    {"messages": [{"role": "wizard", "content": ITEM}]},
    {"question": f"{ITEM}\nPlease reason step by step, and put your final answer within \\boxed{{}}."},
    {"question": 17, "note": ITEM},
    {"turns": ["Hello", "Hi", ITEM]},
    {"system": ITEM, "instruction": "Say it", "output": "yes"},
]


@pytest.fixture
def benchmark(tmp_path: Path) -> Benchmarks:
    (tmp_path / "exam.jsonl").write_text(json.dumps({"question": ITEM}) + "\n")
    return Benchmarks.load([tmp_path / "exam.jsonl"])


@pytest.mark.parametrize("number", range(len(ROWS)))
def test_every_text_of_a_row_is_compared(number: int, tmp_path: Path, benchmark: Benchmarks) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(
        json.dumps({"question": "How many sides has a square?"}) + "\n" + json.dumps(ROWS[number]) + "\n"
    )
    (part,) = parts(path)
    rows = mark_contaminated(part.table, benchmarks=benchmark, rules=("exact", "ngram13"), texts=part.texts)
    clean, leaked = rows.column("rejected").to_pylist()
    assert clean is None
    assert "exam#0 overlap 1.00" in leaked
    assert part.unread == ()


def test_rows_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"answer": 5}\n{broken\n{"question": "Fine?"}\n[1]\n{"question": ""}\n')
    (part,) = parts(path)
    assert part.table.num_rows == 1
    assert [line.removeprefix(f"{path}, ").split(":")[0] for line in part.unread] == [
        "line 1",
        "line 2",
        "line 4",
        "line 5",
    ]
    assert part.unread[0].endswith("no text to compare")


def test_parts_are_bounded_and_numbered_from_nought(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"question": f"What is {k}?"}) + "\n" for k in range(10)))
    file_parts = list(parts(path, rows=4))
    assert [part.table.num_rows for part in file_parts] == [4, 4, 2]
    assert all({text.row for text in part.texts} == set(range(part.table.num_rows)) for part in file_parts)
