"""The rows that measurements on a small student compare: the most frequent values, the same rows whatever their order; items of a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.datasets.store import Store
from storage.rows import Row, to_table
from tasks.training.errors import TrainError
from tasks.training.groups import held_out, of_file, samples


def test_the_most_frequent_values_are_compared_by_rows_that_a_hash_chooses(tmp_path: Path) -> None:
    rows = [
        Row(f"question {source} {i}", "en", solution="1", source=source)
        for source, count in (("a", 30), ("b", 20), ("c", 5))
        for i in range(count)
    ]
    rows += [Row("without a solution", "en", source="d"), Row("without a source", "en", solution="1")]
    store = Store(tmp_path)
    first = store.publish("one", [to_table(rows)], lineage={})
    chosen = samples(store, first, "source", 12, 2)
    assert {name: table.num_rows for name, table in chosen.items()} == {"a": 12, "b": 12}
    every = samples(store, first, "source", 100, 8)
    assert {name: table.num_rows for name, table in every.items()} == {"a": 30, "b": 20, "c": 5}
    again = samples(store, first, "source", 12, 2)
    assert {name: sorted(table.column("id").to_pylist()) for name, table in again.items()} == {
        name: sorted(table.column("id").to_pylist()) for name, table in chosen.items()
    }


def test_held_out_problems_are_of_the_subdomains_and_not_among_the_rows(tmp_path: Path) -> None:
    store = Store(tmp_path)
    rows = [Row(f"What is {i} + {i}?", "en", solution="1", subdomain="counting") for i in range(3)]
    first = held_out(store, store.publish("one", [to_table(rows)], lineage={}))
    assert 0 < first.num_rows <= 64
    stored = [
        Row(question, "en", solution="1", subdomain="counting")
        for question in first.column("question").to_pylist()
    ]
    second = held_out(store, store.publish("two", [to_table(stored)], lineage={}))
    assert second.num_rows
    assert not set(second.column("problem_id").to_pylist()) & set(first.column("problem_id").to_pylist())


def test_a_file_of_items_is_read_and_a_record_without_a_solution_is_named(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    good.write_text('{"question": "What is 2 + 3?", "solution": "5"}\n' * 70)
    assert of_file(good).num_rows == 64
    bad.write_text('{"question": "What is 2 + 3?", "solution": "5"}\n{"question": "What is 2 + 4?"}\n')
    with pytest.raises(TrainError, match=r"bad\.jsonl, .*2.*no question and solution\. Fix: "):
        of_file(bad)
