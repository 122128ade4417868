"""Audit: what lies on the disk, read again, beside what was meant to be written.

Of a file just written every byte is read and sealed, the footer is compared with what was given,
and the rows of one row group in eight (always the first: a night has no more) are decoded and
digested again. The gates then read the columns that they ask about, of all rows. `read_back` reads
every row of a file: `verify` does that at any later time.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from storage.datasets.digest import RowsDigest, digest_of_rows
from storage.errors import StorageError, in_one_line
from storage.location import Location

_BATCH = 8_192
_ONE_IN = 8

# Columns whose least and greatest value readers may skip files by.
BOUNDED = ("id", "language", "domain", "subdomain", "source", "correctness", "difficulty", "run", "stage")


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """One Parquet file as it was found. `path` is relative to the table's folder; `bounds` are Delta's
    minValues and maxValues."""

    path: str
    rows: int
    size: int
    written_ms: int
    blake2b: str
    digest: RowsDigest
    bounds: dict[str, Any] = field(default_factory=dict)


def audited(where: Location, table: str, path: str, groups: Sequence[RowsDigest]) -> WrittenFile:
    """The file, shown to hold the row groups that were given; StorageError if it does not."""
    try:
        seal, size = seal_of(where, table, path)
        with where.filesystem.open_input_file(where.path(table, path)) as source:
            file = pq.ParquetFile(source)
            footer = file.metadata
            counts = [footer.row_group(i).num_rows for i in range(footer.num_row_groups)]
            same = counts == [group.rows for group in groups]
            same = same and all(_digest(file, [i]) == groups[i] for i in range(0, len(groups), _ONE_IN))
    except (OSError, pa.ArrowInvalid) as error:
        raise StorageError(_not_as_written(where, table, path, in_one_line(error))) from error
    if not same:
        raise StorageError(_not_as_written(where, table, path, "other rows"))
    return _found(path, sum(groups, RowsDigest()), seal, size, footer)


def read_back(where: Location, table: str, path: str) -> WrittenFile:
    """The file after all of it, bytes and rows, was read."""
    seal, size = seal_of(where, table, path)
    with where.filesystem.open_input_file(where.path(table, path)) as source:
        file = pq.ParquetFile(source)
        return _found(path, _digest(file, range(file.num_row_groups)), seal, size, file.metadata)


def seal_of(where: Location, table: str, path: str) -> tuple[str, int]:
    """BLAKE2b (256 bits, as `b2sum -l 256` prints it) and size of a file's bytes."""
    seal, size = hashlib.blake2b(digest_size=32), 0
    with where.filesystem.open_input_stream(where.path(table, path)) as stream:
        while block := stream.read(1 << 20):
            seal.update(block)
            size += len(block)
    return seal.hexdigest(), size


def _not_as_written(where: Location, table: str, path: str, how: str) -> str:
    return f"{where.url(table, path)} is not as it was written ({how}): check the disk, then publish again"


def _digest(file: pq.ParquetFile, groups: Sequence[int]) -> RowsDigest:
    return digest_of_rows(file.iter_batches(batch_size=_BATCH, row_groups=list(groups), use_threads=False))


def _found(path: str, digest: RowsDigest, seal: str, size: int, footer: pq.FileMetaData) -> WrittenFile:
    return WrittenFile(path, digest.rows, size, int(time.time() * 1000), seal, digest, _bounds(footer))


def _bounds(footer: pq.FileMetaData) -> dict[str, Any]:
    """Delta's minValues and maxValues from the Parquet footer."""
    low: dict[str, Any] = {}
    high: dict[str, Any] = {}
    for group in range(footer.num_row_groups):
        for index in range(footer.num_columns):
            chunk = footer.row_group(group).column(index)
            stats = chunk.statistics
            name = chunk.path_in_schema
            if name not in BOUNDED or stats is None or not stats.has_min_max:
                continue
            low[name] = min(low.get(name, stats.min), stats.min)
            high[name] = max(high.get(name, stats.max), stats.max)
    return {"minValues": low, "maxValues": high}
