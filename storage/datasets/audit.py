"""Audit: reads written files again and compares them with the rows that were to be written.

Every byte of a new file is read and sealed, its footer is compared with the row groups, and the rows of one row group in
eight (always the first, which is the only one in a night of usual size) are decoded and digested again. The gates then read the
columns that they check, of all rows. `read_back` reads every row of a file; `verify` uses it at any later time.
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

# Columns with stored minimum and maximum, by which readers may skip files.
BOUNDED = ("id", "language", "domain", "subdomain", "source", "correctness", "difficulty", "run", "stage")


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """One Parquet file as read from the disk. `path` is relative to the table's folder; `bounds` are Delta's
    minValues and maxValues."""

    path: str
    rows: int
    size: int
    written_ms: int
    blake2b: str
    digest: RowsDigest
    bounds: dict[str, Any] = field(default_factory=dict)


def audited(where: Location, table: str, path: str, groups: Sequence[RowsDigest]) -> WrittenFile:
    """Return the file after checking that it holds the given row groups. Raises StorageError if it does not."""
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
    return _written_file(path, sum(groups, RowsDigest()), seal, size, footer)


def read_back(where: Location, table: str, path: str) -> WrittenFile:
    """Return the file after reading all its bytes and rows."""
    seal, size = seal_of(where, table, path)
    with where.filesystem.open_input_file(where.path(table, path)) as source:
        file = pq.ParquetFile(source)
        return _written_file(path, _digest(file, range(file.num_row_groups)), seal, size, file.metadata)


def seal_of(where: Location, table: str, path: str) -> tuple[str, int]:
    """Return the BLAKE2b digest of a file (256 bits, as `b2sum -l 256` prints it) and its size in bytes."""
    seal, size = hashlib.blake2b(digest_size=32), 0
    with where.filesystem.open_input_stream(where.path(table, path)) as stream:
        while block := stream.read(1 << 20):
            seal.update(block)
            size += len(block)
    return seal.hexdigest(), size


def _not_as_written(where: Location, table: str, path: str, how: str) -> str:
    return (
        f"{where.url(table, path)} is not as it was written ({how}). Fix: check the disk, then publish again"
    )


def _digest(file: pq.ParquetFile, groups: Sequence[int]) -> RowsDigest:
    return digest_of_rows(file.iter_batches(batch_size=_BATCH, row_groups=list(groups), use_threads=False))


def _written_file(
    path: str, digest: RowsDigest, seal: str, size: int, footer: pq.FileMetaData
) -> WrittenFile:
    return WrittenFile(path, digest.rows, size, int(time.time() * 1000), seal, digest, _bounds(footer))


def _bounds(footer: pq.FileMetaData) -> dict[str, Any]:
    """Return Delta's minValues and maxValues, read from the Parquet footer."""
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
