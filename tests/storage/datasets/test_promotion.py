"""Tags are promoted and rolled back, and no published version changes."""

from __future__ import annotations

import threading

import pytest

from storage.datasets.store import Store
from storage.errors import StorageError, VersionNotFound


@pytest.fixture
def three(store: Store, rows, day) -> list[str]:
    return [store.publish("d", [rows(n, n + 10)], lineage={}, date=day).name for n in (0, 10, 20)]


@pytest.mark.slow
def test_a_tag_resolves_moves_and_goes_back(store: Store, three: list[str]) -> None:
    one, two, _ = three
    with pytest.raises(VersionNotFound):
        store.resolve("d@production")
    store.promote(f"d@{one}", "production")
    assert store.resolve("d@production").name == one
    assert store.read("d@production").num_rows == 10
    store.promote(f"d@{two}", "production")
    store.promote(f"d@{two}", "production")  # a repeated promotion has no effect
    assert store.tags("d") == {"production": two}
    assert store.rollback("d", "production") == (two, one)
    assert store.resolve("d@production").name == one
    with pytest.raises(StorageError, match="nothing to go back to"):
        store.rollback("d", "production")
    with pytest.raises(StorageError, match="points to no version"):
        store.rollback("d", "validated")


def test_tags_are_apart_by_dataset_and_name(store: Store, rows, day, three: list[str]) -> None:
    other = store.publish("e", [rows(0, 3)], lineage={}, date=day)
    store.promote(f"d@{three[0]}", "production")
    store.promote(other, "production")
    store.promote(f"d@{three[2]}", "candidate")
    assert store.tags("d") == {"candidate": three[2], "production": three[0]}
    assert store.tags("e") == {"production": other.name}
    with pytest.raises(StorageError, match="no tag"):
        store.promote(other, "../x")
    with pytest.raises(VersionNotFound):
        store.promote("d@1999.01.01", "production")


@pytest.mark.slow
def test_promotions_at_once_all_count(store: Store, three: list[str]) -> None:
    threads = [
        threading.Thread(target=store.promote, args=(f"d@{three[0]}", f"t{number}")) for number in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.tags("d") == {f"t{number}": three[0] for number in range(6)}
    numbers = [mark.number for mark in store.marks("d")]
    assert len(set(numbers)) == len(numbers) == 6


def test_restored_rows_are_the_old_ones_and_no_file_is_written(store: Store, rows, day) -> None:
    one = store.publish("d", [rows(0, 10)], lineage={}, date=day)
    two = store.publish("d", [rows(5, 30)], mode="overwrite", lineage={}, date=day)
    before = {path.name for path in store_folder(store).glob("*.parquet")}
    back = store.restore(one, lineage={"restored": str(one)}, date=day)
    assert (back.digest, back.rows, back.added) == (one.digest, 10, 5)
    assert {path.name for path in store_folder(store).glob("*.parquet")} == before
    assert store.read(back).sort_by("id").equals(store.read(one).sort_by("id"))
    assert store.added(back).num_rows == 5
    assert store.versions("d") == [one, two, back]
    for version in (one, two, back):
        store.verify(version)
    # the next version builds on the restored rows
    assert store.publish("d", [rows(100, 104)], lineage={}, date=day).rows == 14
    store.verify("d")


def test_the_newest_rows_are_not_restored_again(store: Store, rows, day) -> None:
    one = store.publish("d", [rows(0, 10)], lineage={}, date=day)
    with pytest.raises(StorageError, match="nothing to restore"):
        store.restore(one, lineage={}, date=day)


def store_folder(store: Store):
    from pathlib import Path

    return Path(store.where.url("d"))
