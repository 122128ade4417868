from __future__ import annotations

import multiprocessing
import os
import random
import signal
from pathlib import Path

import pyarrow as pa
import pytest

from storage.indexes import sketches
from storage.indexes.sketches import History, HistoryError, VersionPart, cover
from storage.reasons import Code, reason
from storage.rows import Row, column, reject, to_table

WORDS = [
    a + b for a in ("ka", "to", "mi", "re", "su") for b in ("ban", "dor", "fel", "gim", "hop", "jut", "lor")
]


def night(number: int, rows: int = 6) -> pa.Table:
    rng = random.Random(number)
    return to_table([Row(" ".join(rng.choices(WORDS, k=11)), "en", solution=str(k)) for k in range(rows)])


def build(table: pa.Table) -> dict[str, pa.Array]:
    return {
        "questions": table.column("question").combine_chunks(),
        "sizes": pa.array(range(len(table)), pa.int64()),
    }


def indexed(history: History) -> list[str]:
    return [text for arrays in history.indexes("plain", build) for text in arrays["questions"].to_pylist()]


def test_append_and_read(tmp_path: Path) -> None:
    history = History.open(tmp_path / "h")
    assert (history.version, history.versions, history.questions().num_rows, history.indexes("d", build)) == (
        None,
        [],
        0,
        [],
    )
    history = history.append(night(1), 3).append(night(2), 7)
    assert History.open(tmp_path / "h") == history
    assert (history.version, history.versions) == (7, [3, 7])
    assert sorted(column(history.questions(), "question")) == sorted(
        column(night(1), "question") + column(night(2), "question")
    )
    assert sorted(indexed(history)) == sorted(column(history.questions(), "question"))
    assert History.open(tmp_path / "h", version=6).versions == [3]


def test_one_row_per_question_and_none_that_was_rejected(tmp_path: Path) -> None:
    rows = [Row("q", "en", solution=str(k)) for k in range(3)] + [Row("bad", "en")]
    table = reject(to_table(rows), [None, None, None, reason("verify", Code.NO_ANSWER)])
    stored = History.open(tmp_path).append(table, 1).questions()
    assert column(stored, "question") == ["q"]
    assert column(stored, "id") == [min(row.id for row in rows[:3])]


def test_appending_again(tmp_path: Path) -> None:
    history = History.open(tmp_path).append(night(1), 1)
    assert history.append(night(1), 1).questions().num_rows == 6
    with pytest.raises(HistoryError, match="already has version 1 with other questions. Fix: delete"):
        history.append(night(2), 1)
    empty = History.open(tmp_path).append(night(1).slice(0, 0), 2)
    assert (empty.version, empty.versions) == (2, [1])


@pytest.mark.slow
def test_indexes_are_built_once_and_merged_as_the_history_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[int] = []

    def counting(table: pa.Table) -> dict[str, pa.Array]:
        built.append(len(table))
        return build(table)

    monkeypatch.setattr(sketches, "SMALLEST", 4)
    history = History.open(tmp_path)
    for version in range(1, 19):
        history = history.append(night(version, 4), version)
        arrays = history.indexes("d", counting)
        assert sum(len(index["questions"]) for index in arrays) == 4 * version
        assert len(arrays) < 2 * sketches.FAN
        assert [text for index in arrays for text in index["questions"].to_pylist()] == column(
            history.questions(), "question"
        )
    # each question: once for its night, once for the merge of eight nights
    assert sum(built) <= 18 * 4 * 2
    built.clear()
    history.indexes("d", counting)
    assert built == []
    history.indexes("another definition", counting)
    assert sum(built) == 72


def test_an_index_that_was_deleted_is_made_again(tmp_path: Path) -> None:
    history = History.open(tmp_path).append(night(1), 1)
    before = indexed(history)
    for path in (tmp_path / "_indexes").iterdir():
        path.unlink()
    assert indexed(history) == before


def test_unused_indexes_go(tmp_path: Path) -> None:
    history = History.open(tmp_path).append(night(1), 1)
    indexed(history)
    (old,) = (tmp_path / "_indexes").iterdir()
    os.utime(old, (0, 0))
    (tmp_path / "_indexes" / "killed.partial").touch()
    os.utime(tmp_path / "_indexes" / "killed.partial", (0, 0))
    history = History.open(tmp_path, version=1)
    indexed(history.append(night(2), 2))
    left = list((tmp_path / "_indexes").iterdir())
    assert old in left, "it was opened a moment ago"
    assert not any(path.suffix == ".partial" for path in left)


def test_cover_is_small_and_in_order() -> None:
    rng = random.Random(1)
    for _ in range(50):
        parts = [
            VersionPart(k, rng.choice([1, 100, 5000, 50_000, 3_000_000]), (str(k),))
            for k in range(rng.randint(0, 300))
        ]
        groups = cover(parts)
        assert [part for group in groups for part in group] == parts
        assert len(groups) <= 7 * 6
        assert cover(parts[:-1] if parts else parts) is not None


def _append_many(folder: str, first: int, count: int, ready: object) -> None:
    ready.wait()  # type: ignore[attr-defined]
    for version in range(first, first + count):
        History.open(folder).append(night(version), version)
        indexed(History.open(folder))


@pytest.mark.slow
def test_two_flows_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    flows = [
        context.Process(target=_append_many, args=(str(tmp_path), first, 6, ready)) for first in (1, 101)
    ]
    for flow in flows:
        flow.start()
    ready.set()
    for flow in flows:
        flow.join(60)
        assert flow.exitcode == 0
    history = History.open(tmp_path)
    assert history.versions == [*range(1, 7), *range(101, 107)]
    assert sorted(indexed(history)) == sorted(
        text for v in history.versions for text in column(night(v), "question")
    )


def _append_and_die(folder: str, version: int, at: int) -> None:
    """Die at the `at`-th change of the file system that Python makes while indexing, or after the commit."""
    calls = 0

    def dying(original):  # type: ignore[no-untyped-def]
        def step(*args, **kwargs):  # type: ignore[no-untyped-def]
            nonlocal calls
            calls += 1
            if calls == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args, **kwargs)

        return step

    os.fsync, os.replace, pa.OSFile = dying(os.fsync), dying(os.replace), dying(pa.OSFile)
    sketches.write_deltalake = dying(sketches.write_deltalake)
    sketches.DeltaTable.create = dying(sketches.DeltaTable.create)
    indexed(History.open(folder).append(night(version), version))
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_killed_at_any_step_it_is_as_before_or_as_after(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    seen = set()
    for at in range(1, 7):
        folder = tmp_path / str(at)
        History.open(folder).append(night(1), 1)
        flow = context.Process(target=_append_and_die, args=(str(folder), 2, at))
        flow.start()
        flow.join(60)
        assert flow.exitcode == -signal.SIGKILL
        history = History.open(folder)
        seen.add(tuple(history.versions))
        assert history.versions in ([1], [1, 2])
        expected = [text for v in history.versions for text in column(night(v), "question")]
        assert sorted(indexed(history)) == sorted(expected) == sorted(column(history.questions(), "question"))
        assert History.open(folder).append(night(2), 2).versions == [1, 2]
    assert seen == {(1,), (1, 2)}
