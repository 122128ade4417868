"""The rows that `mathmill interference` compares: the most frequent values, the same rows whatever their order."""

from __future__ import annotations

from pathlib import Path

from flows.cli.interference import samples
from storage.datasets.store import Store
from storage.rows import Row, to_table


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
