"""Records of Parquet files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.ingestion.column_names import plain
from tasks.ingestion.record import IngestError, Record, fields_of, refuse_duplicate_names, without_nan


def parquet_records(path: Path, reads: Callable[[str], bool] | None) -> Iterator[Record]:
    """Yield a record per row, with the columns for whose plain names `reads` returns true (None: all columns).

    Raises IngestError if the file is damaged or two columns have one name.
    """
    number = 0
    try:
        with pq.ParquetFile(path) as file:
            refuse_duplicate_names(path, "its schema", file.schema_arrow.names)
            names = [n for n in file.schema_arrow.names if reads is None or reads(plain(n))]
            if not names:
                yield from (Record(f"row {row}", {}) for row in range(1, file.metadata.num_rows + 1))
                return
            for batch in file.iter_batches(batch_size=2048, columns=names):
                batch = batch.select([name for name in names if name in batch.schema.names])
                for row, error in rows_of_batch(batch):
                    number += 1
                    yield Record(f"row {number}", fields_of(row), error)
    except (pa.ArrowException, OSError, NotImplementedError) as error:
        reason = str(error).split(". ")[0].splitlines()[0] if str(error) else type(error).__name__
        raise IngestError(
            f"{path}: damaged Parquet after row {number} ({reason}). Fix: write the file again"
        ) from error


def rows_of_batch(batch: pa.RecordBatch) -> list[tuple[dict[str, Any] | None, str | None]]:
    """Return (fields, None) per row, or (None, reason) where a value cannot become a Python value."""
    return _rows(_with_dates_as_text(batch))


def _with_dates_as_text(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the batch with dates and times as text: Python has neither all years nor all time zones of Parquet."""
    columns = []
    for column in batch.columns:
        if isinstance(column, pa.DictionaryArray):
            column = column.dictionary_decode()
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp(column.type.unit))
        if pa.types.is_temporal(column.type):
            column = _as_text(column)
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)


def _as_text(column: pa.Array) -> pa.Array:
    try:
        return pc.cast(column, pa.string())
    except (
        pa.ArrowException
    ):  # a year that cannot be written as a date: its count of units is all that is left
        return pc.cast(pc.cast(column, pa.int64()), pa.string())


def _rows(batch: pa.RecordBatch) -> list[tuple[dict[str, Any] | None, str | None]]:
    """Return (fields, None) per row, or (None, reason) where a value cannot become a Python value: text that is not UTF-8
    (Parquet does not check), a time out of range, an unknown time zone."""
    try:
        return [
            ({name: without_nan(value) for name, value in row.items()}, None) for row in batch.to_pylist()
        ]
    except UnicodeDecodeError:
        reason = "not UTF-8"
    except (
        ValueError,
        OverflowError,
        ArithmeticError,
        LookupError,
        TypeError,
        OSError,
        pa.ArrowException,
    ) as error:
        reason = f"unreadable value ({(str(error).splitlines() or [type(error).__name__])[0][:100]})"
    except RecursionError:
        reason = "nested too deeply"
    if batch.num_rows == 1:
        return [(None, reason)]
    half = batch.num_rows // 2
    return _rows(batch.slice(0, half)) + _rows(batch.slice(half))
