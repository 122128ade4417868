"""The content digest of rows, which does not depend on their order, their files or compaction.

Every row is written out canonically and hashed (XXH3, 128 bits); the hashes are added up as two
64-bit numbers (an additive multiset hash: Clarke et al., "Incremental multiset hash functions",
ASIACRYPT 2003). The sum does not depend on order and layout, needs no sort and no memory, can be divided among threads, and the
digest of a new version needs only its new rows: state(old) + state(new) = state(both).

A digest answers "are these the same rows?". It does not protect against rows that are forged on purpose, since XXH3 is not
a cryptographic hash. The BLAKE2b digest of each published file does.

The canonical row: for each column in name order that is not null in that row, a 64-bit cell (32
bits of name tag; 32 bits of length, count or value), then the bytes of the cells that have some. A null is left out, so that a
column that is added later, and is null in old rows, does not change old digests. The digests of versions do not depend on
`reason` for this cause: it is null in kept rows. A struct counts as its fields, each a column of the name "<struct>.<field>";
a list of structs as its length, which of them are null, and one list per field, by name.
Map entries are sorted by key; floats are float32 or float64 bits, every NaN alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from numpy.typing import NDArray

_BATCH = 8192  # small enough that a batch's joined bytes stay in the processor's cache
_NULL = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class RowsDigest:
    """The sum of the row hashes, and the number of rows; `+` gives the digest of two disjoint sets of rows together."""

    rows: int = 0
    high: int = 0
    low: int = 0

    def __add__(self, other: RowsDigest) -> RowsDigest:
        mask = (1 << 64) - 1
        return RowsDigest(
            self.rows + other.rows, (self.high + other.high) & mask, (self.low + other.low) & mask
        )

    def hex(self) -> str:
        """Return 64 hex digits, which are equal for equal sets of rows."""
        return hashlib.sha256(f"rows-1:{self.rows}:{self.high:016x}{self.low:016x}".encode()).hexdigest()

    def state(self) -> str:
        """Return the sums as text, from which `parse` makes a digest to add to."""
        return f"{self.rows}:{self.high:016x}:{self.low:016x}"

    @classmethod
    def parse(cls, state: str) -> RowsDigest:
        """Return the digest of a text that `state` returned."""
        rows, high, low = state.split(":")
        return cls(int(rows), int(high, 16), int(low, 16))


def digest_of_rows(data: pa.Table | pa.RecordBatch | Iterable[pa.RecordBatch]) -> RowsDigest:
    """Return the digest of a table, a batch or a stream of batches.

    Columns may be strings, bools, integers, floats, timestamps, dates, lists and maps of those, structs of all these, and
    lists of structs of strings, bools and numbers.
    Raises TypeError for other types.
    """
    if isinstance(data, pa.Table):
        data = data.to_batches(max_chunksize=_BATCH)
    elif isinstance(data, pa.RecordBatch):
        data = [data]
    total = RowsDigest()
    for batch in data:
        for start in range(0, batch.num_rows, _BATCH):
            total += _digest_of_batch(batch.slice(start, _BATCH))
    return total


def row_digests(batch: pa.RecordBatch) -> pa.Array:
    """Return the digest of each row (fixed_size_binary(16)), which is equal for equal rows in any file."""
    data = b"".join(_hashes(batch.slice(start, _BATCH)) for start in range(0, batch.num_rows, _BATCH))
    return pa.Array.from_buffers(pa.binary(16), batch.num_rows, [None, pa.py_buffer(data)])


def digest_in_order(table: pa.Table) -> str:
    """Return 64 hex digits over the names and types of the columns and the rows in their order.

    They do not depend on how the table is chunked.
    """
    digest = hashlib.sha256(str([(field.name, _kind(field.type)) for field in table.schema]).encode())
    for batch in table.to_batches(max_chunksize=_BATCH):
        digest.update(_hashes(batch))
    return digest.hexdigest()


def _kind(kind: pa.DataType) -> str:
    """Return a type's name without the names of its inner fields, which Parquet does not keep."""
    if pa.types.is_map(kind):
        return f"map<{kind.key_type}, {kind.item_type}>"
    if pa.types.is_struct(kind):
        return f"struct<{', '.join(f'{field.name}: {_kind(field.type)}' for field in kind)}>"
    return f"list<{kind.value_type}>" if pa.types.is_list(kind) else str(kind)


