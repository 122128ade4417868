"""Draws a fixed random sample of a published version, in memory bounded by the size of the sample."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from storage.datasets.store import Store
from storage.datasets.versions import Version


def sample(store: Store, version: Version | str, rows: int, seed: int, columns: Sequence[str]) -> pa.Table:
    """Return at most `rows` rows of the version, in the order of the hash of their id with the random seed.

    The sample does not depend on the files of the version, and changes little when the version grows.
    """
    key = xxhash.xxh3_64(str(seed).encode()).intdigest()
    best: list[tuple[int, str]] = []
    for batch in store.batches(version, ["id"], size=65_536):
        ids = batch.column("id").to_pylist()
        ranked = ((xxhash.xxh3_64_intdigest(row_id.encode(), key), row_id) for row_id in ids)
        best = heapq.nsmallest(rows, heapq.merge(best, sorted(ranked)))
    chosen = pa.array([row_id for _, row_id in best], pa.string())
    names = ["id", *(name for name in columns if name != "id")]
    table = store.read(version, names, filter=pc.field("id").isin(chosen))
    return table.take(pc.index_in(chosen, value_set=table.column("id").combine_chunks())).select(
        list(columns)
    )
