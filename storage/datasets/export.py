"""Exports a version for training: a folder in the Hugging Face layout, with a dataset card.

    data/train-00000-of-00002.jsonl ...   README.md   croissant.json   lineage.json   provenance.json

Rows are streamed in bounded memory, beside the ids of the records, which the card is made of. The folder is written under a temporary name and renamed, so that it is complete or
absent.
"""

from __future__ import annotations

import contextlib
import csv
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import duckdb
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.atomic import rename, replacing
from storage.counting import counted
from storage.datasets.card import ExportedRecords
from storage.datasets.metadata import metadata
from storage.datasets.shapes import COMPARING, SHAPES, ComparePairs, of_rows, shape_of
from storage.datasets.statements import FILE as PROVENANCE
from storage.datasets.statements import statement_of_export
from storage.datasets.steps import BELONGS_TO
from storage.datasets.store import Store
from storage.datasets.turns import Reasoning, without_absent
from storage.datasets.versions import Version
from storage.errors import StorageError, explained
from storage.signing import Signer, enveloped
from storage.sql import connect

FileKind = Literal["jsonl", "parquet", "csv"]
ORDER = "order"  # the column with a row's place in a curriculum
ROWS_PER_SHARD = 100_000
CONVERSATIONS = ("messages", "prompt", "completion", "chosen", "rejected")  # columns that may hold messages


def export(
    store: Store,
    version: Version | str,
    directory: str | os.PathLike[str],
    format: str = "messages",
    *,
    compare: ComparePairs | None = None,
    reasoning: Reasoning = "field",
    files: FileKind | None = None,
    rows_per_shard: int = ROWS_PER_SHARD,
    where: str | None = None,
    columns: Sequence[str] = (),
    tested: Callable[[pa.Table], pa.Array] | None = None,
    address: str = "",
    by: Signer | None = None,
    counts: RecordCounts | None = None,
) -> int:
    """Write the version's rows in the shape `format`, a key of storage.datasets.shapes.SHAPES or COMPARING, and with their places
    in a curriculum (ORDER) if the version has some.

    Args:
        compare: the judge of answers (tasks.answers.Judge.equal), for the shapes of COMPARING.
        reasoning: how the thinking of reasoning models is written (storage.datasets.turns.Reasoning).
        files: JSON lines, Parquet or CSV; default Parquet for the shape "parquet", else JSON lines.
        where: a condition of SQL on the version's columns; only records of rows that meet it are written.
        columns: further columns of the rows that the records get.
        tested: returns the problem ids whose records are written as the split `test`, of a table with problem_id and question.
        address: the URL at which the folder will be published, if it will be.
        by: signs the statement of the files.
        counts: counts which records are rows of the version.

    Returns:
        How many records were written.

    Raises:
        StorageError: the shape is unknown, the directory is not empty, there is nothing of that shape to write, or the disk
            is full. No file is left behind.
        VersionNotFound: there is no such version.
    """
    if format not in {**SHAPES, **COMPARING}:
        raise StorageError(f"no format {format!r}. Fix: choose one of {', '.join([*SHAPES, *COMPARING])}")
    if format in COMPARING and compare is None:
        raise TypeError(f"export: the shape {format} needs `compare`")
    resolved = store.resolve(version)
    suffix = files or ("parquet" if format == "parquet" else "jsonl")
    ids = chosen_ids(store, resolved, where) if where is not None else None
    batches = _with_order(
        shape_of(format, store, resolved, compare or _unknown, reasoning, ids), store, resolved
    )
    if columns:
        batches = _with_columns(batches, store, resolved, columns)
    counts = RecordCounts() if counts is None else counts
    counts.rows = resolved.rows if ids is None else len(ids)
    return write_folder(
        store,
        resolved,
        directory,
        format,
        counts.counted(batches),
        suffix,
        rows_per_shard,
        test_ids=tested_ids(store, resolved, ids, tested),
        address=address,
        by=by,
        where=where,
        columns=columns,
        reasoning=reasoning,
    )


