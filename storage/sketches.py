"""The history of a dataset: every question ever published, as an append-only Delta table.

A part belongs to a version of the dataset. Appending is one Delta commit, so after a kill -9 a version's
part is there or not, and two flows may append at once. Opening at a version sees the parts up to
it; rolling back deletes the later ones in one commit. Rebuilding from the published tables writes the same parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable, write_deltalake

from storage.rows import kept

SKETCH = pa.schema(
    [
        ("version", pa.int64()),
        ("id", pa.string()),
        ("problem_id", pa.string()),
        ("language", pa.string()),
        ("question", pa.string()),
    ]
)


class HistoryError(RuntimeError):
    """A history that cannot be used as asked; the message names the folder, the version and the mend."""


@dataclass(frozen=True, slots=True)
class History:
    """One dataset's questions up to and with `version` (None: nothing published yet). A value: it holds
    the address only, and can travel to other processes."""

    folder: str
    version: int | None = None

    @classmethod
    def open(cls, folder: str | Path, version: int | None = None) -> History:
        """The history in `folder` as of `version`; None means the newest that is there."""
        if version is None:
            versions = _versions(str(folder))
            version = versions[-1] if versions else None
        return cls(str(folder), version)

    @property
    def versions(self) -> list[int]:
        """The versions that have a part, up to this one. One that is published but missing here was
        cut off between the two: append it again."""
        return [
            version
            for version in _versions(self.folder)
            if self.version is not None and version <= self.version
        ]

    def questions(self) -> pa.Table:
        """Columns of SKETCH, one row a distinct question, by version."""
        if self.version is None or not _exists(self.folder):
            return SKETCH.empty_table()
        found = _read(self.folder, pc.field("version") <= self.version)
        return found.sort_by([("version", "ascending"), ("problem_id", "ascending")])

    def append(self, table: pa.Table, version: int) -> History:
        """Add the kept rows of a published version (rows of storage.rows.SCHEMA); the history with it.
        Appending a version again changes nothing; with other questions it is a HistoryError."""
        part = _part(table, version)
        DeltaTable.create(self.folder, schema=SKETCH, mode="ignore", partition_by=["version"])
        there = _read(self.folder, pc.field("version") == version)
        if len(there):
            if sorted(there.column("problem_id").to_pylist()) != sorted(
                part.column("problem_id").to_pylist()
            ):
                raise HistoryError(
                    f"history {self.folder} already has version {version} with other questions: "
                    "roll it back first, or rebuild it from the published versions"
                )
        elif len(part):
            write_deltalake(self.folder, part, mode="append")
        return History(self.folder, max(version, self.version if self.version is not None else version))

    def rebuild(self, tables: Mapping[int, pa.Table]) -> History:
        """Replace everything by the given published versions, in one commit."""
        parts = [_part(table, version) for version, table in sorted(tables.items())]
        data = pa.concat_tables(parts) if parts else SKETCH.empty_table()
        write_deltalake(self.folder, data, mode="overwrite", partition_by=["version"])
        return History(self.folder, max(tables) if tables else None)

    def rollback(self, version: int) -> History:
        """Forget every version after `version`, in one commit."""
        if _exists(self.folder):
            DeltaTable(self.folder).delete(f"version > {int(version)}")
        return History(self.folder, version)


def _part(table: pa.Table, version: int) -> pa.Table:
    rows = kept(table).select(["id", "problem_id", "language", "question"])
    # one row a question: the first by id, whatever order the rows were published in
    rows = rows.sort_by([("problem_id", "ascending"), ("id", "ascending")])
    problem = rows.column("problem_id").combine_chunks()
    fresh = [True, *pc.not_equal(problem[1:], problem[:-1]).to_pylist()] if len(rows) else []
    rows = rows.filter(pa.array(fresh, pa.bool_()))
    return rows.add_column(0, SKETCH.field("version"), pa.array([version] * len(rows), pa.int64())).cast(
        SKETCH
    )


def _exists(folder: str) -> bool:
    return DeltaTable.is_deltatable(folder)


def _versions(folder: str) -> list[int]:
    if not _exists(folder):
        return []
    actions = pa.table(DeltaTable(folder).get_add_actions(flatten=True))
    return sorted({int(value) for value in actions.column("partition.version").to_pylist()})


def _read(folder: str, condition: ds.Expression) -> pa.Table:
    found: pa.Table = DeltaTable(folder).to_pyarrow_dataset().to_table(filter=condition, columns=SKETCH.names)
    return found.cast(SKETCH)
