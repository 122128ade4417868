"""The history of a dataset: every question ever published, and the indexes made from them.

The truth is an append-only Delta table, one part a version of the dataset. Appending is one Delta commit: after
a kill -9 a version's part is there or not, and two flows may append at once. Opening at a version sees the
parts up to it; rolling back deletes the later ones in one commit.

Indexes are derived from the parts and may be deleted at any time. A night adds one small index; eight of
about a size are merged into one (a log-structured merge tree), so each question is indexed again only as often as the
history grows eightfold. Which parts share an index follows from the list of parts alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, write_deltalake

from storage.datasets import seals
from storage.errors import ForPeople, in_one_line
from storage.location import Location
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
FAN = 8  # indexes of one size that become one of the next
SMALLEST = 4096  # questions of an index of the first size
UNUSED = 30 * 24 * 3600.0  # seconds after which an index that nobody opened is deleted

Arrays = Mapping[str, pa.Array]


class HistoryError(ForPeople, RuntimeError):
    """A history that cannot be used as asked; the message names the folder, the version and the mend."""


@dataclass(frozen=True, slots=True)
class Part:
    """The questions of one version: how many, and the files that hold them (never changed)."""

    version: int
    rows: int
    files: tuple[str, ...]


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
            parts = _parts(str(folder))
            version = parts[-1].version if parts else None
        return cls(str(folder), version)

    @property
    def parts(self) -> list[Part]:
        """The parts up to this version, oldest first."""
        return [
            part for part in _parts(self.folder) if self.version is not None and part.version <= self.version
        ]

    @property
    def versions(self) -> list[int]:
        """The versions that have a part. One that is published but missing here was cut off between the two:
        append it again."""
        return [part.version for part in self.parts]

    def questions(self) -> pa.Table:
        """Columns of SKETCH, one row a distinct question of a version, by version and problem_id."""
        return _read(self.folder, self.versions)

    def append(self, table: pa.Table, version: int) -> History:
        """Add the kept rows of a published version (rows of storage.rows.SCHEMA); the history with it.
        Appending a version again changes nothing; with other questions it is a HistoryError."""
        part = _part(table, version)
        DeltaTable.create(self.folder, schema=SKETCH, mode="ignore", partition_by=["version"])
        there = _read(self.folder, [version])
        if len(there):
            if not there.column("problem_id").equals(part.column("problem_id")):
                raise HistoryError(
                    f"history {self.folder} already has version {version} with other questions: "
                    "roll it back first, or rebuild it from the published versions"
                )
        elif len(part):
            write_deltalake(self.folder, part, mode="append")
        self._seal()
        return History(self.folder, version if self.version is None else max(version, self.version))

    def rebuild(self, tables: Mapping[int, pa.Table]) -> History:
        """Replace everything by the given published versions, in one commit."""
        parts = [_part(table, version) for version, table in sorted(tables.items())]
        data = pa.concat_tables([SKETCH.empty_table(), *parts])
        write_deltalake(self.folder, data, mode="overwrite", partition_by=["version"])
        self._seal()
        return History(self.folder, max(tables) if tables else None)

    def rollback(self, version: int) -> History:
        """Forget every version after `version`, in one commit."""
        if _exists(self.folder):
            DeltaTable(self.folder).delete(f"version > {int(version)}")
            self._seal()
        return History(self.folder, version)

    def _seal(self) -> None:
        folder = Path(self.folder)
        seals.follow(Location.of(folder.parent), folder.name, data=True)

    def indexes(self, definition: str, build: Callable[[pa.Table], Arrays]) -> list[Arrays]:
        """The indexes that cover the history, oldest first, memory-mapped; those that are missing are built.

        `build` turns questions (columns of SKETCH) into flat arrays; `definition` names everything but the
        questions that decides them. Two flows that build the same index write the same file.
        """
        folder = Path(self.folder) / "_indexes"
        found = []
        for group in cover(self.parts):
            names = [definition, *(file for part in group for file in part.files)]
            digest = hashlib.sha256("\x1f".join(names).encode()).hexdigest()[:32]
            path = folder / f"{digest}.arrow"
            arrays = _load(path)
            if arrays is None:
                _store(path, build(_read(self.folder, [part.version for part in group])))
                arrays = _load(path)
                if arrays is None:
                    raise HistoryError(
                        f"index {path} vanished as it was written: is another program cleaning {folder}?"
                    )
                _sweep(folder)
            found.append(arrays)
        return found


def cover(parts: list[Part]) -> list[list[Part]]:
    """Which parts share an index: sizes fall from the oldest on, at most FAN - 1 of a size."""
    stack: list[tuple[int, list[Part]]] = []
    for part in parts:
        size = max(0, int(math.log(max(part.rows, 1) / SMALLEST, FAN)))
        group = [part]
        while stack and stack[-1][0] < size:
            group = stack.pop()[1] + group
        stack.append((size, group))
        while len(stack) >= FAN and stack[-FAN][0] == stack[-1][0]:
            merged = [part for _, some in stack[-FAN:] for part in some]
            stack[-FAN:] = [(stack[-1][0] + 1, merged)]
    return [group for _, group in stack]


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


def _parts(folder: str) -> list[Part]:
    if not _exists(folder):
        return []
    actions = pa.table(DeltaTable(folder).get_add_actions(flatten=True)).select(
        ["partition.version", "num_records", "path"]
    )
    found: dict[int, list[tuple[str, int]]] = {}
    for version, rows, path in zip(*(column.to_pylist() for column in actions.columns), strict=True):
        found.setdefault(int(version), []).append((str(path), int(rows)))
    return [
        Part(version, sum(rows for _, rows in files), tuple(sorted(path for path, _ in files)))
        for version, files in sorted(found.items())
    ]


def _read(folder: str, versions: list[int]) -> pa.Table:
    if not versions or not _exists(folder):
        return SKETCH.empty_table()
    wanted = pc.field("version").isin(versions)
    found = DeltaTable(folder).to_pyarrow_dataset().to_table(filter=wanted, columns=SKETCH.names)
    return found.cast(SKETCH).sort_by([("version", "ascending"), ("problem_id", "ascending")])


def _store(path: Path, arrays: Arrays) -> None:
    """All arrays in one Arrow file of one row, each a list: complete or absent, mapped without copying."""
    lists = {
        name: pa.LargeListArray.from_arrays(pa.array([0, len(values)], pa.int64()), values)
        for name, values in arrays.items()
    }
    batch = pa.record_batch(lists)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.{time.monotonic_ns()}.partial")
    try:
        with pa.OSFile(str(partial), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
            writer.write_batch(batch)
        with open(partial, "rb+") as file:
            file.write(_trailer(file))
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _load(path: Path) -> Arrays | None:
    try:
        source = pa.memory_map(str(path))
    except FileNotFoundError:
        return None
    mapped = source.read_buffer()
    if mapped.size < _TRAILER or mapped[-_TRAILER:][: len(_MAGIC)].to_pybytes() != _MAGIC:
        return None  # of an earlier version, or cut: made again
    os.utime(path)  # in use: see _sweep
    try:
        batch = pa.ipc.open_file(pa.BufferReader(mapped[:-_TRAILER])).get_batch(0)
    except (OSError, pa.ArrowException) as error:
        raise HistoryError(
            f"index {path} is damaged ({in_one_line(error)}). Fix: delete it, it is made again"
        ) from error
    return {name: batch.column(name).values for name in batch.schema.names}


def check_indexes(folder: Path) -> tuple[int, list[str]]:
    """How many indexes the history in `folder` has, and a line for each that was altered.

    Not seen: one that is gone. It is made again."""
    found = []
    paths = sorted((folder / "_indexes").glob("*.arrow"))
    for path in paths:
        with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:  # swept meanwhile
            file.seek(max(0, path.stat().st_size - _TRAILER))
            end = file.read()
            if end.endswith(
                b"ARROW1"
            ):  # of an earlier version, without a seal: made again when it is asked for
                continue
            if end != _trailer(file, without=_TRAILER):
                found.append(f"{folder.name}/_indexes/{path.name} was altered")
    return len(paths), found


_MAGIC = b"mathmill"
_SEAL = 32
_TRAILER = len(_MAGIC) + _SEAL  # bytes after the Arrow file: its seal


def _trailer(file: IO[bytes], without: int = 0) -> bytes:
    """What stands after an index in its file: a seal of everything before it. Leaves the file at its end."""
    size = file.seek(0, os.SEEK_END) - without
    file.seek(0)
    seal, left = hashlib.blake2b(digest_size=_SEAL), size
    while left:
        part = file.read(min(left, 1 << 20))
        if not part:
            break
        seal.update(part)
        left -= len(part)
    file.seek(0, os.SEEK_END)
    return _MAGIC + seal.digest()


def _sweep(folder: Path) -> None:
    """Delete indexes that no night opened for a month, and what killed writers left."""
    limit = time.time() - UNUSED
    for path in folder.iterdir():
        # another flow may sweep at the same time
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < limit:
                path.unlink()
