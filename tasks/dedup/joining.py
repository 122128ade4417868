"""Joins sketched shards: DuckDB finds rows that share a band, out of core; then exact Jaccard similarity and clusters
follow.

A pair that is similar enough must pass the same guards as in a run (tasks.dedup.doubts,
DedupSettings.guard): questions of one wording with other numbers, with opposites, or alike only in a shared
instruction are no duplicates.

DuckDB joins one band at a time within its memory limit and spills the rest to disk. Rows with the same words in
the same order are joined first, and one represents all of them, so that a text that occurs a million times costs a million
comparisons and not a million squared. If more rows than `WIDEST` share a band, each is compared with the
`WIDEST` after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.dedup.cluster import components, survivors, witnesses
from tasks.dedup.doubts import Guards, by_jaccard
from tasks.dedup.jaccard import Pairs, jaccard_of
from tasks.dedup.normalise import canonical_array, template_array
from tasks.dedup.prefix import expanded, within_bound
from tasks.dedup.questions import comparable
from tasks.dedup.sketching import TWINS, Sets, Shard
from tasks.dedup.tokens import I64, Bools, number_multisets, text_hashes

WIDEST = 1000
_PAIRS = 1 << 18  # pairs verified together
_PAIR = pa.schema([("a", pa.int64()), ("b", pa.int64())])
_SIMILAR = _PAIR.append(pa.field("score", pa.float64()))

Each = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
"""A `map` over jobs: the builtin, an executor's or a cluster's."""


def connect(folder: Path, memory: str, threads: int) -> duckdb.DuckDBPyConnection:
    """Open a database over the shards of a folder, which spills into that folder."""
    database = duckdb.connect(
        config={
            "memory_limit": memory,
            "threads": threads,
            "temp_directory": str(folder / "spill"),
            "preserve_insertion_order": False,
        }
    )
    # DuckDB takes this setting per session only. The bar would be written to standard output.
    database.execute("SET enable_progress_bar = false")
    for kind in ("bands", "rows"):
        files = _sql(folder / kind / "*.parquet")
        database.execute(f"CREATE VIEW {kind} AS SELECT * FROM read_parquet({files})")
    return database


def candidates(database: duckdb.DuckDBPyConnection, bands: int, folder: Path) -> None:
    """Write every pair of rows that shares a band, as Parquet columns a < b, one file per band."""
    folder.mkdir(parents=True, exist_ok=True)
    database.execute(
        "CREATE TABLE twins AS SELECT first AS a, row AS b FROM "
        f"(SELECT row, min(row) OVER (PARTITION BY key) AS first FROM bands WHERE band = {TWINS}) "
        "WHERE row > first"
    )
    database.execute(f"COPY twins TO {_sql(folder / 'twins.parquet')}")
    for band in range(bands):
        groups = database.sql(
            f"WITH own AS (SELECT key, row FROM bands ANTI JOIN twins ON row = twins.b WHERE band = {band}), "
            "met AS (SELECT key FROM own GROUP BY key HAVING count(*) > 1) "
            "SELECT list(row ORDER BY row) AS rows FROM own SEMI JOIN met USING (key) GROUP BY key"
        ).to_arrow_reader(1 << 16)
        with pq.ParquetWriter(folder / f"{band:03d}.parquet", _PAIR) as writer:
            for batch in groups:
                for left, right in _pairs_of(batch.column("rows")):
                    writer.write_table(pa.table([left, right], schema=_PAIR))


def similar(
    database: duckdb.DuckDBPyConnection, shards: list[Shard], folder: Path, guards: Guards, each: Each
) -> pa.Table:
    """Return the candidates that have the similarity and pass the guards: columns a, b, score."""
    # ordered by shard, so that few shards are read per block of pairs
    most = max((shard.rows for shard in shards), default=1)
    candidates_file = folder.with_suffix(".parquet")
    database.execute(
        f"COPY (SELECT DISTINCT a, b FROM read_parquet({_sql(folder / '*.parquet')}) "
        f"ORDER BY a // {most}, b // {most}, a, b) "
        f"TO {_sql(candidates_file)} (ROW_GROUP_SIZE {_PAIRS})"
    )
    groups = pq.read_metadata(candidates_file).num_row_groups
    jobs = [(shards, str(candidates_file), group, guards) for group in range(groups)]
    return pa.concat_tables([_SIMILAR.empty_table(), *each(_verify, jobs)])


def duplicates(database: duckdb.DuckDBPyConnection, pairs_table: pa.Table) -> pa.Table:
    """Return one row per text that is dropped, with the columns id, of, near, score, row and of_row.

    `of`: the id that is kept for its cluster (the highest quality, ties to the smallest id); `near`: the id
    that it is most similar to; `score`: of those two; `row` and `of_row`: their places in the collection,
    from 0, because ids of several files may be the same.
    """
    ends = np.concatenate([pairs_table.column("a").to_numpy(), pairs_table.column("b").to_numpy()])
    numbers, places = np.unique(ends, return_inverse=True)
    pairs = Pairs(
        places[: len(pairs_table)], places[len(pairs_table) :], pairs_table.column("score").to_numpy()
    )
    database.register("involved", pa.table({"row": numbers}))
    table = database.sql(
        "SELECT id, quality FROM rows SEMI JOIN involved USING (row) ORDER BY row"
    ).to_arrow_table()
    ids = table.column("id").combine_chunks()
    stays = survivors(
        components(len(numbers), pairs.left, pairs.right), table.column("quality").to_numpy(), ids
    )
    nearest = witnesses(pairs, stays)
    goes = np.array(sorted(nearest), dtype=np.int64)
    return pa.table(
        {
            "id": ids.take(pa.array(goes)),
            "of": ids.take(pa.array(stays[goes])),
            "near": ids.take(pa.array([nearest[row][0] for row in goes.tolist()], pa.int64())),
            "score": pa.array([nearest[row][1] for row in goes.tolist()], pa.float64()),
            "row": numbers[goes],
            "of_row": numbers[stays[goes]],
        }
    )


def _pairs_of(groups: pa.ListArray) -> Iterator[tuple[I64, I64]]:
    """Yield blocks of (smaller, larger) row of each group."""
    lengths = groups.value_lengths().to_numpy().astype(np.int64)
    rows = groups.flatten().to_numpy()
    last = np.repeat(np.cumsum(lengths), lengths)
    begins = np.arange(1, len(rows) + 1)
    for which, places in expanded(begins, np.minimum(last, begins + WIDEST)):
        yield rows[which], rows[places]


def _verify(job: tuple[list[Shard], str, int, Guards]) -> pa.Table:
    shards, file, group, guards = job
    threshold = guards.settings.jaccard
    with pq.ParquetFile(file) as possible:
        batch = possible.read_row_group(group)
    left, right = (batch.column(name).to_numpy() for name in ("a", "b"))
    rows, places = np.unique(np.concatenate([left, right]), return_inverse=True)
    stored = Sets(shards)
    sets = stored.take(rows)
    a, b = places[: len(left)], places[len(left) :]
    possible = within_bound(sets, sets, a, b, threshold)
    left, right, a, b = left[possible], right[possible], a[possible], b[possible]
    score = jaccard_of(sets, sets, a, b)
    similar_enough = score >= threshold
    left, right, score = left[similar_enough], right[similar_enough], score[similar_enough]
    confirmed = _confirmed(stored, left, right, guards)
    return pa.table([left[confirmed], right[confirmed], score[confirmed]], schema=_SIMILAR)


def _confirmed(stored: Sets, left: I64, right: I64, guards: Guards) -> Bools:
    """Return which of the similar pairs pass the guards."""
    if guards.settings.guard == "none" or not len(left):
        return np.ones(len(left), dtype=bool)
    rows, places = np.unique(np.concatenate([left, right]), return_inverse=True)
    a, b = places[: len(left)], places[len(left) :]
    texts = stored.texts(rows)
    plain = canonical_array(texts)
    templates, numbers = text_hashes(template_array(plain)), number_multisets(plain)
    mask = comparable((templates,) * 2, (numbers,) * 2, a, b, guards.settings)
    # equal texts are duplicates whatever they contain, and a text can occur a million times
    different = np.flatnonzero(mask & (text_hashes(plain)[a] != text_hashes(plain)[b]))
    left_texts, right_texts = (texts.take(pa.array(side[different])).to_pylist() for side in (a, b))
    mask[different] = guards.duplicates(left_texts, right_texts, by_jaccard(guards.settings))
    return mask


def _sql(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
