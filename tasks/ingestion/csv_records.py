"""Records of CSV and TSV files."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from storage.counting import counted
from tasks.ingestion.files import numbered_lines
from tasks.ingestion.record import IngestError, Record, is_unicode, refuse_duplicate_names


def csv_records(path: Path, file: BinaryIO, delimiter: str | None) -> Iterator[Record]:
    """Yield a record per row of a CSV file; `delimiter` None detects it from the header.

    Raises IngestError if the header cannot be read or names a column twice.
    """
    # pyarrow's CSV reader is faster, but neither reports the line of a bad row nor continues after one. Bytes that are
    # not UTF-8 pass as surrogates, so that only their own row is refused.
    text = (line.decode("utf-8", "surrogateescape") for _, line in numbered_lines(file))
    first = next(text, "")
    if delimiter is None:  # a spreadsheet set to a decimal comma writes semicolons
        delimiter = next((mark for mark in ";\t|" if "," not in first and mark in first), ",")
    reader = csv.reader(chain([first], text), delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise IngestError(f"{path}: line 1: unreadable header ({error}). Fix: correct its quotes") from error
    names = [name.strip() for name in header]
    refuse_duplicate_names(path, "line 1", [name for name in names if name])
    while True:
        start = reader.line_num + 1
        place = f"line {start}"
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            swallowed = f", up to line {reader.line_num}" if reader.line_num > start else ""
            yield Record(place, None, f"unreadable CSV{swallowed}: {error}")
            continue
        if not cells:
            continue
        while len(cells) > len(names) and not cells[-1].strip():
            cells.pop()
        if len(cells) != len(names):
            yield Record(place, None, f"{counted(len(cells), 'cell')}, the header has {len(names)}")
        elif not is_unicode("".join(cells)):
            yield Record(place, None, "not UTF-8")
        else:
            # a column without a name is an index or a spreadsheet's empty edge
            yield Record(place, {name: cell or None for name, cell in zip(names, cells, strict=True) if name})
