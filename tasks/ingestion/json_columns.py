"""Parses one column of many lines of JSON at once, without an object per record.

Arrow's parser is several times as fast as building Python objects. Lines that all begin with an opening brace and end with a closing
one are given to it as they are. If it reads as many objects as there are lines, each line is one: an object cannot continue on a
line that begins with a brace after one that ends with a brace, nor can a text in it. Other lines are given to it inside an
object of their own, `{"record": LINE}`, with the same effect. A name that is given twice, half a UTF-16 pair and invalid UTF-8 are
errors too. Whatever the parser refuses or would read differently from tasks.ingestion.json_records is left to that module.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.json as pj

from tasks.arrays import Indexes, Mask
from tasks.ingestion.files import MAX_LINE
from tasks.ingestion.json_records import LineBatch

# The parser recurses into nested values, and deep ones would overflow its stack. A line with so many opening brackets, those in its
# texts included, is left out; chats of the usual shape have one per turn.
MOST_BRACKETS = 400
_LEFT_OUT = b"null"
_TOGETHER = 32  # lines whose brackets are counted at once


@dataclass(frozen=True, slots=True)
class JsonColumn:
    """A column of n lines. values: (n,), null where the line lacks it or was left out. names: those of all columns of all lines."""

    values: pa.Array
    names: tuple[str, ...]


def column_of(lines: LineBatch, name: str, kind: pa.DataType) -> JsonColumn | None:
    """Return the column `name` of lines of JSON, whose values have the type `kind` and may have further fields in objects; None if
    the lines cannot be read at once."""
    fields = _fields(lines.data, (name, kind)) if _are_objects(lines) else _fields_inside(lines, (name, kind))
    if fields is None or len(fields[name]) != len(lines) or not _is_utf8(lines.data):
        return None
    if not all(_is_finite(values) for values in fields.values()):
        return None
    return JsonColumn(fields[name], tuple(fields))


def _are_objects(lines: LineBatch) -> bool:
    """Return whether all lines begin and end with a brace, and none is left out."""
    data = np.frombuffer(lines.data, np.uint8)
    sizes = np.diff(lines.ends, prepend=0)
    starts = lines.ends - sizes
    last = data[lines.ends - 2]
    last = np.where(last == ord("\r"), data[np.maximum(lines.ends - 3, 0)], last)
    if not ((data[starts] == ord("{")) & (last == ord("}")) & (sizes <= MAX_LINE)).all():
        return False
    return _are_few((data | 0x20) == ord("{"), lines.ends)  # [ differs from { in this bit alone


def _are_few(brackets: Mask, ends: Indexes) -> bool:
    """Return whether no line has more than MOST_BRACKETS.

    brackets: (bytes,). ends: (n,) where each line ends. Lines are counted one by one only where _TOGETHER of them have so many.
    """
    for first in range(0, len(ends), _TOGETHER):
        inside = ends[first : first + _TOGETHER]
        some = brackets[ends[first - 1] if first else 0 : inside[-1]]
        if np.count_nonzero(some) > MOST_BRACKETS:
            each = np.searchsorted(np.flatnonzero(some), inside - (inside[-1] - len(some)))
            if np.diff(each, prepend=0).max() > MOST_BRACKETS:
                return False
    return True


def _fields_inside(lines: LineBatch, field: tuple[str, pa.DataType]) -> dict[str, pa.Array] | None:
    every = [line.rstrip(b"\r\n") if _is_flat(line) else _LEFT_OUT for line in lines.lines(range(len(lines)))]
    data = b'{"record":' + b'}\n{"record":'.join(every) + b"}\n"
    parsed = _fields(data, ("record", pa.struct([field])))
    if parsed is None or tuple(parsed) != ("record",):
        return None
    records = parsed["record"]
    return dict(zip((one.name for one in records.type), records.flatten(), strict=True))


def _fields(data: bytes, field: tuple[str, pa.DataType]) -> dict[str, pa.Array] | None:
    """Return the columns of lines of JSON by name, of which one has a given type; None if they cannot be read."""
    try:
        table = pj.read_json(
            pa.BufferReader(data),
            pj.ReadOptions(use_threads=False, block_size=len(data) + 1),
            pj.ParseOptions(explicit_schema=pa.schema([field]), newlines_in_values=False),
        )
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError):
        return None
    columns = [_whole(table.column(number)) for number in range(table.num_columns)]
    return dict(zip(table.column_names, columns, strict=True))


def _whole(column: pa.ChunkedArray) -> pa.Array:
    joined = column.combine_chunks()
    return pa.concat_arrays(joined.chunks) if isinstance(joined, pa.ChunkedArray) else joined


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
