"""Parses one column of many lines of JSON at once, without an object per record.

Arrow's parser is several times as fast as building Python objects. Each line is given to it inside an object of its own,
`{"record": LINE}`, so that a line is accepted only if it is one JSON object: text behind an object, and an object that continues on
the next line, are errors. A name that is given twice, half a UTF-16 pair and invalid UTF-8 are errors too. Whatever the parser refuses
or would read differently from tasks.ingestion.json_records is left to that module.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.json as pj

from tasks.ingestion.files import MAX_LINE

# The parser recurses into nested values, and deep ones would overflow its stack. A line with so many opening brackets, those in its
# texts included, is left out; chats of the usual shape have one per turn.
MOST_BRACKETS = 400
_LEFT_OUT = b"null"


@dataclass(frozen=True, slots=True)
class JsonColumn:
    """A column of n lines. values: (n,), null where the line lacks it or was left out. names: those of all columns of all lines."""

    values: pa.Array
    names: tuple[str, ...]


def column_of(lines: Sequence[bytes], name: str, kind: pa.DataType) -> JsonColumn | None:
    """Return the column `name` of lines of JSON, whose values have the type `kind` and may have further fields in objects; None if
    the lines cannot be read at once."""
    whole = [line if _is_flat(line) else _LEFT_OUT for line in lines]
    data = b'{"record":' + b'}\n{"record":'.join(whole) + b"}\n"
    schema = pa.schema([("record", pa.struct([(name, kind)]))])
    try:
        table = pj.read_json(
            pa.BufferReader(data),
            pj.ReadOptions(use_threads=False, block_size=len(data) + 1),
            pj.ParseOptions(explicit_schema=schema, newlines_in_values=False),
        )
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError):
        return None
    if table.column_names != ["record"] or table.num_rows != len(lines) or not _is_utf8(data):
        return None
    records = table.column(0).combine_chunks()
    if isinstance(records, pa.ChunkedArray):
        records = pa.concat_arrays(records.chunks)
    names = tuple(field.name for field in records.type)
    fields = dict(zip(names, records.flatten(), strict=True))
    if not all(_is_finite(values) for values in fields.values()):
        return None
    return JsonColumn(fields[name], names)


def _is_flat(line: bytes) -> bool:
    return len(line) <= MAX_LINE and line.count(b"{") + line.count(b"[") <= MOST_BRACKETS


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_finite(values: pa.Array) -> bool:
    """Return whether no number is infinite or none at all: they are numbers that a double cannot hold, or no JSON."""
    kind = values.type
    if pa.types.is_struct(kind):
        return all(_is_finite(part) for part in values.flatten())
    if pa.types.is_list(kind):
        return _is_finite(values.flatten())
    return not pa.types.is_floating(kind) or bool(
        np.isfinite(values.drop_null().to_numpy(zero_copy_only=False)).all()
    )
