"""A program is exported in a fenced block, as an assistant would write it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from storage.datasets.export import export
from storage.datasets.store import Store
from storage.reasons import Code, reason
from storage.rows import Row, to_table

WRONG = reason("verify", Code.DIFFERENT, answer="6", reference="5")


def different(pairs: Sequence[tuple[str, str]]) -> list[str]:
    return ["different"] * len(pairs)


def lines(folder: Path) -> list[dict[str, object]]:
    (file,) = folder.rglob("*.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "home")
    words = Row("What is 2 + 3?", "en", solution="It is 5.", solution_format="cot", answer="5")
    program = Row("What is 2 + 3?", "en", solution="print(2 + 3)\n", solution_format="pot", answer="5")
    store.publish("pairs", [to_table([words, program])], lineage={})
    wrong = [
        Row("What is 2 + 3?", "en", solution="It is 6.", solution_format="cot", answer="6", reason=WRONG),
        Row("What is 2 + 3?", "en", solution="print(2 * 3)", solution_format="pot", answer="6", reason=WRONG),
    ]
    store.append_candidates(to_table(wrong), run="r")
    return store


def test_programs_are_fenced_and_words_are_not(store: Store, tmp_path: Path) -> None:
    export(store, store.resolve("pairs"), tmp_path / "out", format="messages")
    replies = {record["messages"][1]["content"] for record in lines(tmp_path / "out")}  # type: ignore[index]
    assert replies == {"It is 5.", "```python\nprint(2 + 3)\n```"}


@pytest.mark.parametrize("format", ["preference", "unpaired-preference", "prompt-completion"])
def test_every_shape_says_programs_alike(store: Store, tmp_path: Path, format: str) -> None:
    export(store, store.resolve("pairs"), tmp_path / "out", format=format, compare=different)
    texts = {
        str(record[name])
        for record in lines(tmp_path / "out")
        for name in ("chosen", "rejected", "completion")
        if name in record
    }
    assert "```python\nprint(2 + 3)\n```" in texts
    assert "print(2 + 3)" not in texts
    if format != "prompt-completion":
        assert "```python\nprint(2 * 3)\n```" in texts
