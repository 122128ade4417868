"""Retention, the removal of orphans and compaction delete unneeded files and no others."""

from __future__ import annotations

import datetime
import os
from pathlib import Path

import pytest
from deltalake import DeltaTable

from storage.datasets import candidates, compaction, orphans, retention
from storage.datasets.retention import Rules
from storage.datasets.store import Store
from storage.datasets.verify import check_table
from storage.errors import StorageError, VersionNotFound

NOW = datetime.datetime(2026, 12, 24, 12, tzinfo=datetime.UTC)
STRICT = Rules(last=2, days=0, months=0, grace_hours=24)
LATER = NOW.replace(year=2027)


def folder(store: Store, table: str = "d") -> Path:
    return Path(store.where.url(table))


def overwritten(store: Store, rows, day, versions: int) -> list[str]:
    """Versions of which none shares a file with another."""
    return [
        str(store.publish("d", [rows(n, n + 5)], mode="overwrite", lineage={}, date=day))
        for n in range(versions)
    ]


@pytest.mark.slow
def test_rules_name_what_keeps_a_version(store: Store, rows, day) -> None:
    names = overwritten(store, rows, day, 6)
    store.promote(names[0], "production")
    retention.lease(store.where, store.resolve(names[1]), "train-7", LATER)
    fates = retention.fates(store.where, "d", STRICT, NOW + datetime.timedelta(days=60))
    assert [(fate.keep, fate.why) for fate in fates] == [
        (True, "tagged production"),
        (True, "leased by train-7"),
        (False, "no rule keeps it"),
        (False, "no rule keeps it"),
        (True, "among the newest 2"),
        (True, "among the newest 2"),
    ]
    assert all(f.keep for f in retention.fates(store.where, "d", Rules(last=2, days=9999), NOW))
    monthly = retention.fates(store.where, "d", Rules(last=0, days=0, months=1), NOW)
    assert (
        sum(fate.keep for fate in monthly) == 4
    )  # production, leased, the newest two; one of them the month's


@pytest.mark.slow
def test_retired_versions_go_after_the_grace_and_shared_files_stay(store: Store, rows, day) -> None:
    first = store.publish("d", [rows(0, 5)], lineage={}, date=day)
    second = store.publish("d", [rows(5, 9)], lineage={}, date=day)  # has the first one's files too
    third = store.publish("d", [rows(20, 25)], mode="overwrite", lineage={}, date=day)
    fourth = store.publish("d", [rows(25, 28)], lineage={}, date=day)
    assert retention.retire(store.where, retention.fates(store.where, "d", STRICT, NOW)) == 2
    assert store.versions("d") == [third, fourth]
    with pytest.raises(VersionNotFound):
        store.resolve(str(second))
    with pytest.raises(StorageError, match="retired"), store.leased(first, "late"):
        pass
    now = datetime.datetime.now(datetime.UTC)
    assert retention.unneeded(store.where, "d", STRICT, now) == []
    gone = retention.unneeded(store.where, "d", STRICT, now + datetime.timedelta(hours=25))
    assert sorted(gone) == sorted({*first.files, *second.files})
    for path in gone:
        (folder(store) / path).unlink()
    store.verify(third)
    store.verify(fourth)
    assert store.added(third).num_rows == 5
    assert store.publish("d", [rows(40, 41)], lineage={}, date=day).name not in {first.name, second.name}


def test_files_of_a_restored_version_are_needed(store: Store, rows, day) -> None:
    names = overwritten(store, rows, day, 3)
    middle = store.resolve(names[1])
    back = store.restore(names[0], lineage={}, date=day)
    retention.retire(store.where, retention.fates(store.where, "d", STRICT, NOW))
    assert retention.unneeded(store.where, "d", STRICT, LATER) == list(middle.files)
    assert [str(v) for v in store.versions("d")] == [names[2], str(back)]


