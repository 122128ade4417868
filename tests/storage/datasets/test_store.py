"""Publishing and reading versions, one publisher at a time."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable

import storage.datasets.files
from storage.datasets.digest import digest_of_rows
from storage.datasets.gates import Gate, Written
from storage.datasets.store import Store
from storage.datasets.tags import stored
from storage.datasets.versions import next_name
from storage.errors import Conflict, Corrupt, GateFailed, StorageError, VersionNotFound
from storage.reasons import Code, reason
from storage.rows import SCHEMA, reject

LINEAGE = {"inputs": {"seeds": "abc"}, "cost": 0.1, "funnel": [{"stage": "solve", "kept": 3}]}


def test_versions_grow_and_never_change(store: Store, rows, day) -> None:
    assert (store.datasets(), store.versions("math-sft"), store.head("math-sft")) == ([], [], None)
    one = store.publish("math-sft", [rows(0, 10)], lineage=LINEAGE, date=day, expected=None)
    two = store.publish(
        "math-sft", [rows(10, 12), rows(12, 15)], lineage={}, date=day, expected=store.head("math-sft")
    )
    three = store.publish("math-sft", [rows(8, 20)], lineage={}, date=day, mode="overwrite")
    assert [str(v) for v in store.versions("math-sft")] == [
        "math-sft@2026.11.20",
        "math-sft@2026.11.20.2",
        "math-sft@2026.11.20.3",
    ]
    assert [(v.rows, v.added) for v in (one, two, three)] == [(10, 10), (15, 5), (12, 5)]
    assert store.datasets() == ["math-sft"]
    assert store.versions("math-sft") == [one, two, three]
    assert one.lineage == LINEAGE
    for version, first, last in ((one, 0, 10), (two, 0, 15), (three, 8, 20)):
        table = store.read(version)
        assert table.schema.equals(SCHEMA)
        assert table.sort_by("id").equals(rows(first, last).sort_by("id"))
        assert digest_of_rows(table).hex() == version.digest == digest_of_rows(rows(first, last)).hex()
        store.verify(version)
    assert store.added(two).equals(rows(10, 15))
    assert set(store.added(three, ["id"]).column("id").to_pylist()) == set(
        rows(15, 20).column("id").to_pylist()
    )


def test_the_digest_depends_on_the_rows_alone(tmp_path: Path, rows, day) -> None:
    whole, pieces = Store(tmp_path / "a"), Store(tmp_path / "b")
    one = whole.publish("d", [rows(0, 30)], lineage={"a": 1}, date=day)
    pieces.publish("d", [rows(20, 30)], lineage={}, date=day)
    two = pieces.publish("d", [rows(7, 20).take(list(range(12, -1, -1))), rows(0, 7)], lineage={}, date=day)
    assert one.digest == two.digest
    assert pieces.publish("d", [rows(0, 30)], mode="overwrite", lineage={}, date=day).digest == one.digest


@pytest.mark.slow
def test_compaction_changes_neither_digest_nor_versions(store: Store, rows, day) -> None:
    versions = [store.publish("d", [rows(i, i + 3)], lineage={}, date=day) for i in range(0, 9, 3)]
    table = DeltaTable(store.where.url("d"))
    table.optimize.compact()
    (path,) = DeltaTable(store.where.url("d")).file_uris()
    compacted = pa.parquet.read_table(path)
    assert digest_of_rows(compacted).hex() == versions[-1].digest
    assert store.versions("d") == versions
    for version in versions:
        store.verify(version)
    for first in (9, 12):
        last = store.versions("d")[-1]
        assert store.head("d") == last.table_version + 1
        expected = last.table_version if first == 9 else store.head("d")
        with pytest.raises(GateFailed, match="already has"):
            store.publish("d", [rows(first - 1, first + 1)], lineage={}, date=day)
        after = store.publish("d", [rows(first, first + 3)], lineage={}, date=day, expected=expected)
        assert after.rows == first + 3
        assert store.read(after).sort_by("id").equals(rows(0, first + 3).sort_by("id"))
        assert store.added(after).equals(rows(first, first + 3))
        DeltaTable(store.where.url("d")).optimize.compact()
    assert [v.rows for v in store.versions("d")] == [3, 6, 9, 12, 15]
    for version in store.versions("d"):
        store.verify(version)


def test_rows_changed_by_another_program_are_not_built_on(store: Store, rows, day) -> None:
    version = store.publish("d", [rows(0, 5)], lineage={}, date=day)
    DeltaTable(store.where.url("d")).delete("answer = '3'")
    with pytest.raises(Corrupt, match=r"changed after d@2026\.11\.20 by something else"):
        store.publish("d", [rows(5, 6)], lineage={}, date=day)
    store.verify(version)
    assert store.publish("d", [rows(0, 6)], mode="overwrite", lineage={}, date=day).rows == 6


def test_read_columns_filter_and_files(store: Store, rows, day) -> None:
    version = store.publish("d", [rows(0, 50)], lineage={}, date=day)
    table = store.read("d", columns=["id", "language"], filter=pc.field("language") == "zh")
    assert table.schema.names == ["id", "language"]
    assert table.num_rows == 17
    assert sum(pa.parquet.read_table(path).num_rows for path in store.files(version)) == 50
    assert store.scan(str(version)).count_rows() == 50


def test_large_publications_use_both_writers_and_several_files(store: Store, rows, day, monkeypatch) -> None:
    monkeypatch.setattr(storage.datasets.files, "ROW_GROUP", 16)
    monkeypatch.setattr(storage.datasets.files, "ROWS_PER_FILE", 64)

    def pieces() -> Iterator[pa.Table]:
        for start in range(0, 300, 7):
            yield rows(start, min(start + 7, 300))

    version = store.publish("d", pieces(), lineage={}, date=day)
    assert len(store.files(version)) == 6
    assert max(facts["rows"] for facts in version.files.values()) == 64
    table = store.read(version)
    assert table.sort_by("id").equals(rows(0, 300).sort_by("id"))
    again = Store(store.home.root + "-2").publish("d", pieces(), lineage={}, date=day)
    assert [f["blake2b"] for f in again.files.values()] == [f["blake2b"] for f in version.files.values()]


def test_names_of_a_day() -> None:
    day = datetime.date(2026, 1, 2)
    assert next_name(day, []) == "2026.01.02"
    assert next_name(day, {"2026.01.02", "2026.01.02.2"}) == "2026.01.02.3"
    # a clock that was set back, or a machine whose local date is another one
    assert next_name(day, {"2026.01.02", "2026.01.03"}) == "2026.01.03.2"


def bad_rows(rows) -> dict[str, tuple[list[pa.Table], str]]:
    table = rows(0, 4)
    no_id = table.set_column(0, SCHEMA.field("id"), pa.array([None, "a", "b", "c"], pa.string()))
    return {
        "nothing": ([], "no rows were given"),
        "empty": ([rows(0, 0)], "no rows were given"),
        "no id": ([no_id], "1 row without an id"),
        "rejected": (
            [reject(table, [None, reason("verify", Code.NO_ANSWER), None, None])],
            "1 rejected row",
        ),
        "twice": ([table, rows(2, 3)], "1 row with an id of another row"),
        "columns": ([table.drop_columns(["solution"])], r"missing \['solution'\]"),
        "unknown": ([table.append_column("x", pa.nulls(4))], r"unknown \['x'\]"),
        "types": (
            [
                table.set_column(
                    SCHEMA.names.index("difficulty"), "difficulty", pa.array(["hard"] * 4, pa.string())
                )
            ],
            r"do not fit the schema in \['difficulty'\]",
        ),
    }


@pytest.mark.parametrize(
    "case", ["nothing", "empty", "no id", "rejected", "twice", "columns", "unknown", "types"]
)
@pytest.mark.parametrize("there", [False, True])
def test_bad_rows_leave_nothing(store: Store, rows, day, case: str, there: bool) -> None:
    before = [store.publish("d", [rows(100, 110)], lineage={}, date=day)] if there else []
    tables, reason = bad_rows(rows)[case]
    with pytest.raises(StorageError, match=reason) as caught:
        store.publish("d", tables, lineage={}, date=day)
    assert "\n" not in str(caught.value)
    assert store.versions("d") == before
    assert store.datasets() == (["d"] if there else [])
    left = {path.name for path in Path(store.where.url("d")).glob("*.parquet")}
    assert left == {name for version in before for name in version.files}


def test_rows_of_the_version_before_are_not_appended_again(store: Store, rows, day) -> None:
    store.publish("d", [rows(0, 5)], lineage={}, date=day)
    with pytest.raises(GateFailed, match=f"already has, such as {rows(4, 5).column('id')[0]}"):
        store.publish("d", [rows(4, 8)], lineage={}, date=day)
    assert store.publish("d", [rows(4, 8)], lineage={}, date=day, mode="overwrite").added == 3


def test_gates_read_the_written_rows_and_all_report(store: Store, rows, day) -> None:
    seen = []

    def look(written: Written) -> str | None:
        ids = written.read(["id"]).column("id").to_pylist()
        before = [i for batch in written.batches(["id"], before=True) for i in batch.column("id").to_pylist()]
        seen.append((written.rows, written.total, sorted(ids), sorted(before), store.datasets()))
        return None

    def at_least(count: int) -> Gate:
        return Gate("minimum rows", lambda written: None if written.total >= count else "too few rows")

    def never(written: Written) -> str | None:
        return "no reason"

    first, second = rows(0, 4), rows(4, 7)
    store.publish("d", [first], lineage={}, date=day, gates=[Gate("look", look)])
    store.publish("d", [second], lineage={}, date=day, gates=[Gate("look", look), at_least(7)])
    assert [s[:2] for s in seen] == [(4, 4), (3, 7)]
    assert seen[0][2:] == (sorted(first.column("id").to_pylist()), [], [])
    assert seen[1][3] == sorted(first.column("id").to_pylist())
    with pytest.raises(GateFailed) as caught:
        store.publish("d", [rows(7, 8)], lineage={}, date=day, gates=[at_least(9), Gate("never", never)])
    assert [gate for gate, _ in caught.value.failures] == ["minimum rows", "never"]
    assert len(store.versions("d")) == 2


def test_expected_is_compared(store: Store, rows, day) -> None:
    store.publish("d", [rows(0, 1)], lineage={}, date=day, expected=None)
    for stale in (None, 1, 7):
        with pytest.raises(Conflict, match="publish again"):
            store.publish("d", [rows(1, 2)], lineage={}, date=day, expected=stale)
    assert store.publish("d", [rows(1, 2)], lineage={}, date=day, expected=0).rows == 2


def test_another_process_publishes_between_start_and_commit(store: Store, rows, day) -> None:
    def meanwhile(written: Written) -> str | None:
        if not theirs:
            theirs.append(None)
            theirs[0] = store.publish(name, [rows(50, 52)], lineage={}, date=day)
        return None

    for name, there in (("new", False), ("old", True)):
        theirs: list = []
        if there:
            store.publish(name, [rows(90, 91)], lineage={}, date=day)
        with pytest.raises(Conflict, match="publish again"):
            store.publish(name, [rows(0, 3)], lineage={}, date=day, gates=[Gate("meanwhile", meanwhile)])
        assert store.versions(name)[-1] == theirs[0]
        kept = {file for version in store.versions(name) for file in version.files}
        assert {path.name for path in Path(store.where.url(name)).glob("*.parquet")} == kept
        assert store.publish(name, [rows(0, 3)], lineage={}, date=day).rows == theirs[0].rows + 3


def test_errors_of_unknown_names_list_the_known_ones(store: Store, rows, day) -> None:
    with pytest.raises(VersionNotFound, match=r"there is no dataset 'math-sft'\. Fix: make the first"):
        store.resolve("math-sft")
    store.publish("math-sft", [rows(0, 1)], lineage={}, date=day)
    with pytest.raises(VersionNotFound, match="name one of math-sft"):
        store.resolve("math")
    with pytest.raises(VersionNotFound, match=r"\. Fix: name one of the newest: math-sft@2026\.11\.20$"):
        store.read("math-sft@2026.11.21")


@pytest.mark.parametrize("name", ["../x", "..", "a/b", "", "A", "_tags", "a..b", "x" * 101, "rows", "a\n"])
def test_names_that_climb_or_collide_are_refused(store: Store, rows, name: str) -> None:
    for act in (
        lambda: store.publish(name, [rows(0, 1)], lineage={}),
        lambda: store.versions(name),
        lambda: store.resolve(f"{name}@2026.11.20"),
        lambda: store.head(name),
    ):
        with pytest.raises(StorageError, match="dataset name"):
            act()
    assert not Path(store.where.root).exists()


def test_tags_are_derived_from_the_log_again(store: Store, rows, day) -> None:
    versions = [store.publish("d", [rows(i, i + 1)], lineage={"i": i}, date=day) for i in range(3)]
    tags = stored(store.where, "d")
    assert [(t["name"], t["table_version"], t["rows"]) for t in tags] == [
        ("2026.11.20", 0, 1),
        ("2026.11.20.2", 1, 2),
        ("2026.11.20.3", 2, 3),
    ]
    shutil.rmtree(store.where.path("_tags"))
    assert store.versions("d") == versions
    later = store.publish("d", [rows(3, 4)], lineage={}, date=day)
    assert stored(store.where, "d")[:3] == tags
    assert store.versions("d") == [*versions, later]


def test_a_store_moves_with_its_folder(store: Store, rows, day, tmp_path: Path) -> None:
    versions = [store.publish("d", [rows(i, i + 2)], lineage={}, date=day) for i in (0, 2)]
    Path(store.home.root).rename(tmp_path / "moved")
    moved = Store(tmp_path / "moved")
    assert moved.versions("d") == versions
    moved.verify("d")
    assert moved.publish("d", [rows(4, 5)], lineage={}, date=day).rows == 5
