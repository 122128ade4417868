"""The history of a dataset: every question that was ever published, and the indexes over them.

The questions are in an append-only Delta table with one part per version of the dataset. Appending is one Delta commit, so
that after a kill -9 a version's part is complete or absent, and two flows may append at the same time. A history that is
opened at a version has the parts up to that version.

Indexes are derived from the parts and may be deleted at any time. A night adds one small index; eight of about the same size
are merged into one (a log-structured merge tree), so that a question is indexed again only when the history has grown
eightfold. Which parts share an index follows from the list of parts alone.
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

from storage.atomic import replacing
from storage.datasets import seals
from storage.derived_files import DerivedFiles, digest_of_file
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
UNUSED = 30 * 24 * 3600.0  # seconds without use after which an index is deleted

Arrays = Mapping[str, pa.Array]


class HistoryError(ForPeople, RuntimeError):
    """The history cannot be used; the message names the folder, the version and the fix."""


@dataclass(frozen=True, slots=True)
class VersionPart:
    """The questions of one version: their number, and the files that hold them, which never change."""

    version: int
    rows: int
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class History:
    """The questions of a dataset up to and including `version` (None: nothing is published yet).

    It holds only the address, and can be sent to other processes.
    """

    folder: str
    version: int | None = None

    @classmethod
    def open(cls, folder: str | Path, version: int | None = None) -> History:
        """Return the history in `folder` as of `version`; None means the newest version in it."""
        if version is None:
            parts = _parts(str(folder))
            version = parts[-1].version if parts else None
        return cls(str(folder), version)

    @property
    def parts(self) -> list[VersionPart]:
        """The parts up to this version, oldest first."""
        return [
            part for part in _parts(self.folder) if self.version is not None and part.version <= self.version
        ]

    @property
    def versions(self) -> list[int]:
        """The versions that have a part. A published version that is missing was interrupted by a kill: append it again."""
        return [part.version for part in self.parts]

    def questions(self) -> pa.Table:
        """Return one row per distinct question of a version (columns of SKETCH), ordered by version and problem_id."""
        return _read(self.folder, self.versions)

    def append(self, table: pa.Table, version: int) -> History:
        """Add the kept rows of a published version (rows of storage.rows.SCHEMA), and return the history that includes it.

        Appending a version again changes nothing. Raises HistoryError if the version is there with other questions.
        """
        part = _part(table, version)
        DeltaTable.create(self.folder, schema=SKETCH, mode="ignore", partition_by=["version"])
        stored = _read(self.folder, [version])
        if len(stored):
            if not stored.column("problem_id").equals(part.column("problem_id")):
                raise HistoryError(
                    f"history {self.folder} already has version {version} with other questions. "
                    "Fix: delete this folder; the next night makes it again from the published versions"
                )
        elif len(part):
            write_deltalake(self.folder, part, mode="append")
        self._seal()
        return History(self.folder, version if self.version is None else max(version, self.version))

    def _seal(self) -> None:
        folder = Path(self.folder)
        seals.follow(Location.of(folder.parent), folder.name, data=True)

    def indexes(self, definition: str, build: Callable[[pa.Table], Arrays]) -> list[Arrays]:
        """Return the indexes that cover the history, oldest first, memory-mapped. Missing ones are built.

        `build` converts questions (columns of SKETCH) into flat arrays. `definition` identifies everything else on which the
        arrays depend. Two flows that build the same index write the same file. Raises HistoryError if an index is damaged.
        """
        folder = Path(self.folder) / "_indexes"
        indexes = []
        for group in cover(self.parts):
            names = [definition, *(file for part in group for file in part.files)]
            digest = hashlib.sha256("\x1f".join(names).encode()).hexdigest()[:32]
            path = folder / f"{digest}.arrow"
            arrays = _load(path)
            if arrays is None:
                self._store(path, build(_read(self.folder, [part.version for part in group])))
                arrays = _load(path)
                if arrays is None:
                    raise HistoryError(
                        f"index {path} vanished as it was written. Fix: stop the program that deletes files in {folder}"
                    )
                self._delete_unused(folder)
            indexes.append(arrays)
        return indexes

    def _store(self, path: Path, arrays: Arrays) -> None:
        """Write the arrays to one Arrow file of one row, each as a list, which can be mapped without a copy; atomically."""
        lists = {
            name: pa.LargeListArray.from_arrays(pa.array([0, len(values)], pa.int64()), values)
            for name, values in arrays.items()
        }
        batch = pa.record_batch(lists)
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as entered, replacing(path) as temporary:
            with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
                writer.write_batch(batch)
            with open(temporary, "rb+") as file:
                file.write(_trailer(file))
            entered.enter_context(self._files.adding({path: digest_of_file(temporary)}))

    def _delete_unused(self, folder: Path) -> None:
        """Delete indexes that no night has opened for a month, and temporary files of killed writers."""
        limit = time.time() - UNUSED
        unused = []
        for path in folder.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another flow may delete the same file
                if path.stat().st_mtime < limit:
                    unused.append(path)
        self._files.remove(unused)

    @property
    def _files(self) -> DerivedFiles:
        return DerivedFiles(Path(self.folder))


def cover(parts: list[VersionPart]) -> list[list[VersionPart]]:
    """Group the parts that share an index: sizes fall from the oldest group on, with at most FAN - 1 groups per size."""
    stack: list[tuple[int, list[VersionPart]]] = []
    for part in parts:
        size = max(0, int(math.log(max(part.rows, 1) / SMALLEST, FAN)))
        group = [part]
        while stack and stack[-1][0] < size:
            group = stack.pop()[1] + group
        stack.append((size, group))
        while len(stack) >= FAN and stack[-FAN][0] == stack[-1][0]:
            merged = [part for _, members in stack[-FAN:] for part in members]
            stack[-FAN:] = [(stack[-1][0] + 1, merged)]
    return [group for _, group in stack]


def _part(table: pa.Table, version: int) -> pa.Table:
    rows = kept(table).select(["id", "problem_id", "language", "question"])
    # one row per question: the first by id, so that the order of publication does not matter
    rows = rows.sort_by([("problem_id", "ascending"), ("id", "ascending")])
    problem = rows.column("problem_id").combine_chunks()
    fresh = [True, *pc.not_equal(problem[1:], problem[:-1]).to_pylist()] if len(rows) else []
    rows = rows.filter(pa.array(fresh, pa.bool_()))
    return rows.add_column(0, SKETCH.field("version"), pa.array([version] * len(rows), pa.int64())).cast(
        SKETCH
    )


def _exists(folder: str) -> bool:
    return DeltaTable.is_deltatable(folder)


def _parts(folder: str) -> list[VersionPart]:
    if not _exists(folder):
        return []
    actions = pa.table(DeltaTable(folder).get_add_actions(flatten=True)).select(
        ["partition.version", "num_records", "path"]
    )
    files_by_version: dict[int, list[tuple[str, int]]] = {}
    for version, rows, path in zip(*(column.to_pylist() for column in actions.columns), strict=True):
        files_by_version.setdefault(int(version), []).append((str(path), int(rows)))
    return [
        VersionPart(version, sum(rows for _, rows in files), tuple(sorted(path for path, _ in files)))
        for version, files in sorted(files_by_version.items())
    ]


def _read(folder: str, versions: list[int]) -> pa.Table:
    if not versions or not _exists(folder):
        return SKETCH.empty_table()
    condition = pc.field("version").isin(versions)
    questions = DeltaTable(folder).to_pyarrow_dataset().to_table(filter=condition, columns=SKETCH.names)
    return questions.cast(SKETCH).sort_by([("version", "ascending"), ("problem_id", "ascending")])


def _load(path: Path) -> Arrays | None:
    try:
        source = pa.memory_map(str(path))
    except FileNotFoundError:
        return None
    mapped = source.read_buffer()
    if mapped.size < _TRAILER or mapped[-_TRAILER:][: len(_MAGIC)].to_pybytes() != _MAGIC:
        return None  # written by an earlier version, or truncated: it is built again
    os.utime(path)  # marks it as used: see History._delete_unused
    try:
        batch = pa.ipc.open_file(pa.BufferReader(mapped[:-_TRAILER])).get_batch(0)
    except (OSError, pa.ArrowException) as error:
        raise HistoryError(
            f"index {path} is damaged ({in_one_line(error)}). Fix: delete it, it is made again"
        ) from error
    return {name: batch.column(name).values for name in batch.schema.names}


def check_indexes(folder: Path) -> tuple[int, list[str]]:
    """Return the number of indexes of the history in `folder`, and a line per index that is missing or was altered.

    Indexes of an earlier version, which are not in the catalogue, are compared with their trailers.
    """
    files = DerivedFiles(folder)
    findings, named = files.check(), files.names()
    paths = sorted((folder / "_indexes").glob("*.arrow"))
    for path in paths:
        if path.relative_to(folder).as_posix() in named:
            continue
        with (
            contextlib.suppress(FileNotFoundError),  # another process may delete it meanwhile
            open(path, "rb") as file,
        ):
            file.seek(max(0, path.stat().st_size - _TRAILER))
            end = file.read()
            if end.endswith(b"ARROW1"):  # without a seal: it is built again when it is needed
                continue
            if end != _trailer(file, without=_TRAILER):
                findings.append(f"{folder.name}/_indexes/{path.name} was altered")
    return len(paths), findings


_MAGIC = b"mathmill"
_SEAL = 32
_TRAILER = len(_MAGIC) + _SEAL  # bytes after the Arrow file: its seal


def _trailer(file: IO[bytes], without: int = 0) -> bytes:
    """Return the trailer of an index file, a seal of the bytes before it. Moves the file position to the end."""
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
