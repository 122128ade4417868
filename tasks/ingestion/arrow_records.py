"""Records of Arrow files: the IPC stream that `datasets` writes, and the IPC file format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa

from tasks.ingestion.column_names import plain
from tasks.ingestion.parquet_records import rows_of_batch
from tasks.ingestion.record import IngestError, Record, fields_of, refuse_duplicate_names

_ROWS = 2048


def arrow_records(path: Path, reads: Callable[[str], bool] | None) -> Iterator[Record]:
    """Yield a record per row, with the columns for whose plain names `reads` returns true (None: all columns).

    Raises IngestError if the file is damaged or two columns have one name.
    """
    number = 0
    try:
        with pa.memory_map(str(path)) as source:
            for batch in _batches(source):
                refuse_duplicate_names(path, "its schema", batch.schema.names)
                names = [name for name in batch.schema.names if reads is None or reads(plain(name))]
                for start in range(0, batch.num_rows, _ROWS):
                    for row, error in rows_of_batch(batch.select(names).slice(start, _ROWS)):
                        number += 1
                        yield Record(f"row {number}", fields_of(row), error)
    except (pa.ArrowException, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:100]
        raise IngestError(
            f"{path}: damaged Arrow after row {number} ({reason}). Fix: write the file again"
        ) from error


def _batches(source: pa.MemoryMappedFile) -> Iterator[pa.RecordBatch]:
    if source.read(6) == b"ARROW1":
        source.seek(0)
        file = pa.ipc.open_file(source)
        yield from (file.get_batch(number) for number in range(file.num_record_batches))
    else:
        source.seek(0)
        yield from pa.ipc.open_stream(source)
