"""One shard of a collection too large for memory, cut into what the join needs: bands and sets.

Shards do not know of each other: they can be sketched by threads, processes or machines in any order, and one
that is there is not made again. A shard is three files of one number: `bands` (one Parquet row group a band,
sorted by key), `rows` (id and quality of each row) and `sets` (Arrow, memory-mapped), which is written last.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.errors import ForPeople
from tasks.dedup.lsh import band_keys
from tasks.dedup.normalise import folded_array
from tasks.dedup.tokens import I64, Ragged, concatenate, mix, shingle_sets, tokens

TWINS = 255  # the band of rows with equal sets: their key is a digest of the whole set


class CollectionError(ForPeople, ValueError):
    """Files, columns or a folder that cannot be used; the message names them and the mend."""


@dataclass(frozen=True, slots=True)
class Source:
    """A column of texts in Parquet files. `quality`: a number column, the higher the better; None: all alike."""

    text: str = "question"
    id: str = "id"
    language: str | None = "language"
    quality: str | None = None


@dataclass(frozen=True, slots=True)
class Shard:
    """Row groups `groups` of `file`: rows `start` to before `start + rows` of the whole collection."""

    number: int
    file: str
    groups: tuple[int, ...]
    start: int
    rows: int
    folder: str
    source: Source
    threshold: float
    n: int
    recall: float

    def path(self, kind: str) -> Path:
        suffix = "arrow" if kind == "sets" else "parquet"
        return Path(self.folder) / kind / f"{self.number:06d}.{suffix}"


def cut(files: list[Path], most: int) -> Iterator[tuple[Path, tuple[int, ...], int]]:
    """(file, row groups, rows) of each shard: neighbouring row groups of a file, of at most `most` rows together
    where they allow it."""
    for file in files:
        try:
            footer = pq.read_metadata(file)
        except pa.ArrowInvalid as error:
            raise CollectionError(
                f"{file} is no Parquet file ({error}); convert it, or leave it out"
            ) from error
        groups: list[int] = []
        held = 0
        for group in range(footer.num_row_groups):
            rows = footer.row_group(group).num_rows
            if groups and held + rows > most:
                yield file, tuple(groups), held
                groups, held = [], 0
            groups.append(group)
            held += rows
        if held:
            yield file, tuple(groups), held


def sketch(shard: Shard) -> int:
    """Write the shard's files; its rows. A shard that is complete is left as it is."""
    if shard.path("sets").exists():
        return shard.rows
    table = _read(shard)
    texts = folded_array(table.column("text"))
    sets = shingle_sets(tokens(texts, table.column("language")), shard.n)
    keys = band_keys(sets, threshold=shard.threshold, recall=shard.recall)
    _write_bands(shard, keys, digests(sets))
    _replace(shard.path("rows"), table.select(["row", "id", "quality"]))
    _write_sets(shard.path("sets"), sets)
    return shard.rows


def digests(sets: Ragged) -> np.ndarray:
    """One hash a set, whatever the order of its elements; 0 for an empty one."""
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(mix(sets.values), dtype=np.uint64)])
    found = sums[sets.offsets[1:]] - sums[sets.offsets[:-1]]
    return np.where(sets.lengths > 0, np.maximum(found, np.uint64(1)), 0)


class Sets:
    """The sets of all shards, by row of the whole collection."""

    def __init__(self, shards: list[Shard]) -> None:
        self._shards = shards
        self._starts = np.array([shard.start for shard in shards], dtype=np.int64)

    def take(self, rows: I64) -> Ragged:
        """The sets of the given rows (ascending), read from the shards that have them."""
        where = np.searchsorted(self._starts, rows, side="right") - 1
        parts = []
        for number in np.unique(where).tolist():
            shard = self._shards[number]
            with pa.memory_map(str(shard.path("sets"))) as source:
                batch = pa.ipc.open_file(source).get_batch(0)
                arrays = [batch.column(name).values.to_numpy() for name in ("offsets", "values")]
                parts.append(Ragged(*arrays).take(rows[where == number] - shard.start))
        return concatenate(parts)


def _read(shard: Shard) -> pa.Table:
    """Columns row, id, text, language, quality."""
    source = shard.source
    wanted = [source.id, source.text, *(name for name in (source.language, source.quality) if name)]
    with pq.ParquetFile(shard.file) as file:
        missing = sorted(set(wanted) - set(file.schema_arrow.names))
        if missing:
            raise CollectionError(f"{shard.file} has no column {missing[0]!r}; name the columns to read")
        found = file.read_row_groups(list(shard.groups), columns=wanted)
    count = len(found)
    language = found.column(source.language) if source.language else pa.array(["en"] * count)
    quality = found.column(source.quality) if source.quality else pa.array(np.zeros(count))
    return pa.table(
        {
            "row": np.arange(shard.start, shard.start + count),
            "id": found.column(source.id).cast(pa.string()),
            "text": found.column(source.text),
            "language": language,
            "quality": pc.fill_null(quality.cast(pa.float64()), 0.0),
        }
    )


def _write_bands(shard: Shard, keys: np.ndarray, twins: np.ndarray) -> None:
    schema = pa.schema([("band", pa.uint8()), ("key", pa.uint64()), ("row", pa.int64())])
    path, partial = shard.path("bands"), _partial(shard.path("bands"))
    with pq.ParquetWriter(partial, schema, compression="none", use_dictionary=False) as writer:
        for band, found in [*enumerate(keys), (TWINS, twins)]:
            rows = np.flatnonzero(found)
            rows = rows[np.argsort(found[rows], kind="stable")]
            columns = [np.full(len(rows), band, np.uint8), found[rows], rows + shard.start]
            writer.write_table(pa.table(columns, schema=schema), row_group_size=max(len(rows), 1))
    os.replace(partial, path)


def _write_sets(path: Path, sets: Ragged) -> None:
    lists = {
        name: pa.LargeListArray.from_arrays(pa.array([0, len(values)], pa.int64()), pa.array(values))
        for name, values in (("offsets", sets.offsets), ("values", sets.values))
    }
    batch = pa.record_batch(lists)
    partial = _partial(path)
    with pa.OSFile(str(partial), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    os.replace(partial, path)


def _replace(path: Path, table: pa.Table) -> None:
    partial = _partial(path)
    pq.write_table(table, partial)
    os.replace(partial, path)


def _partial(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{path.name}.{os.getpid()}.partial")
