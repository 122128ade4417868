"""Reads files as numbered records in a stream: JSON Lines, JSON, CSV, TSV (each also compressed), Parquet and Arrow.

This is the one reader of other people's files: seeds, benchmarks and rows to be compared or deduplicated are read by
it, so that every command reads the same files. A record that cannot be read carries the reason instead of its fields,
and reading continues. A file that cannot be read at all raises IngestError. Not supported: a format that neither the
name nor the first line tells, and a compressed file inside an archive (.zip, .tar).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from tasks.ingestion.arrow_records import arrow_records
from tasks.ingestion.csv_records import csv_records
from tasks.ingestion.files import DAMAGED, damage, fault_of, kind_of, open_text
from tasks.ingestion.json_records import LineBatch, is_one_value, json_lines, json_values, line_batches
from tasks.ingestion.parquet_records import parquet_records
from tasks.ingestion.record import IngestError, Record

NO_RECORDS = "no records. Fix: fill it or leave it out"


def records(path: Path, reads: Callable[[str], bool] | None = None) -> Iterator[Record]:
    """Yield every record of a file in order.

    Where `reads` is given, only the columns of a Parquet or Arrow file are read for whose `plain` names it returns true. Blank
    lines are skipped. Raises IngestError if the file is unreadable or holds no record: a file that is named is meant to
    have content.
    """
    empty = True
    for record in _records(path, reads):
        empty = False
        yield record
    if empty:
        raise IngestError(f"{path}: {NO_RECORDS}")


def batches(path: Path, size: int) -> Iterator[LineBatch | list[Record]]:
    """Yield every record of a file, `size` at a time: of JSON Lines as lines that are not parsed yet. Raises as `records`."""
    kind = kind_of(path)
    if kind not in (".jsonl", ".ndjson", ".json") or fault_of(path) is not None or is_one_value(path, kind):
        stream = records(path)
        while batch := list(islice(stream, size)):
            yield batch
        return
    empty = True
    with _explained(path), open_text(path) as file:
        for lines in line_batches(file, size):
            empty = False
            yield lines
    if empty:
        raise IngestError(f"{path}: {NO_RECORDS}")


def _records(path: Path, reads: Callable[[str], bool] | None) -> Iterator[Record]:
    fault = fault_of(path)
    if fault is not None:
        raise IngestError(f"{path}: {fault}")
    kind = kind_of(path)
    if kind in (".parquet", ".arrow"):
        yield from (parquet_records if kind == ".parquet" else arrow_records)(path, reads)
        return
    with _explained(path), open_text(path) as file:
        if kind in (".csv", ".tsv"):
            yield from csv_records(path, file, "\t" if kind == ".tsv" else None)
        elif is_one_value(path, kind or ""):
            yield from json_values(path, file)
        else:
            yield from json_lines(file)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Raise what reading a damaged file leads to as IngestError."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise IngestError(f"{path}: damaged {error.encoding.upper()}. Fix: save it as UTF-8") from error
    except DAMAGED as error:
        raise IngestError(f"{path}: {damage(path, error)}") from error