def _digest_of_batch(batch: pa.RecordBatch) -> RowsDigest:
    sums = np.frombuffer(_hashes(batch), dtype=">u8").reshape(-1, 2).sum(axis=0, dtype=np.uint64)
    return RowsDigest(batch.num_rows, int(sums[0]), int(sums[1]))


def _hashes(batch: pa.RecordBatch) -> bytes:
    """Return 16 bytes per row, in the order of the rows."""
    rows = canonical_rows(batch)
    offsets = np.frombuffer(rows.buffers()[1], dtype=np.int32)[: len(rows) + 1].tolist()
    data = memoryview(rows.buffers()[2] or b"")
    pieces = map(data.__getitem__, map(slice, offsets, offsets[1:]))
    return b"".join(map(xxhash.xxh3_128_digest, pieces))


def canonical_rows(batch: pa.RecordBatch) -> pa.Array:
    """Return the canonical bytes of each row, which are hashed (binary array). A batch may hold at most 2 GiB of text."""
    count = batch.num_rows
    cells: list[tuple[int, NDArray[Any], NDArray[np.bool_] | None]] = []
    payloads: list[pa.Array] = []
    for name, values in sorted(_flat(batch), key=lambda pair: pair[0]):
        if values.null_count == count:
            continue
        tag = xxhash.xxh32_intdigest(name.encode())
        valid = _valid(values) if values.null_count else None
        words, data = _column(values)
        cells += [(tag, word, valid) for word in words]
        payloads += data
    if not cells:
        return pa.array([b""] * count, type=pa.binary())
    return pc.binary_join_element_wise(
        _head(count, cells),
        *payloads,
        pa.scalar(b"", pa.binary()),
        null_handling="replace",
        null_replacement=b"",
    )


def _flat(batch: pa.RecordBatch) -> Iterator[tuple[str, pa.Array]]:
    """Yield the columns by name, with the fields of structs in place of the structs."""
    for name in batch.schema.names:
        values = batch.column(name)
        if pa.types.is_struct(values.type):
            yield from _flat(pa.RecordBatch.from_struct_array(_prefixed(name, values)))
        else:
            yield name, values


def _prefixed(name: str, values: pa.StructArray) -> pa.StructArray:
    names = [f"{name}.{values.type.field(i).name}" for i in range(values.type.num_fields)]
    return pa.StructArray.from_arrays(values.flatten(), names)


def _head(count: int, cells: list[tuple[int, NDArray[Any], NDArray[np.bool_] | None]]) -> pa.Array:
    """Return the header cells of each row that are not null, as binary."""
    words = np.empty((count, 2 * len(cells)), dtype="<u4")
    present = None
    for index, (tag, values, valid) in enumerate(cells):
        words[:, 2 * index] = values
        words[:, 2 * index + 1] = tag
        if valid is not None:
            present = np.ones((count, len(cells)), dtype=np.bool_) if present is None else present
            present[:, index] = valid
    if present is None:
        return _binary(np.arange(count + 1, dtype=np.int32) * np.int32(8 * len(cells)), words)
    ends = np.zeros(count + 1, dtype=np.int32)
    np.cumsum(present.sum(axis=1) * 8, out=ends[1:])
    return _binary(ends, words.view("<u8")[present])


def _column(values: pa.Array) -> tuple[list[NDArray[Any]], list[pa.Array]]:
    """Return the header words of a column (one array per word, one entry per row) and its payloads (binary arrays)."""
    if values.type != (kind := _plainly(values.type)):
        values = values.cast(kind)
    if pa.types.is_map(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind):
        if values.null_count:
            values = values.take(pa.array(np.arange(len(values))))  # drops values that a null covers
        starts = np.asarray(values.offsets)
        first, last = int(starts[0]), int(starts[-1])
        starts = (starts - first).astype(np.int32)
        if pa.types.is_map(kind):
            keys, items = _by_key(values.keys[first:last], values.items[first:last], starts)
            return [np.diff(starts)], _children(keys, starts) + _children(items, starts)
        return [np.diff(starts)], _children(values.values[first:last], starts)
    if _is_text(kind):
        values = _as_binary(values)
        return [np.diff(_offsets(values))], [values]
    words = _words(values)
    return [words[:, i] for i in range(words.shape[1])], []