@dataclass(slots=True)
class RecordCounts:
    """How many records of an export are rows of the version, of `rows` that were chosen, and how many only belong to such a row, such as
    the wrong solutions beside right ones."""

    rows: int = 0
    own: int = 0
    beside: int = 0

    def counted(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the batches as they are, and count their records."""
        for batch in batches:
            own = batch.num_rows
            if BELONGS_TO in batch.schema.names:
                first = pc.list_element(batch.column(BELONGS_TO), 0)
                own = pc.sum(pc.equal(first, batch.column("id"))).as_py() or 0
            self.own += own
            self.beside += batch.num_rows - own
            yield batch

    def __str__(self) -> str:
        """Return what explains a number of records that is not the number of rows; "" if there is nothing to explain."""
        if self.own == self.rows and not self.beside:
            return ""
        further = f", {self.beside:,} are of solutions beside them, such as wrong ones" if self.beside else ""
        return f"{self.own:,} are of the {counted(self.rows, 'row')}{further}"


def tested_ids(
    store: Store,
    version: Version,
    ids: pa.Array | None,
    tested: Callable[[pa.Table], pa.Array] | None,
) -> pa.Array | None:
    """Return the ids of the rows of the test problems, None without a split. ids: of the rows that are exported; None: all."""
    if tested is None:
        return None
    rows = store.read(version, ["id", "problem_id", "question"])
    if ids is not None:
        rows = rows.filter(pc.is_in(rows.column("id"), value_set=ids))
    problems = tested(rows.select(["problem_id", "question"]))
    return rows.column("id").filter(pc.is_in(rows.column("problem_id"), value_set=problems)).combine_chunks()


def write_folder(
    store: Store,
    version: Version,
    directory: str | os.PathLike[str],
    shape: str,
    batches: Iterator[pa.RecordBatch],
    files: FileKind,
    rows_per_shard: int,
    beside_them: Callable[[], Mapping[str, str]] = dict,
    test_ids: pa.Array | None = None,
    address: str = "",
    by: Signer | None = None,
    where: str | None = None,
    columns: Sequence[str] = (),
    reasoning: str = "",
) -> int:
    """Write the records of a version, which have the shape `shape`, into a new folder with its card, and return their number.

    beside_them: returns the texts of further files by name; it is called when all records are written. test_ids: the ids of the records of the
    split `test`, None without one. address: the URL at which the folder will be published, if it will be. by: signs
    the statement of the files. where, columns, reasoning: how the records were chosen and written, for the card. Raises StorageError as
    `export`.
    """
    target = empty_folder(directory)
    with explained(str(target.parent), "name another folder"):
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as beside:
            (beside / "data").mkdir(parents=True)
            written = _Written()
            splits = _write(written.noted(batches), beside / "data", files, rows_per_shard, test_ids)
            rows = sum(splits.values())
            if not rows:
                raise StorageError(
                    f"{version} has no rows for the format {shape!r}. Fix: choose another, or a version with such rows"
                )
            if empty := [split for split, count in splits.items() if not count]:
                raise StorageError(
                    f"no record is left for the split {empty[0]!r}. Fix: another share of --test, or more rows"
                )
            globs = {split: f"data/{split}-*.{files}" for split in splits}
            records = ExportedRecords(
                shape, globs, splits, written.fields, written.every_id(), where, columns, reasoning
            )
            texts = metadata(store, version, beside, records, address=address)
            for name, content in {**texts, **beside_them()}.items():
                (beside / name).write_text(content, encoding="utf-8")
            seal_export(version, beside, by)
    return rows


def seal_export(version: Version, folder: Path, by: Signer | None) -> None:
    """Write the statement of an export, whose other files are all written, signed if there is a key."""
    (folder / PROVENANCE).write_text(enveloped(statement_of_export(version, folder), by), encoding="utf-8")


def empty_folder(directory: str | os.PathLike[str]) -> Path:
    """Return the absolute path of a folder to export into. Raises StorageError if there is something in it."""
    target = Path(directory).expanduser().absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise StorageError(f"{target} is not empty. Fix: give a folder that is empty or does not exist yet")
    return target


def _with_order(
    batches: Iterator[pa.RecordBatch], store: Store, version: Version
) -> Iterator[pa.RecordBatch]:
    """Yield the batches with the column ORDER of their rows, by id, if any row of the version has a place in a curriculum."""
    placed = store.read(version, ["id", ORDER], pc.field(ORDER).is_valid())
    ids, places = placed.column("id").combine_chunks(), placed.column(ORDER).combine_chunks()
    for batch in batches:
        if placed.num_rows and ORDER not in batch.schema.names:
            order = places.take(pc.index_in(batch.column("id"), value_set=ids))
            batch = batch.append_column(ORDER, order)
        yield batch


def _unknown(pairs: Sequence[tuple[str, str]]) -> list[str]:
    return ["unknown"] * len(pairs)


class _JsonLines:
    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._file = path.open("wb")

    def write(self, batch: pa.RecordBatch) -> None:
        option = orjson.OPT_APPEND_NEWLINE
        records = batch.to_pylist()
        for name in [field.name for field in batch.schema if field.name in CONVERSATIONS]:
            for record in records:
                if isinstance(record[name], list):
                    without_absent(record[name])
        self._file.writelines(orjson.dumps(record, option=option) for record in records)

    def close(self) -> None:
        self._file.close()


class _Parquet:
    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(path, schema, compression="zstd", compression_level=3)

    def write(self, batch: pa.RecordBatch) -> None:
        self._writer.write_batch(batch)

    def close(self) -> None:
        self._writer.close()


class _Csv:
    """Columns that are no plain values, such as messages, are written as JSON."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow(schema.names)

    def write(self, batch: pa.RecordBatch) -> None:
        for record in batch.to_pylist():
            self._writer.writerow([_plain(value) for value in record.values()])

    def close(self) -> None:
        self._file.close()


def _plain(value: Any) -> Any:
    if not isinstance(value, (list, dict)):
        return value
    if isinstance(value, list) and value and all(isinstance(one, dict) and "role" in one for one in value):
        without_absent(value)
    return orjson.dumps(value).decode()


_WRITERS: dict[FileKind, Callable[[Path, pa.Schema], _JsonLines | _Parquet | _Csv]] = {
    "jsonl": _JsonLines,
    "parquet": _Parquet,
    "csv": _Csv,
}


class _Shards:
    """The files of one split, of `most` rows each. They get their names at the end, since each name states the number of files."""

    def __init__(self, folder: Path, split: str, suffix: FileKind, most: int) -> None:
        self.rows = 0
        self._folder, self._split, self._suffix, self._most = folder, split, suffix, most
        self._paths: list[Path] = []
        self._writer: _JsonLines | _Parquet | _Csv | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        while batch.num_rows:
            if self._writer is None or self.rows % self._most == 0:
                self.close()
                self._paths.append(self._folder / f"{self._split}-{len(self._paths)}.partial")
                self._writer = _WRITERS[self._suffix](self._paths[-1], batch.schema)
            piece = batch.slice(0, self._most - self.rows % self._most)
            self._writer.write(piece)
            self.rows += piece.num_rows
            batch = batch.slice(piece.num_rows)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def name(self) -> None:
        for number, path in enumerate(self._paths):
            of = f"{number:05d}-of-{len(self._paths):05d}"
            rename(path, self._folder / f"{self._split}-{of}.{self._suffix}")


class _Written:
    """The fields of the records that pass, and the ids of their rows."""

    def __init__(self) -> None:
        self.fields: list[str] = []
        self._ids: list[pa.Array] = []

    def noted(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the batches unchanged."""
        for batch in batches:
            self.fields = [name for name in batch.schema.names if name != BELONGS_TO]
            if "id" in self.fields:
                self._ids.append(batch.column("id").cast(pa.string()))
            yield batch

    def every_id(self) -> pa.ChunkedArray | None:
        """Return the ids of all records, None if they have none."""
        return pa.chunked_array(self._ids, pa.string()) if self._ids else None


def _write(
    batches: Iterator[pa.RecordBatch], folder: Path, suffix: FileKind, most: int, test_ids: pa.Array | None
) -> dict[str, int]:
    """Write the files of each split, and return its number of rows. `test_ids`: the ids of the records that are no training data."""
    shards = {
        split: _Shards(folder, split, suffix, most)
        for split in (("train", "test") if test_ids is not None else ("train",))
    }
    with contextlib.ExitStack() as stack:
        for one in shards.values():
            stack.callback(one.close)
        for batch in batches:
            tested = None if test_ids is None else of_rows(batch, test_ids)
            if BELONGS_TO in batch.schema.names:
                batch = batch.drop_columns([BELONGS_TO])
            if tested is None:
                shards["train"].add(batch)
                continue
            shards["test"].add(batch.filter(tested))
            shards["train"].add(batch.filter(pc.invert(tested)))
    for one in shards.values():
        one.name()
    return {split: one.rows for split, one in shards.items()}


def chosen_ids(store: Store, version: Version, where: str) -> pa.Array:
    """Return the ids of the version's rows that meet a condition of SQL over its columns. Raises StorageError if it is none."""
    with connect(store) as connection:
        try:
            table = connection.sql(f'SELECT id FROM "{version}" WHERE ({where})').to_arrow_table()
        except duckdb.Error as error:
            first = " ".join(str(error).split())
            raise StorageError(
                f"--where {where!r} is no condition on the rows ({first}). Fix: such as \"language = 'en'\""
            ) from error
    return table.column("id").combine_chunks()


def _with_columns(
    batches: Iterator[pa.RecordBatch], store: Store, version: Version, names: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """Yield the batches with further columns of their rows, by id. Raises StorageError for one that is unknown or there already."""
    table = further_columns(store, version, names)
    ids = table.column("id").combine_chunks()
    for batch in batches:
        places = pc.index_in(batch.column("id"), value_set=ids)
        for name in names:
            require_new(name, batch.schema.names)
            batch = batch.append_column(name, table.column(name).combine_chunks().take(places))
        yield batch


def require_new(name: str, there: Sequence[str]) -> None:
    """Raise StorageError if records with the fields `there` have the further column already."""
    if name in there:
        raise StorageError(f"the records have {name!r} already. Fix: leave it out of --columns")


def further_columns(store: Store, version: Version, names: Sequence[str]) -> pa.Table:
    """Return the ids of a version's rows with the columns `names`, maps as JSON. Raises StorageError for an unknown one."""
    known = store.read(version, None, pc.field("id").is_null()).schema.names
    if unknown := [name for name in names if name not in known]:
        raise StorageError(f"{version} has no column {unknown[0]!r}. Fix: choose of {', '.join(known)}")
    table = store.read(version, list(dict.fromkeys(["id", *names])))
    for at, name in enumerate(table.column_names):
        table = table.set_column(at, name, _without_maps(table.column(name).combine_chunks()))
    return table


def _without_maps(column: pa.Array) -> pa.Array:
    """Return a column of maps as JSON texts, which every reader knows; any other as it is."""
    if not pa.types.is_map(column.type):
        return column
    return pa.array(
        [None if value is None else orjson.dumps(dict(value)).decode() for value in column.to_pylist()],
        pa.string(),
    )
