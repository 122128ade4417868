"""Writes the Parquet files of a table with two threads, and audits them on the disk.

Nothing is committed here. A file that no commit names does not belong to any version.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from storage.datasets.audit import BOUNDED, WrittenFile, audited
from storage.datasets.digest import RowsDigest, digest_of_rows
from storage.errors import StorageError
from storage.location import Location

ROW_GROUP = 32_768
ROWS_PER_FILE = 1_048_576
_WRITERS = 2
_PAGE = 65_536  # bytes: zstd's tables for an input of this size fit the processor's cache, which is a quarter faster

# Random hex digits compress as well at level 1 as at level 3, in half the time.
_HEXADECIMAL = ("id", "problem_id", "parent_ids.list.element")
# Text that hardly repeats gains nothing from a dictionary; building one and discarding it takes a tenth of the write's time.
# Statistics are left out too, since no reader skips row groups by the alphabetical range of a question.
_VARIED = (
    *_HEXADECIMAL,
    "question",
    "solution",
    "answer",
    "critique",
    "messages.list.element.content",
    "blocks.list.element.text",
)


def write_options(schema: pa.Schema) -> dict[str, Any]:
    """Return keyword arguments of pyarrow's Parquet writer for rows of this schema: zstd-3 (ids: zstd-1)."""
    leaves = [leaf for column in schema for leaf in _leaves(column)]
    repeating = [leaf for leaf, kind in leaves if leaf not in _VARIED and not pa.types.is_floating(kind)]
    return {
        "compression": "zstd",
        "compression_level": {leaf: 1 if leaf in _HEXADECIMAL else 3 for leaf, _ in leaves},
        "data_page_size": _PAGE,
        "use_dictionary": repeating or False,
        "write_statistics": [name for name in schema.names if name in (*BOUNDED, "rejected")] or False,
    }


def _leaves(column: pa.Field) -> list[tuple[str, pa.DataType]]:
    """Return the Parquet leaves of a column: paths and types."""
    kind = column.type
    if pa.types.is_struct(kind):
        return [(f"{column.name}.{path}", leaf) for field in kind for path, leaf in _leaves(field)]
    if pa.types.is_map(kind):
        paths = (f"{column.name}.key_value.key", f"{column.name}.key_value.value")
        return list(zip(paths, (kind.key_type, kind.item_type), strict=True))
    if pa.types.is_list(kind):
        return _leaves(pa.field(f"{column.name}.list.element", kind.value_type))
    return [(column.name, kind)]


def write_files(
    where: Location, table: str, rows: Iterable[pa.Table], schema: pa.Schema
) -> list[WrittenFile]:
    """Write rows durably as Parquet files into the table's folder, audit every file, and return the files.

    Row groups go to two writers in turn, each with a thread and an open file, so that the file of a row does not depend on
    timing; memory holds a few row groups. On any failure the written files are removed. Raises StorageError if the rows do
    not fit the schema or a file does not pass the audit.
    """
    token = uuid.uuid4().hex
    writers = [_FileWriter(where, table, schema, f"part-{token}-{number}") for number in range(_WRITERS)]
    pools = [ThreadPoolExecutor(1, thread_name_prefix=f"parquet-{number}") for number in range(_WRITERS)]
    pending: list[Future[None]] = []
    try:
        where.filesystem.create_dir(where.path(table), recursive=True)
        for number, chunk in enumerate(_row_groups(rows, schema)):
            if len(pending) > _WRITERS:
                pending.pop(0).result()
            turn = number % _WRITERS
            pending.append(pools[turn].submit(writers[turn].write, chunk))
        for future in pending:
            future.result()
        closing = [pool.submit(writer.finish) for pool, writer in zip(pools, writers, strict=True)]
        return sorted((file for future in closing for file in future.result()), key=lambda file: file.path)
    except BaseException:
        for pool in pools:
            pool.shutdown(wait=True, cancel_futures=True)
        for writer in writers:
            writer.abandon()
        raise
    finally:
        for pool in pools:
            pool.shutdown(wait=True)


