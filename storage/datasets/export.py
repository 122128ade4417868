"""Exports a version for training: a folder in the Hugging Face layout, with a dataset card.

    data/train-00000-of-00002.jsonl ...   README.md   lineage.json

Rows are streamed in bounded memory. The folder is written under a temporary name and renamed, so that it is complete or
absent.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.atomic import rename, replacing
from storage.datasets.card import LINEAGE, card, lineage_text
from storage.datasets.shapes import COMPARING, SHAPES, ComparePairs, shape_of
from storage.datasets.store import Store
from storage.datasets.turns import Reasoning, without_absent
from storage.datasets.versions import Version
from storage.errors import StorageError, explained

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
    files: Literal["jsonl", "parquet"] | None = None,
    rows_per_shard: int = ROWS_PER_SHARD,
) -> int:
    """Write the version's rows in the shape `format`, a key of storage.datasets.shapes.SHAPES or COMPARING, and with their places
    in a curriculum (ORDER) if the version has some.

    Args:
        compare: the judge of answers (tasks.answers.Judge.equal), for the shapes of COMPARING.
        reasoning: how the thinking of reasoning models is written (storage.datasets.turns.Reasoning).
        files: JSON lines or Parquet; default Parquet for the shape "parquet", else JSON lines.

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
    batches = _with_order(shape_of(format, store, resolved, compare or _unknown, reasoning), store, resolved)
    return write_folder(store, resolved, directory, format, batches, suffix, rows_per_shard)


def write_folder(
    store: Store,
    version: Version,
    directory: str | os.PathLike[str],
    shape: str,
    batches: Iterator[pa.RecordBatch],
    files: Literal["jsonl", "parquet"],
    rows_per_shard: int,
    beside_them: Callable[[], Mapping[str, str]] = dict,
) -> int:
    """Write the records of a version, which have the shape `shape`, into a new folder with its card, and return their number.

    beside_them: returns the texts of further files by name; it is called when all records are written. Raises StorageError as
    `export`.
    """
    target = Path(directory).expanduser().absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise StorageError(f"{target} is not empty. Fix: give a folder that is empty or does not exist yet")
    kind = "json" if files == "jsonl" else "parquet"
    with explained(str(target.parent), "name another folder"):
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as beside:
            (beside / "data").mkdir(parents=True)
            rows = _write(batches, beside / "data", files, rows_per_shard)
            if not rows:
                raise StorageError(
                    f"{version} has no rows for the format {shape!r}. Fix: choose another, or a version with such rows"
                )
            text = card(store, version, shape=shape, rows=rows, files=f"data/train-*.{files}", kind=kind)
            further = beside_them()
            for name, content in {"README.md": text, LINEAGE: lineage_text(version), **further}.items():
                (beside / name).write_text(content, encoding="utf-8")
    return rows


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


def _write(batches: Iterator[pa.RecordBatch], folder: Path, suffix: str, most: int) -> int:
    """Write files of `most` rows each, and return the number of rows.

    The files get their final names at the end, since each name states the number of files.
    """
    total = 0
    paths: list[Path] = []
    with contextlib.ExitStack() as stack:
        writer: _JsonLines | _Parquet | None = None
        for batch in batches:
            while batch.num_rows:
                if writer is None or total % most == 0:
                    stack.close()
                    paths.append(folder / f"{len(paths)}.partial")
                    kind = _JsonLines if suffix == "jsonl" else _Parquet
                    writer = stack.enter_context(contextlib.closing(kind(paths[-1], batch.schema)))
                piece = batch.slice(0, most - total % most)
                writer.write(piece)
                total += piece.num_rows
                batch = batch.slice(piece.num_rows)
    for number, path in enumerate(paths):
        rename(path, folder / f"train-{number:05d}-of-{len(paths):05d}.{suffix}")
    return total