def test_a_lease_ends(store: Store, rows, day) -> None:
    names = overwritten(store, rows, day, 3)
    with store.leased(names[0], "train"):
        assert retention.fates(store.where, "d", STRICT, datetime.datetime.now(datetime.UTC))[0].keep
    assert not retention.fates(store.where, "d", STRICT, datetime.datetime.now(datetime.UTC))[0].keep


def test_orphans_are_swept_after_the_grace_and_nothing_else(store: Store, rows, day) -> None:
    version = store.publish("d", [rows(0, 5)], lineage={}, date=day)
    for name in ("part-dead-0-0000.parquet", "part-fresh-0-0000.parquet"):
        (folder(store) / name).write_bytes(b"PAR1 torn")
    long_ago = datetime.datetime.now().timestamp() - 3 * 86_400
    for path in [folder(store) / "part-dead-0-0000.parquet", *(folder(store) / p for p in version.files)]:
        os.utime(path, (long_ago, long_ago))
    now = datetime.datetime.now(datetime.UTC)
    files = orphans.orphans(store.where, "d", datetime.timedelta(hours=24), now)
    assert [one.path for one in files] == ["part-dead-0-0000.parquet"]
    assert orphans.remove(store.where, files) == 9
    store.verify(version)
    assert (folder(store) / "part-fresh-0-0000.parquet").exists()


@pytest.mark.slow
def test_compaction_keeps_rows_versions_and_idempotence(store: Store, rows, day) -> None:
    versions = [store.publish("d", [rows(n, n + 1)], lineage={}, date=day) for n in range(10)]
    for number in range(10):
        store.append_candidates(rows(number, number + 1), run=f"r{number}", stage="mix")
    before = store.candidates().to_table().sort_by("id")
    for table, schema in (("d", None), (candidates.TABLE, candidates.SCHEMA)):
        small = compaction.small_files(store.where, table)
        assert small is not None
        assert len(small.paths) == 10
        from storage.rows import SCHEMA

        assert compaction.compact(store.where, small, schema or SCHEMA) == 1
        assert len(DeltaTable(store.where.url(table)).file_uris()) == 1
        assert compaction.small_files(store.where, table) is None
    assert store.candidates().to_table().sort_by("id").equals(before)
    assert store.append_candidates(rows(3, 4), run="r3", stage="mix") == 0
    assert check_table(store.where, candidates.TABLE) == 1
    assert store.versions("d") == versions
    for version in versions:
        store.verify(version)
    grown = store.publish("d", [rows(50, 51)], lineage={}, date=day)
    assert (grown.rows, len(grown.files)) == (11, 2)
    store.verify(grown)
    # readers that found the small files just now still have them
    now = datetime.datetime.now(datetime.UTC)
    assert orphans.orphans(store.where, candidates.TABLE, datetime.timedelta(hours=1), now) == []
    swept = orphans.orphans(
        store.where, candidates.TABLE, datetime.timedelta(hours=1), now + datetime.timedelta(hours=2)
    )
    assert len(swept) == 10
    orphans.remove(store.where, swept)
    assert check_table(store.where, candidates.TABLE) == 1
    assert store.candidates().to_table().sort_by("id").equals(before)


@pytest.mark.slow
def test_rows_appended_during_a_compaction_stay(store: Store, rows, monkeypatch) -> None:
    for number in range(8):
        store.append_candidates(rows(number, number + 1), run=f"r{number}", stage="mix")
    write = compaction.write_files

    def slow(*args, **kwargs):
        written = write(*args, **kwargs)
        store.append_candidates(rows(100, 105), run="meanwhile", stage="mix")
        return written

    monkeypatch.setattr(compaction, "write_files", slow)
    compaction.compact(store.where, compaction.small_files(store.where, candidates.TABLE), candidates.SCHEMA)
    assert store.candidates().count_rows() == 13
    assert check_table(store.where, candidates.TABLE) == 2
