"""An interrupt that comes when a commit is already made removes no file that the commit names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from storage.datasets import candidates, compaction, numbered, seals
from storage.datasets.judgements import RowJudgement, RowOpinion
from storage.datasets.store import Store


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return a function after whose call the writing of seals, which follows a commit, is interrupted once."""

    def begin() -> None:
        follow = seals.follow

        def interrupt(*arguments: object, **options: object) -> None:
            monkeypatch.setattr(seals, "follow", follow)
            raise KeyboardInterrupt

        monkeypatch.setattr(seals, "follow", interrupt)

    return begin


def test_a_compaction(store: Store, rows, interrupted: Callable[[], None]) -> None:
    for number in range(9):
        store.append_candidates(rows(number, number + 1), run=f"r{number}", stage="mix")
    before = store.candidates().to_table().sort_by("id")
    small = compaction.small_files(store.where, candidates.TABLE)
    assert small is not None
    interrupted()
    with pytest.raises(KeyboardInterrupt):
        compaction.compact(store.where, small, candidates.SCHEMA)
    assert store.candidates().to_table().sort_by("id").equals(before)
    assert compaction.small_files(store.where, candidates.TABLE) is None


def test_candidates(store: Store, rows, interrupted: Callable[[], None]) -> None:
    interrupted()
    with pytest.raises(KeyboardInterrupt):
        store.append_candidates(rows(0, 3), run="r", stage="mix")
    assert store.candidates().count_rows() == 3
    assert store.append_candidates(rows(0, 3), run="r", stage="mix") == 0


def test_judgements(store: Store, rows, day, interrupted: Callable[[], None]) -> None:
    version = store.publish("d", [rows(0, 3)], lineage={}, date=day)
    interrupted()
    with pytest.raises(KeyboardInterrupt):
        store.judge(version, [RowJudgement("r", "ann", RowOpinion.RIGHT)])
    assert [one.reviewer for one in store.judgements("d")] == ["ann"]


def test_files_that_no_commit_names_are_removed(
    store: Store, rows, day, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = store.publish("d", [rows(0, 3)], lineage={}, date=day)

    def fails(*arguments: object, **options: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(numbered.delta, "commit", fails)
    with pytest.raises(OSError, match="full"):
        store.judge(version, [RowJudgement("r", "ann", RowOpinion.RIGHT)])
    assert [path for path in tmp_path.rglob("*.parquet") if "judgements" in str(path)] == []
