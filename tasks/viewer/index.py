"""The rows of a store in a DuckDB database, so that a page or a facet of a million rows takes a fraction of a second.

The database holds a copy of the rows of each Parquet file, once per file however many versions have the file. Files never change, so
a version needs only those of its files that were not copied yet. The copy is derived data: it may be deleted at any time, and is made
again. One process at a time uses a database.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from storage import reasons
from storage.datasets.candidates import SCHEMA as CANDIDATE
from storage.datasets.candidates import TABLE as CANDIDATES
from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.errors import StorageError

FORMAT = 3  # of the database; another one is deleted and made again
NAME = "rows.duckdb"
_PLACE = ("n", "file")  # columns before those of a candidate: the row's number, and the number of its file
# columns behind them; `outcome` is what became of a row that is not kept
_OWN = ("code", "dropped_by", "solution_length", "reasoning_length", "text", "outcome")
EVALUATED = "critic"  # the name of the score that `critic evaluate` gave
REJECTED, NOT_TAKEN, FAILED = "rejected", "not taken", "failed"  # values of `outcome`
_OUTCOME = (
    f"CASE WHEN rejected IS NULL THEN NULL WHEN reason.failed THEN '{FAILED}' WHEN reason.code IN "
    f"({', '.join(repr(code.value) for code in sorted(reasons.NOT_TAKEN))}) THEN '{NOT_TAKEN}' ELSE '{REJECTED}' END"
)


class IndexInUse(StorageError):
    """Another process uses the database of this home."""


@dataclass(frozen=True, slots=True)
class CopiedFile:
    """A file of the store whose rows are in the database, as those with the numbers from `first` on."""

    number: int
    table: str
    name: str
    first: int
    rows: int


@dataclass(frozen=True, slots=True)
class RowScope:
    """The rows that a page is about, as a condition of SQL with its values.

    `name` is that of the version. `dropped`: the rows that its run dropped, instead of those that it has. `files`: the files of
    which all rows of the scope are.
    """

    name: str
    dropped: bool
    where: str
    values: tuple[Any, ...]
    files: tuple[CopiedFile, ...] = ()


class RowIndex:
    """The database of a home; thread-safe. `memory` is the limit of DuckDB, such as 2GB.

    Raises IndexInUse if another process has it open.
    """

    def __init__(self, store: Store, folder: Path, *, memory: str = "2GB") -> None:
        self.store = store
        self.folder = folder
        self._lock = threading.Lock()
        self._files: dict[tuple[str, str], CopiedFile] = {}
        self._scored = (
            -1,
            0,
        )  # the head of the log of later scores, and the files, that the rows' scores are of
        self.revision = 0  # grows whenever rows that are there already change
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / NAME
        self._connection = _opened(path, memory)
        if not self._is_current():
            self._connection.close()
            path.unlink()
            self._connection = _opened(path, memory)
            self._create()
        for record in self._connection.execute("SELECT * FROM files").fetchall():
            file = CopiedFile(*record)
            self._files[file.table, file.name] = file

    def close(self) -> None:
        """Close the database, so that another process can open it."""
        self._connection.close()

    def kept(self, version: Version) -> RowScope:
        """Return the rows of a version, after copying those that are not in the database yet."""
        self._copy(
            version.dataset,
            list(version.files),
            lambda name: self.store.batches(version, files=[name], size=65_536),
        )
        self._add_critic_scores()
        return self._scope(version, dropped=False)

    def dropped(self, version: Version) -> RowScope:
        """Return the rows that the run of a version dropped, likewise."""
        self._copy_candidates()
        self._add_critic_scores()
        return self._scope(version, dropped=True)

    def everything(self) -> None:
        """Copy all rows and candidates of the store that are not in the database yet."""
        for version in self.store.every_version():
            self.kept(version)
        self._copy_candidates()
        self._add_critic_scores()

    def _copy_candidates(self) -> None:
        self._copy(
            CANDIDATES, self.store.candidate_files(), lambda name: self.store.candidate_batches([name])
        )

    def _add_critic_scores(self) -> None:
        """Put what critics said of rows after their publication among their scores, under the name EVALUATED."""
        now = (self.store.critic_scores_head(), len(self._files))
        if now[0] < 0 or now == self._scored:
            return
        with self._lock, self._connection.cursor() as cursor:
            listed = [(one.row, one.score) for one in self.store.critic_scores().values()]
            incoming = pa.table({"row": [row for row, _ in listed], "score": [score for _, score in listed]})
            cursor.register("incoming_scores", incoming)
            try:
                cursor.execute(
                    f"UPDATE rows SET scores = map_concat(coalesce(scores, MAP {{}}), MAP {{'{EVALUATED}': s.score::FLOAT}}) "
                    "FROM incoming_scores AS s WHERE rows.id = s.row"
                )
            finally:
                cursor.unregister("incoming_scores")
            self._scored = now
            self.revision += 1

    def _scope(self, version: Version, *, dropped: bool) -> RowScope:
        if dropped:
            run = str(version.lineage.get("run", version))
            files = tuple(file for (table, _), file in list(self._files.items()) if table == CANDIDATES)
            where = f"{_among(files)} AND run = ? AND rejected IS NOT NULL"
            return RowScope(str(version), True, where, (run,), files)
        files = tuple(self._files[version.dataset, name] for name in version.files)
        return RowScope(str(version), False, _among(files), (), files)

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query over the table `rows`. A value that is a tuple is a list."""
        with self._connection.cursor() as cursor:
            return cursor.execute(sql, _lists(values)).fetchall()

    def records(self, sql: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Return the rows of a query as dictionaries, with maps as dictionaries."""
        with self._connection.cursor() as cursor:
            result = cursor.execute(sql, _lists(values))
            names = [column[0] for column in result.description or ()]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def batches(self, sql: str, values: Sequence[Any] = ()) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a query as Arrow batches, in bounded memory."""
        with self._connection.cursor() as cursor:
            yield from cursor.sql(sql, params=_lists(values)).to_arrow_reader(8_192)

    def _copy(self, table: str, names: Sequence[str], read: Any) -> None:
        missing = [name for name in names if (table, name) not in self._files]
        if not missing:
            return
        with self._lock:
            for name in missing:
                if (table, name) not in self._files:
                    self._insert(table, name, read(name))

    def _insert(self, table: str, name: str, batches: Iterable[pa.RecordBatch]) -> None:
        """Copy one file in one transaction, so that it is there whole or not at all."""
        with self._connection.cursor() as cursor:
            first = cursor.execute("SELECT coalesce(max(n) + 1, 0) FROM rows").fetchall()[0][0]
            number = len(self._files)
            reader = pa.RecordBatchReader.from_batches(_INPUT, _numbered(batches, first, number))
            cursor.execute("BEGIN")
            try:
                cursor.register("incoming", reader)
                cursor.execute(
                    "INSERT INTO rows SELECT *, coalesce(reason.code, CASE WHEN rejected IS NULL THEN NULL ELSE 'unknown' END),"
                    " coalesce(reason.stage, stage), length(solution)::INTEGER, length(reasoning)::INTEGER,"
                    f" lower(concat_ws(chr(10), question, solution, answer)), {_OUTCOME} FROM incoming"
                )
                rows = cursor.execute("SELECT count(*) FROM rows WHERE n >= ?", [first]).fetchall()[0][0]
                file = CopiedFile(number, table, name, first, rows)
                cursor.execute("INSERT INTO files VALUES (?, ?, ?, ?, ?)", list(astuple(file)))
                cursor.execute("COMMIT")
            except BaseException:
                cursor.execute("ROLLBACK")
                raise
            finally:
                cursor.unregister("incoming")
        self._files[table, name] = file

    def _is_current(self) -> bool:
        tables = {name for (name,) in self._connection.execute("SHOW TABLES").fetchall()}
        if not tables:
            self._create()
            return True
        if not {"rows", "files", "about"} <= tables:
            return False
        about = self._connection.execute("SELECT format, columns FROM about").fetchall()
        return about == [(FORMAT, _DERIVED)]

    def _create(self) -> None:
        self._connection.execute("CREATE TABLE about AS SELECT ? AS format, ? AS columns", [FORMAT, _DERIVED])
        self._connection.execute(
            "CREATE TABLE files (number INTEGER, of_table VARCHAR, name VARCHAR, first BIGINT, count BIGINT)"
        )
        self._connection.register("shape", _INPUT.empty_table())
        self._connection.execute(
            "CREATE TABLE rows AS SELECT *, NULL::VARCHAR AS code, NULL::VARCHAR AS dropped_by, NULL::INTEGER AS solution_length,"
            " NULL::INTEGER AS reasoning_length, NULL::VARCHAR AS text, NULL::VARCHAR AS outcome FROM shape"
        )
        self._connection.unregister("shape")


COLUMNS = (*_PLACE, *CANDIDATE.names, *_OWN)
_DERIVED = f"{','.join(COLUMNS)}; {_OUTCOME}"  # a database with other columns is made again
_INPUT = pa.schema([("n", pa.int64()), ("file", pa.int32()), *CANDIDATE])


def _opened(path: Path, memory: str) -> duckdb.DuckDBPyConnection:
    try:
        connection = duckdb.connect(str(path))
    except duckdb.IOException as error:
        raise IndexInUse(
            f"{path} is used by another process. Fix: use the page that runs already, or end it first"
        ) from error
    for statement in (
        f"SET memory_limit = '{memory}'",
        "SET enable_progress_bar = false",
        "SET python_enable_replacements = false",
        "SET autoinstall_known_extensions = false",
        "SET autoload_known_extensions = false",
    ):
        connection.execute(statement)
    return connection


def _numbered(batches: Iterable[pa.RecordBatch], first: int, file: int) -> Iterator[pa.RecordBatch]:
    """Yield the batches with the columns of `_INPUT`; what a published row lacks beside a candidate is null."""
    for batch in batches:
        count = batch.num_rows
        numbers = pa.array(range(first, first + count), pa.int64())
        first += count
        there: Mapping[str, pa.Array] = {name: batch.column(name) for name in batch.schema.names}
        columns = [
            there[field.name] if field.name in there else pa.nulls(count, field.type) for field in CANDIDATE
        ]
        yield pa.RecordBatch.from_arrays(
            [numbers, pc.fill_null(pa.nulls(count, pa.int32()), file), *columns], schema=_INPUT
        )


def _lists(values: Sequence[Any]) -> list[Any]:
    return [list(value) if isinstance(value, tuple) else value for value in values]


def _among(files: Sequence[CopiedFile]) -> str:
    """Return the condition that a row is of one of these files; runs of numbers are ranges, which DuckDB skips whole blocks by."""
    runs: list[list[int]] = []
    for number in sorted(file.number for file in files):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    parts = [f"file BETWEEN {low} AND {high}" for low, high in runs]
    return f"({' OR '.join(parts)})" if parts else "false"


@contextlib.contextmanager
def opened(store: Store, folder: Path, *, memory: str = "2GB") -> Iterator[RowIndex]:
    """Yield the database of a home and close it."""
    index = RowIndex(store, folder, memory=memory)
    try:
        yield index
    finally:
        index.close()
