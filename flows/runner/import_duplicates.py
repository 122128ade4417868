"""De-duplication in an import: repeated rows, near-duplicates among all its rows and with the published ones.

Memory holds 48 bytes of ids per row and a few shards; the near-duplicates are found out of core. A pair is decided as in a night,
except that ROUGE-L is not computed and that any number of questions that differ only in their numbers is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from flows.runner.stages import FunnelEntry, Line, Stage
from storage.atomic import replacing
from storage.datasets.versions import Version
from storage.reasons import Code, Reason, reason
from storage.rows import kept, reject
from storage.stage_cache.shards import Ref, digest_of
from tasks.arrays import Mask
from tasks.dedup.outofcore import Collection, OutOfCore, rules_digest
from tasks.dedup.settings import SimilaritySettings
from tasks.dedup.sketching import TextSource
from tasks.stages.dedup import quality_of, repeated_solutions
from tasks.stages.outcome import Balance

Ids = np.ndarray[tuple[int], np.dtype[np.bytes_]]
MEMORY = "1GB"  # of the join, before it spills
ROWS = 50_000  # per shard of the join
_ID = "S24"  # ids are 24 hex digits
_TEXTS = pa.schema(
    [("id", pa.string()), ("question", pa.string()), ("language", pa.string()), ("quality", pa.float64())]
)


def unique_rows(
    line: Line,
    stage: Stage,
    shards: list[Ref],
    base: Version | None,
    rules: SimilaritySettings,
    folder: Path,
    *,
    near: bool,
) -> list[Ref]:
    """Return the kept rows of the shards, with a reason on those that are duplicates.

    A row that is repeated word for word, here or in the base, is dropped, and so is one whose question is published; the reason names
    the base, and the published row. Of several
    near-duplicate questions the one with the smallest id stays, with all its rows. Solutions of one question are compared within
    a shard. `folder` holds the work of the join, which a run that was killed continues.
    """
    tools = line.tools
    bar = line.bars.stage(stage.title, sum(ref.kept for ref in shards))
    parts = [rules.model_dump(mode="json"), near, base.digest if base else "", [ref.digest for ref in shards]]
    addresses = [digest_of("import-dedup", rules_digest(), number, *parts) for number in range(len(shards))]
    before = [tools.shards.get(address) for address in addresses]
    refs = [ref for ref in before if ref is not None]
    if len(refs) < len(shards):
        refs = []
        marked = _marked(line, stage, shards, base, rules, folder, near=near)
        for address, ref, table in zip(addresses, shards, marked, strict=True):
            refs.append(tools.shards.put(stage.name, address, table))
            bar.tick(ref.kept)
    sums = sum((Balance(ref.rows, ref.kept, ref.rejected, ref.failed) for ref in refs), Balance(0, 0, 0, 0))
    line.funnel.append(
        FunnelEntry(stage.name, stage.title, sums, refs, sum(ref is not None for ref in before))
    )
    bar.close(f"{sums.kept:,} of {sums.asked:,}")
    return refs


def _marked(
    line: Line,
    stage: Stage,
    shards: list[Ref],
    base: Version | None,
    rules: SimilaritySettings,
    folder: Path,
    *,
    near: bool,
) -> Iterator[pa.Table]:
    tools = line.tools
    ids, problems = _ids([_kept(line, ref, ["id", "problem_id", "rejected"]) for ref in shards])
    starts = np.cumsum([0, *(ref.kept for ref in shards)])
    published = list(tools.store.batches(base, ["id", "problem_id"], size=65_536)) if base else []
    base_ids, base_problems = _ids(published)
    repeated, published_before = ~_first(ids), np.isin(ids, base_ids)
    known = np.isin(problems, base_problems)
    dropped: dict[bytes, Reason] = {}
    if near:
        alone = _first(problems) & ~known
        files = list(_written(line, shards, alone, starts, folder))
        if base is not None:
            batches = tools.store.batches(base, ["id", "problem_id", "question", "language"], size=ROWS)
            files += _published(batches, _first(base_problems), folder)
        dropped = _near(files, rules, folder, stage.name)
    settings = rules.dedup()
    for number, ref in enumerate(shards):
        table = _kept(line, ref)
        own = slice(starts[number], starts[number + 1])
        reasons: list[Reason | None] = [
            reason(stage.name, Code.REPEATED, version=base)
            if before
            else reason(stage.name, Code.REPEATED)
            if again
            else reason(stage.name, Code.EXACT, other=_name(base_ids, base_problems, problem), version=base)
            if there
            else dropped.get(bytes(problem))
            for before, again, there, problem in zip(
                published_before[own], repeated[own], known[own], problems[own], strict=True
            )
        ]
        live = np.flatnonzero([why is None for why in reasons])
        rows = table.take(pa.array(live))
        for place, why in zip(live, repeated_solutions(rows, quality_of(rows), settings), strict=True):
            reasons[place] = why
        yield reject(table, reasons)


def _kept(line: Line, ref: Ref, columns: list[str] | None = None) -> pa.Table:
    return kept(line.tools.shards.read(ref, columns))


def _ids(tables: Iterable[pa.Table | pa.RecordBatch]) -> tuple[Ids, Ids]:
    """Return the ids and the problem ids of all rows, each of the shape (rows,)."""
    pairs = [
        [np.array(table.column(name).to_pylist(), _ID) for name in ("id", "problem_id")] for table in tables
    ]
    ids, problems = (np.concatenate([np.zeros(0, _ID), *(pair[part] for pair in pairs)]) for part in (0, 1))
    return ids, problems


def _first(values: Ids) -> Mask:
    """Return whether each value is the first of its kind."""
    first = np.zeros(len(values), dtype=bool)
    first[np.unique(values, return_index=True)[1]] = True
    return first


def _name(ids: Ids, problems: Ids, problem: np.bytes_) -> str:
    return bytes(ids[int(np.argmax(problems == problem))]).decode()


def _written(
    line: Line, shards: list[Ref], alone: Mask, starts: Sequence[int] | np.ndarray, folder: Path
) -> Iterator[Path]:
    """Write the questions of each shard, one row each, and yield the files."""
    for number, ref in enumerate(shards):
        table = _kept(line, ref, ["id", "problem_id", "question", "language", "rejected"])
        chosen = table.filter(pa.array(alone[starts[number] : starts[number + 1]]))
        yield from _file(chosen, folder / "questions" / f"{number:06d}.parquet", 0.0)


def _published(batches: Iterable[pa.RecordBatch], alone: Mask, folder: Path) -> Iterator[Path]:
    start = 0
    for number, batch in enumerate(batches):
        chosen = pa.Table.from_batches([batch]).filter(pa.array(alone[start : start + batch.num_rows]))
        start += batch.num_rows
        yield from _file(chosen, folder / "published" / f"{number:06d}.parquet", 1.0)


def _file(table: pa.Table, path: Path, quality: float) -> Iterator[Path]:
    if not table.num_rows:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # the problem's id: a near-duplicate question takes all its rows with it
    names = [table.column("problem_id"), table.column("question"), table.column("language")]
    with replacing(path) as beside:
        pq.write_table(pa.table([*names, pa.array([quality] * table.num_rows)], schema=_TEXTS), beside)
    yield path


def _near(files: list[Path], rules: SimilaritySettings, folder: Path, stage: str) -> dict[bytes, Reason]:
    """Return the reason of each question that is dropped, by problem id."""
    if not files:
        return {}
    settings = OutOfCore(
        threshold=rules.jaccard,
        guard=rules.guard,
        opposites=rules.opposites,
        shared=rules.shared,
        memory=MEMORY,
        shard_rows=ROWS,
    )
    table = pq.read_table(Collection(files, folder / "join", TextSource(quality="quality"), settings).run())
    names = (table.column(name).to_pylist() for name in ("id", "near", "score"))
    return {
        problem.encode(): reason(stage, Code.NEAR, measure="jaccard", score=f"{score:.2f}", other=other)
        for problem, other, score in zip(*names, strict=True)
    }
