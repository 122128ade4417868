"""A sample depends on the seed and the rows and not on the files."""

from __future__ import annotations

from pathlib import Path

from storage.datasets.store import Store
from tests.storage.conftest import DAY, Rows


def test_the_sample_does_not_depend_on_the_files(tmp_path: Path, rows: Rows) -> None:
    whole, parts = Store(tmp_path / "whole"), Store(tmp_path / "parts")
    whole.publish("set", [rows(0, 300)], lineage={}, date=DAY)
    for first in (200, 0, 100):
        parts.publish("set", [rows(first, first + 100)], lineage={}, date=DAY)
    one = whole.sample("set", 40, 7, ["question", "id"])
    assert one.column_names == ["question", "id"]
    assert one.num_rows == len(set(one.column("id").to_pylist())) == 40
    assert parts.sample("set", 40, 7, ["question", "id"]).equals(one)
    assert not whole.sample("set", 40, 8, ["question", "id"]).equals(one)


def test_most_of_the_sample_stays_when_the_version_grows(tmp_path: Path, rows: Rows) -> None:
    store = Store(tmp_path)
    samples = []
    for first, last in ((0, 300), (300, 330)):
        version = store.publish("set", [rows(first, last)], lineage={}, date=DAY)
        samples.append(set(store.sample(version, 100, 1, ["id"])["id"].to_pylist()))
    assert 75 <= len(samples[0] & samples[1]) < 100


def test_a_small_version_is_taken_whole(tmp_path: Path, rows: Rows) -> None:
    store = Store(tmp_path)
    store.publish("set", [rows(0, 5)], lineage={}, date=DAY)
    assert store.sample("set", 40, 7, ["id"]).num_rows == 5
    assert store.sample("set", 0, 7, ["id"]).num_rows == 0