def _children(values: pa.Array, starts: NDArray[np.int32]) -> list[pa.Array]:
    """Return the children of each row as binary arrays: lengths or values, then text."""
    valid = _valid(values)
    if pa.types.is_struct(values.type):
        present = [_fixed(valid.astype("<u4").reshape(-1, 1), starts)]
        fields = sorted(zip((field.name for field in values.type), values.flatten(), strict=True), key=_name)
        return present + [part for _, field in fields for part in _children(field, starts)]
    if _is_text(values.type):
        values = _as_binary(values)
        if values.null_count:
            values = values.fill_null(b"")
        ends = _offsets(values)
        lengths = np.where(valid, np.diff(ends), _NULL).astype("<u4").reshape(-1, 1)
        text = pa.Array.from_buffers(
            pa.binary(), len(starts) - 1, [None, pa.py_buffer(ends[starts]), values.buffers()[2]]
        )
        return [_fixed(lengths, starts), text]
    words = np.concatenate([_words(values), valid.astype("<u4").reshape(-1, 1)], axis=1)
    return [_fixed(words, starts)]


def _name(field: tuple[str, pa.Array]) -> str:
    return field[0]


def _fixed(words: NDArray[Any], starts: NDArray[np.int32]) -> pa.Array:
    return _binary(
        (starts * (4 * words.shape[1])).astype(np.int32), np.ascontiguousarray(words.astype("<u4"))
    )


def _words(values: pa.Array) -> NDArray[np.uint32]:
    """Return fixed-width values as 32-bit words, shape (n, 1 or 2), with nulls as 0. Raises TypeError for other types."""
    kind = values.type
    if pa.types.is_boolean(kind) or (pa.types.is_integer(kind) and kind.bit_width < 32):
        values = values.cast(pa.int32())
    elif pa.types.is_timestamp(kind) or pa.types.is_date64(kind) or pa.types.is_time64(kind):
        values = values.cast(pa.int64())
    elif pa.types.is_date32(kind):
        values = values.cast(pa.int32())
    elif pa.types.is_float16(kind):
        values = values.cast(pa.float32())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise TypeError(f"no canonical bytes for a column of type {kind}")
    plain = values.fill_null(0).to_numpy(zero_copy_only=False)
    if plain.dtype.kind == "f" and np.isnan(plain).any():
        plain = np.where(np.isnan(plain), plain.dtype.type(np.nan), plain)
    words: NDArray[np.uint32] = (
        np.ascontiguousarray(plain).view("<u4").reshape(len(plain), plain.itemsize // 4)
    )
    return words


def _by_key(keys: pa.Array, items: pa.Array, starts: NDArray[np.int32]) -> tuple[pa.Array, pa.Array]:
    """Return map entries sorted by key within each row (unchanged if they are sorted already)."""
    if len(keys) < 2:
        return keys, items
    row = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    falls = pc.less(keys[1:], keys[:-1]).to_numpy(zero_copy_only=False)
    if not np.any(falls & (row[1:] == row[:-1])):
        return keys, items
    order = pc.sort_indices(
        pa.table({"row": row, "key": keys}), sort_keys=[("row", "ascending"), ("key", "ascending")]
    )
    return keys.take(order), items.take(order)


def _plainly(kind: pa.DataType) -> pa.DataType:
    """Return the type of the same values without dictionaries and views, as which delta-rs writes text."""
    if pa.types.is_dictionary(kind):
        return _plainly(kind.value_type)
    if pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_binary_view(kind):
        return pa.binary()
    if pa.types.is_map(kind):
        return pa.map_(_plainly(kind.key_type), _plainly(kind.item_type))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(_plainly(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _plainly(field.type)) for field in kind])
    return kind


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    )


def _as_binary(values: pa.Array) -> pa.Array:
    """Return text as binary with 32-bit offsets, without a copy if it has these already."""
    if pa.types.is_string(values.type) or pa.types.is_binary(values.type):
        return values.view(pa.binary())
    return values.cast(pa.binary())


def _valid(values: pa.Array) -> NDArray[np.bool_]:
    if not values.null_count:
        return np.ones(len(values), dtype=np.bool_)
    valid: NDArray[np.bool_] = values.is_valid().to_numpy(zero_copy_only=False)
    return valid


def _offsets(values: pa.Array) -> NDArray[np.int32]:
    if values.buffers()[1] is None:
        return np.zeros(len(values) + 1, dtype=np.int32)
    return np.frombuffer(values.buffers()[1], dtype=np.int32)[values.offset : values.offset + len(values) + 1]


def _binary(ends: NDArray[np.int32], data: NDArray[Any]) -> pa.Array:
    return pa.Array.from_buffers(pa.binary(), len(ends) - 1, [None, pa.py_buffer(ends), pa.py_buffer(data)])
