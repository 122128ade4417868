"""A fixed random sample of a published version, in memory bounded by its size."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from storage.datasets.store import Store
from storage.datasets.versions import Version


def sample(store: Store, version: Version | str, rows: int, seed: int, columns: Sequence[str]) -> pa.Table:
    """`rows` of the version at most, in the order of their hash with the seed: the same ones from whatever
    files the version is made of, and mostly the same ones when the version has grown."""
    key = xxhash.xxh3_64(str(seed).encode()).intdigest()
    best: list[tuple[int, str]] = []
    for batch in store.batches(version, ["id"], size=65_536):
        ids = batch.column("id").to_pylist()
        ranked = ((xxhash.xxh3_64_intdigest(row_id.encode(), key), row_id) for row_id in ids)
        best = heapq.nsmallest(rows, heapq.merge(best, sorted(ranked)))
    chosen = pa.array([row_id for _, row_id in best], pa.string())
    wanted = ["id", *(name for name in columns if name != "id")]
    found = store.read(version, wanted, filter=pc.field("id").isin(chosen))
    return found.take(pc.index_in(chosen, value_set=found.column("id").combine_chunks())).select(
        list(columns)
    )
