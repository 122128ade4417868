"""Writes the sketch of one shard of a collection that is too large for memory: the bands and sets that the join reads.

Shards are independent: threads, processes or machines can sketch them in any order, and a
finished one is not computed again. A shard is three files with one number: `bands` (one Parquet row group per
band, sorted by key), `rows` (id and quality of each row) and `sets` (n-gram sets and texts, Arrow,
memory-mapped), which is written last.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.atomic import replacing
from storage.errors import ForPeople
from tasks.dedup.lsh import band_keys
from tasks.dedup.normalise import as_array, folded_array
from tasks.dedup.tokens import I64, Ragged, concatenate, mix, shingle_sets, tokens

TWINS = 255  # the band of rows with the same words in the same order; its key is a digest of all words


class CollectionError(ForPeople, ValueError):
    """Files, columns or a folder that cannot be used; the message names them and the fix."""


@dataclass(frozen=True, slots=True)
class TextSource:
    """A column of texts in Parquet files. `quality`: a number column, higher is better; None: all rows are
    equal.
    """

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
    source: TextSource
    threshold: float
    n: int
    recall: float

    def path(self, kind: str) -> Path:
        suffix = "arrow" if kind == "sets" else "parquet"
        return Path(self.folder) / kind / f"{self.number:06d}.{suffix}"


def cut(files: list[Path], most: int) -> Iterator[tuple[Path, tuple[int, ...], int]]:
    """Yield (file, row groups, rows) of each shard: neighbouring row groups of a file, of at most `most`
    rows if possible.
    """
    for file in files:
        try:
            footer = pq.read_metadata(file)
        except pa.ArrowInvalid as error:
            raise CollectionError(
                f"{file} is no Parquet file ({error}). Fix: convert it, or leave it out"
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
    """Write the shard's files and return the number of its rows. A complete shard is left as it is."""
    if shard.path("sets").exists():
        return shard.rows
    table = _read(shard)
    texts = folded_array(table.column("text"))
    words = tokens(texts, table.column("language"))
    sets = shingle_sets(words, shard.n)
    keys = band_keys(sets, threshold=shard.threshold, recall=shard.recall)
    _write_bands(shard, keys, digests(words))
    _replace(shard.path("rows"), table.select(["row", "id", "quality"]))
    _write_sets(shard.path("sets"), sets, as_array(table.column("text")))
    return shard.rows


def digests(words: Ragged) -> np.ndarray:
    """Return one hash per row, of its words in their order; 0 for an empty one."""
    place = np.arange(len(words.values)) - np.repeat(words.offsets[:-1], words.lengths)
    placed = mix(words.values ^ mix(place.astype(np.uint64) + np.uint64(1)))
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(placed, dtype=np.uint64)])
    totals = sums[words.offsets[1:]] - sums[words.offsets[:-1]]
    return np.where(words.lengths > 0, np.maximum(totals, np.uint64(1)), 0)


class Sets:
    """The sets and texts of all shards, by row of the whole collection."""

    def __init__(self, shards: list[Shard]) -> None:
        self._shards = shards
        self._starts = np.array([shard.start for shard in shards], dtype=np.int64)

    def take(self, rows: I64) -> Ragged:
        """Return the sets of the given rows (ascending), read from the shards that have them."""
        parts = []
        for batch, shard_rows in self._stored(rows):
            arrays = [batch.column(name).values.to_numpy() for name in ("offsets", "values")]
            parts.append(Ragged(*arrays).take(shard_rows))
        return concatenate(parts)

    def texts(self, rows: I64) -> pa.Array:
        """Return the texts of the given rows (ascending)."""
        parts = [
            batch.column("texts").values.take(pa.array(shard_rows))
            for batch, shard_rows in self._stored(rows)
        ]
        return pa.concat_arrays([pa.array([], pa.large_string()), *parts])

    def sample(self, most: int) -> list[str]:
        """Return the texts of at most `most` rows, evenly spread over the collection."""
        count = sum(shard.rows for shard in self._shards)
        rows = np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))
        texts: list[str] = self.texts(rows).to_pylist()
        return texts

    def _stored(self, rows: I64) -> Iterator[tuple[pa.RecordBatch, I64]]:
        """Yield (the stored batch of a shard, rows of the shard) for each shard that has some of the rows."""
        where = np.searchsorted(self._starts, rows, side="right") - 1
        for number in np.unique(where).tolist():
            shard = self._shards[number]
            with pa.memory_map(str(shard.path("sets"))) as source:
                yield pa.ipc.open_file(source).get_batch(0), rows[where == number] - shard.start


def _read(shard: Shard) -> pa.Table:
    """Return the columns row, id, text, language, quality of a shard."""
    source = shard.source
    columns = [source.id, source.text, *(name for name in (source.language, source.quality) if name)]
    with pq.ParquetFile(shard.file) as file:
        missing = sorted(set(columns) - set(file.schema_arrow.names))
        if missing:
            raise CollectionError(f"{shard.file} has no column {missing[0]!r}. Fix: name the columns to read")
        table = file.read_row_groups(list(shard.groups), columns=columns)
    count = len(table)
    language = table.column(source.language) if source.language else pa.array(["en"] * count)
    quality = table.column(source.quality) if source.quality else pa.array(np.zeros(count))
    return pa.table(
        {
            "row": np.arange(shard.start, shard.start + count),
            "id": table.column(source.id).cast(pa.string()),
            "text": table.column(source.text),
            "language": language,
            "quality": pc.fill_null(quality.cast(pa.float64()), 0.0),
        }
    )


def _write_bands(shard: Shard, keys: np.ndarray, twins: np.ndarray) -> None:
    schema = pa.schema([("band", pa.uint8()), ("key", pa.uint64()), ("row", pa.int64())])
    path = shard.path("bands")
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        replacing(path) as partial,
        pq.ParquetWriter(partial, schema, compression="none", use_dictionary=False) as writer,
    ):
        for band, band_keys in [*enumerate(keys), (TWINS, twins)]:
            rows = np.flatnonzero(band_keys)
            rows = rows[np.argsort(band_keys[rows], kind="stable")]
            columns = [np.full(len(rows), band, np.uint8), band_keys[rows], rows + shard.start]
            writer.write_table(pa.table(columns, schema=schema), row_group_size=max(len(rows), 1))


def _write_sets(path: Path, sets: Ragged, texts: pa.Array) -> None:
    arrays = {"offsets": pa.array(sets.offsets), "values": pa.array(sets.values), "texts": texts}
    lists = {
        name: pa.LargeListArray.from_arrays(pa.array([0, len(values)], pa.int64()), values)
        for name, values in arrays.items()
    }
    batch = pa.record_batch(lists)
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        replacing(path) as partial,
        pa.OSFile(str(partial), "wb") as sink,
        pa.ipc.new_file(sink, batch.schema) as writer,
    ):
        writer.write_batch(batch)


def _replace(path: Path, table: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        pq.write_table(table, partial)
