"""The rows of append-only logs, of which a process reads each file once.

A log has a file per commit, and every look at a dataset reads the whole log of marks. A file is never changed after it was written, so
its rows are kept as long as its size and its time of change are those that were seen. What is read is compared with the table's seal first.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from storage.datasets import delta, seals
from storage.location import Location

Known = tuple[str, int, int | None]  # path, size in bytes, time of change in nanoseconds
MOST = 16  # tables whose rows are kept, those that were read last
_kept: dict[str, tuple[tuple[Known, ...], pa.Table]] = {}  # by the URL of a table, which has one schema


def rows_of(where: Location, table: str, paths: Sequence[str], schema: pa.Schema) -> pa.Table:
    """Return the rows of these files of a table, in their order. Raises Corrupt if one of them is missing or differs from the table's seal."""
    infos = where.filesystem.get_file_info([where.path(table, path) for path in paths])
    files = tuple((path, info.size, info.mtime_ns) for path, info in zip(paths, infos, strict=True))
    known, rows = _kept.get(where.url(table), ((), schema.empty_table()))
    if files == known:
        return rows
    # newer files may be listed before or behind those that are known
    begin = files.index(known[0]) if known and known[0] in files else None
    if begin is None or files[begin : begin + len(known)] != known:
        rows = _read(where, table, paths, schema)
    else:
        end = begin + len(known)
        parts = (_read(where, table, paths[:begin], schema), rows, _read(where, table, paths[end:], schema))
        rows = pa.concat_tables([part for part in parts if part.num_rows] or [rows])
    rows = rows.combine_chunks()
    _kept.pop(where.url(table), None)
    _kept[where.url(table)] = (files, rows)
    for other in list(_kept)[:-MOST]:
        _kept.pop(other, None)
    return rows


def _read(where: Location, table: str, paths: Sequence[str], schema: pa.Schema) -> pa.Table:
    if not paths:
        return schema.empty_table()
    seals.require(where, table, paths)
    return delta.scan(where, table, paths, schema).to_table()
