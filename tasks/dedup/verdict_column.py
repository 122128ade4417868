"""Adds one entry to the `verdicts` map of many rows without converting the column to dicts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from storage.rows import SCHEMA

_MAP = SCHEMA.field("verdicts").type


def with_verdict(
    table: pa.Table, key: str, value: str | Sequence[str], rows: npt.NDArray[np.bool_]
) -> pa.Table:
    """Set `verdicts[key] = value` on the masked rows (one value for all, or one per masked row).

    An earlier entry of that name is replaced. Keys stay sorted, so that equal rows have equal bytes.
    """
    column = table.column("verdicts").combine_chunks()
    lengths = pc.fill_null(pc.list_value_length(column.cast(pa.list_(_MAP.field(0).type))), 0).to_numpy()
    parent = np.repeat(np.arange(len(table)), lengths)
    keys, items = _entries(column)
    stays = ~(rows[parent] & np.asarray(pc.equal(keys, key).to_numpy(zero_copy_only=False), dtype=bool))
    added = np.flatnonzero(rows)
    values = [value] * len(added) if isinstance(value, str) else value
    entries = pa.table(
        {
            "row": np.concatenate([parent[stays], added]),
            "key": pa.concat_arrays(
                [keys.filter(pa.array(stays)), pa.array([key] * len(added), pa.string())]
            ),
            "item": pa.concat_arrays([items.filter(pa.array(stays)), pa.array(values, pa.string())]),
        }
    ).sort_by([("row", "ascending"), ("key", "ascending")])
    counts = np.bincount(entries.column("row").to_numpy(), minlength=len(table))
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), type=pa.int32())
    verdicts = pa.MapArray.from_arrays(
        offsets, entries.column("key").combine_chunks(), entries.column("item").combine_chunks()
    )
    position = table.schema.get_field_index("verdicts")
    return table.set_column(position, SCHEMA.field("verdicts"), verdicts.cast(_MAP))


def _entries(column: pa.MapArray) -> tuple[pa.Array, pa.Array]:
    """Return the keys and items that belong to rows, whatever slice of its buffers the column is."""
    flat = column.cast(pa.list_(_MAP.field(0).type)).flatten() if len(column) else None
    if flat is None or not len(flat):
        return pa.array([], pa.string()), pa.array([], pa.string())
    return pc.struct_field(flat, 0).cast(pa.string()), pc.struct_field(flat, 1).cast(pa.string())
