"""Judgements of rows are appended durably, all or none, and none is lost where several reviewers write at once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from storage.datasets import judgements
from storage.datasets.compaction import compact, small_files
from storage.datasets.judgements import RowJudgement, RowOpinion
from storage.datasets.store import Store
from storage.datasets.verify import check_tables
from storage.errors import StorageError


def test_judgements_come_back_in_order_with_who_and_when(store: Store, rows, day) -> None:
    version = store.publish("d", [rows(0, 3)], lineage={}, date=day)
    other = store.publish("e", [rows(0, 3)], lineage={}, date=day)
    first, second, third = store.read(version, ["id"]).column("id").to_pylist()
    store.judge(
        version,
        [
            RowJudgement(first, "ada", RowOpinion.RIGHT),
            RowJudgement(second, "ada", RowOpinion.WRONG, comment="2 + 2 = 4", answer="4"),
        ],
    )
    store.judge(version, [RowJudgement(first, "ben", RowOpinion.UNCLEAR, at="2026-11-20T00:00:00+00:00")])
    store.judge(other, [RowJudgement(third, "ada", RowOpinion.SKIP)])
    given = store.judgements("d")
    assert [(one.row, one.reviewer, one.opinion, one.edits) for one in given] == [
        (first, "ada", RowOpinion.RIGHT, False),
        (second, "ada", RowOpinion.WRONG, True),
        (first, "ben", RowOpinion.UNCLEAR, False),
    ]
    assert given[1].comment == "2 + 2 = 4"
    assert given[2].at == "2026-11-20T00:00:00+00:00"
    assert all(one.version == version.name and one.at for one in given)
    assert store.judge(version, []) == []


def test_a_judgement_without_a_usable_name_is_refused_and_none_of_its_commit_is_stored(
    store: Store, rows, day
) -> None:
    version = store.publish("d", [rows(0, 3)], lineage={}, date=day)
    for name in (" ", "x" * 201, "a\x1b[2Jb"):
        with pytest.raises(StorageError, match="no name of a reviewer"):
            store.judge(
                version,
                [RowJudgement("a", "ada", RowOpinion.RIGHT), RowJudgement("b", name, RowOpinion.RIGHT)],
            )
    assert store.judgements("d") == []


@pytest.mark.slow
def test_reviewers_at_once_lose_nothing_and_the_log_is_sealed_and_compacted(
    store: Store, rows, day, tmp_path: Path
) -> None:
    version = store.publish("d", [rows(0, 3)], lineage={}, date=day)
    threads = [
        threading.Thread(target=store.judge, args=(version, [RowJudgement("r", f"n{i}", RowOpinion.RIGHT)]))
        for i in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    given = store.judgements("d")
    assert sorted(one.reviewer for one in given) == [f"n{i}" for i in range(8)]
    assert len({one.number for one in given}) == 8
    assert check_tables(store.where)[judgements.TABLE] == []
    small = small_files(store.where, judgements.TABLE)
    assert small is not None
    compact(store.where, small, judgements.SCHEMA)
    assert store.judgements("d") == given
    assert check_tables(store.where)[judgements.TABLE] == []