def remove_files(where: Location, table: str, paths: Iterable[str]) -> None:
    """Remove files that no commit names. A file that is missing already is not an error."""
    for path in paths:
        with suppress(FileNotFoundError):
            where.filesystem.delete_file(where.path(table, path))


class _FileWriter:
    """Writes the files of one thread, at most one at a time, and audits each when it is closed."""

    def __init__(self, where: Location, table: str, schema: pa.Schema, stem: str) -> None:
        self._where, self._table, self._schema, self._stem = where, table, schema, stem
        self._options = write_options(schema)
        self._writer: pq.ParquetWriter | None = None
        self._sink: pa.NativeFile | None = None
        self._groups: list[RowsDigest] = []  # of the open file, as given
        self._paths: list[str] = []
        self._done: list[WrittenFile] = []

    def write(self, chunk: pa.Table) -> None:
        """Write a row group, and close the file if it has ROWS_PER_FILE rows."""
        if self._writer is None:
            self._paths.append(f"{self._stem}-{len(self._paths):04d}.parquet")
            self._sink = self._where.filesystem.open_output_stream(
                self._where.path(self._table, self._paths[-1])
            )
            self._writer = pq.ParquetWriter(self._sink, self._schema, **self._options)
        self._writer.write_table(chunk)
        self._groups.append(digest_of_rows(chunk))
        if sum(group.rows for group in self._groups) >= ROWS_PER_FILE:
            self._close()

    def finish(self) -> list[WrittenFile]:
        """Close the open file and return all files."""
        self._close()
        return self._done

    def _close(self) -> None:
        if self._writer is None or self._sink is None:
            return
        self._writer.close()
        self._sink.close()
        self._writer, self._sink = None, None
        self._where.flush(self._table, self._paths[-1])
        self._done.append(audited(self._where, self._table, self._paths[-1], self._groups))
        self._groups = []

    def abandon(self) -> None:
        """Close the open file and remove all files."""
        for handle in (self._writer, self._sink):
            if handle is not None:
                with suppress(OSError, pa.ArrowInvalid):  # the first failure is the one to report
                    handle.close()
        remove_files(self._where, self._table, self._paths)


def _row_groups(rows: Iterable[pa.Table], schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield the rows in pieces of ROW_GROUP (the last may be shorter), each of exactly this schema."""
    waiting: list[pa.Table] = []
    count = 0
    for table in rows:
        table = fitted(table, schema)
        while table.num_rows:
            piece = table.slice(0, ROW_GROUP - count)
            table = table.slice(piece.num_rows)
            waiting.append(piece)
            count += piece.num_rows
            if count == ROW_GROUP:
                yield _joined(waiting)
                waiting, count = [], 0
    if waiting:
        yield _joined(waiting)


def _joined(pieces: list[pa.Table]) -> pa.Table:
    """Return the pieces as one table, copied into one chunk if they are so small that a copy costs less."""
    table = pa.concat_tables(pieces)
    return table.combine_chunks() if table.num_rows < 1_024 * len(pieces) else table


def fitted(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the table with the schema's columns in the schema's order. Raises StorageError if columns do not fit."""
    if table.schema.equals(schema):
        return table
    missing = [name for name in schema.names if name not in table.schema.names]
    extra = [name for name in table.schema.names if name not in schema.names]
    if missing or extra:
        raise StorageError(
            f"rows do not fit the schema (missing {missing or 'none'}, unknown {extra or 'none'}). "
            "Fix: build them with storage.rows.to_table"
        )
    try:
        return table.select(schema.names).cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        wrong = [n for n in schema.names if table.schema.field(n).type != schema.field(n).type]
        raise StorageError(
            f"rows do not fit the schema in {wrong}. Fix: build them with storage.rows.to_table"
        ) from error
