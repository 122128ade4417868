"""Schema evolution: old versions are read with a new column as null, any other change needs a migration."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from storage.datasets import evolution
from storage.datasets import store as datasets
from storage.datasets.evolution import new_columns
from storage.datasets.store import Store
from storage.errors import StorageError
from storage.rows import SCHEMA

STORED = Path(__file__).resolve().parents[2] / "data" / "version-1"
WIDER = pa.schema([*SCHEMA, ("teacher_notes", pa.string()), ("steps", pa.list_(pa.int32()))])


def wider(table: pa.Table, note: str | None) -> pa.Table:
    notes = pa.repeat(pa.scalar(note, pa.string()), table.num_rows)
    return table.append_column("teacher_notes", notes).append_column(
        WIDER.field("steps"), pa.array([[1, 2]] * table.num_rows, pa.list_(pa.int32()))
    )


@pytest.fixture
def old(tmp_path: Path) -> Store:
    """A home with a version that an earlier mathmill stored (this repository's first format)."""
    shutil.copytree(STORED, tmp_path / "home" / "tables")
    return Store(tmp_path / "home")


def test_a_stored_version_of_format_1_is_read_for_ever(old: Store) -> None:
    version = old.resolve("old-math@2026.11.21")
    assert (version.rows, version.major) == (6, 1)
    assert version.digest == "22ce55b2201f2f91027c0076593402b08c23894d22a102fa229d2450aea8c53b"
    old.verify(version)
    assert old.read(version, ["question"]).column("question").to_pylist()[0].startswith("What is")


def test_the_schema_is_the_stored_one_and_optional_columns(old: Store) -> None:
    stored = pa.schema(DeltaTable(old.where.url("old-math")).schema().to_arrow())
    if evolution.MAJOR == 1:
        new_columns(stored, SCHEMA)  # raises where a release broke the promise without a new major


def test_a_new_column_joins_and_old_versions_read_it_as_null(old: Store, rows, day, monkeypatch) -> None:
    before = old.resolve("old-math")
    monkeypatch.setattr(datasets, "SCHEMA", WIDER)
    after = old.publish("old-math", [wider(rows(100, 103), "new")], lineage={}, date=day)
    assert old.read(before, ["teacher_notes"]).column("teacher_notes").to_pylist() == [None] * 6
    notes = old.read(after, ["teacher_notes"]).column("teacher_notes").to_pylist()
    assert sorted(notes, key=str) == [None] * 6 + ["new"] * 3
    for version in (before, after):
        old.verify(version)
    # other readers of the table (Spark, DuckDB) see the column too, and none twice
    assert [f.name for f in DeltaTable(old.where.url("old-math")).schema().fields] == WIDER.names
    again = old.publish("old-math", [wider(rows(200, 201), None)], lineage={}, date=day)
    assert (again.rows, again.table_version) == (10, after.table_version + 1)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (pa.schema([f for f in SCHEMA if f.name != "critique"]), r"gone \['critique'\]"),
        (
            pa.schema([pa.field(f.name, pa.int64()) if f.name == "answer" else f for f in SCHEMA]),
            r"\['answer'\]",
        ),
        (pa.schema([*SCHEMA, pa.field("must", pa.string(), nullable=False)]), r"\['must'\]"),
    ],
)
def test_any_other_change_is_refused(schema: pa.Schema, message: str) -> None:
    with pytest.raises(StorageError, match=message):
        new_columns(SCHEMA, schema)


def test_a_new_major_migrates_and_leaves_the_old_version(old: Store, rows, day, monkeypatch) -> None:
    """Format 2 calls `reference_answer` `gold`."""
    before = old.resolve("old-math")
    new = pa.schema([pa.field("gold", f.type) if f.name == "reference_answer" else f for f in SCHEMA])
    monkeypatch.setattr(evolution, "MAJOR", 2)
    monkeypatch.setattr(datasets, "SCHEMA", new)
    with pytest.raises(
        StorageError, match=r"format 1, this program reads 2. Fix: `\./mathmill migrate old-math`"
    ):
        old.read("old-math")
    with pytest.raises(StorageError, match="migrate old-math"):
        old.publish("old-math", [rows(0, 1)], lineage={}, date=day)
    with pytest.raises(StorageError, match="no migration from format 1 to 2"):
        old.migrate("old-math", lineage={}, date=day)

    def renamed(table: pa.Table) -> pa.Table:
        columns = dict(zip(table.column_names, table.columns, strict=True))
        columns["gold"] = columns.pop("reference_answer")
        count = table.num_rows
        return pa.table([columns.get(f.name, pa.nulls(count, f.type)) for f in new], schema=new)

    monkeypatch.setattr(evolution, "MIGRATIONS", {1: renamed})
    after = old.migrate("old-math", lineage={"flow": "migrate", "base": str(before)}, date=day)
    assert (after.major, after.rows, after.added) == (2, 6, 0)
    assert old.read(after, ["gold"]).num_rows == 6
    old.verify(after)
    old.verify(before)
    monkeypatch.undo()
    assert old.read(before, ["reference_answer"]).num_rows == 6
    with pytest.raises(StorageError, match="update mathmill"):
        old.read(after)
