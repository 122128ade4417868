"""A process reads each file of a log once, and sees what is added, joined or altered."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from storage.datasets import delta, log_rows, numbered
from storage.datasets.annotations import SCHEMA, TABLE, mark, marks, marks_of_all
from storage.datasets.log_rows import rows_of
from storage.errors import Corrupt
from storage.location import Location


@pytest.fixture
def read_files(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of the files that are read from now on."""
    read: list[str] = []
    scan = delta.scan

    def spied(where: Location, table: str, paths: list[str], schema: pa.Schema) -> object:
        read.extend(paths)
        return scan(where, table, paths, schema)

    monkeypatch.setattr(log_rows.delta, "scan", spied)
    return read


def test_a_file_is_read_once_and_new_ones_are_seen(tmp_path: Path, read_files: list[str]) -> None:
    where = Location.of(tmp_path)
    for number in range(3):
        mark(where, "one", f"v{number}", "tag", {"tag": "candidate"})
        assert [one.version for one in marks(where, "one")] == [f"v{at}" for at in range(number + 1)]
    assert len(read_files) == len(set(read_files)) == 3
    mark(where, "other", "v0", "lease", {})
    assert [one.number for one in marks(where, "one")] == [0, 1, 2]
    assert {name: len(own) for name, own in marks_of_all(where).items()} == {"one": 3, "other": 1}
    assert set(marks_of_all(where, "lease")) == {"other"}
    assert len(read_files) == 4


def test_files_that_were_joined_are_read_again(tmp_path: Path, read_files: list[str]) -> None:
    where = Location.of(tmp_path)
    for number in range(3):
        mark(where, "one", f"v{number}", "tag", {})
    paths = delta.files_of(delta.open_table(where.url(TABLE)))  # type: ignore[arg-type]
    whole = rows_of(where, TABLE, paths, SCHEMA)
    assert rows_of(where, TABLE, paths[1:], SCHEMA).equals(whole.slice(1))
    assert rows_of(where, TABLE, paths, SCHEMA).equals(whole)
    assert rows_of(where, TABLE, [], SCHEMA).num_rows == 0


def test_a_file_that_was_altered_or_removed_is_noticed(tmp_path: Path) -> None:
    where = Location.of(tmp_path)
    mark(where, "one", "v0", "tag", {})
    (path,) = delta.files_of(delta.open_table(where.url(TABLE)))  # type: ignore[arg-type]
    assert rows_of(where, TABLE, [path], SCHEMA).num_rows == 1
    Path(where.path(TABLE, path)).write_bytes(b"PAR1")
    with pytest.raises(Corrupt, match="was altered"):
        marks(where, "one")
    Path(where.path(TABLE, path)).unlink()
    with pytest.raises(Corrupt, match="is missing"):
        marks(where, "one")


def test_the_rows_of_a_few_tables_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_rows, "MOST", 2)
    monkeypatch.setattr(log_rows, "_kept", {})
    for name in ("a", "b", "c"):
        where = Location.of(tmp_path / name)
        mark(where, "one", "v0", "tag", {})
        assert numbered.read(where, TABLE, SCHEMA, pc.scalar(True))
    assert len(log_rows._kept) == 2
