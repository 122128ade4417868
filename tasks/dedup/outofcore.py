"""Deduplication of collections that do not fit into memory: it reads Parquet and writes the duplicates as Parquet.

    from tasks.dedup.outofcore import Collection
    Collection(files, folder).run(processes.map)

The work on a shard needs only that shard, so `each` may be the `map` of threads, processes, Ray or Dask, on a
folder that all of them can access. Finished shards are not computed again, so a run that was killed continues.

Which pairs are duplicates is decided as in a night (tasks.dedup.questions): exact Jaccard, and the guards
for other numbers, opposites and shared text. Two rules of a night are not applied here: ROUGE-L, and the limit
on questions per template (DedupSettings.per_template), so that questions that differ only in their numbers are all
kept.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq

from storage.atomic import replacing, write_bytes
from tasks.dedup import contrast, doubts, joining, questions, sketching
from tasks.dedup.doubts import Guards
from tasks.dedup.history import code_digest
from tasks.dedup.joining import Each, candidates, connect, duplicates, similar
from tasks.dedup.lsh import RECALL, bands_for
from tasks.dedup.settings import DedupSettings, Guard
from tasks.dedup.sketching import CollectionError, Sets, Shard, TextSource, cut, sketch
from tasks.text import shared
from tasks.text.shared import SAMPLE, Shared, shared_text

# the parts of a folder that are derived from the files and the rules
DERIVED = ("bands", "rows", "sets", "pairs", "pairs.parquet", "duplicates.parquet", "spill")


@dataclass(frozen=True, slots=True)
class OutOfCore:
    """The settings of a Collection.

    `threshold`: Jaccard similarity of n-gram sets from which texts are duplicates. `recall`: probability
    with which a pair at the threshold is found (a more similar one with a higher one); each pair found is
    verified exactly. `guard`, `opposites`, `shared`: as in DedupSettings. `memory`: what DuckDB may use,
    such as "4GB"; a worker needs about 3 kB per row of a shard in addition. `threads`: DuckDB's; 0: as many
    as this process may use.
    """

    threshold: float = 0.7
    n: int = 3
    recall: float = RECALL
    guard: Guard = "template"
    opposites: bool = True
    shared: float = 0.05
    memory: str = "4GB"
    threads: int = 0
    shard_rows: int = 200_000

    @property
    def decisions(self) -> DedupSettings:
        """The settings that decide whether a pair of candidates are duplicates."""
        return DedupSettings(
            jaccard=self.threshold,
            n=self.n,
            guard=self.guard,
            opposites=self.opposites,
            shared=self.shared,
        )


@dataclass(frozen=True)
class Collection:
    """Texts in Parquet files, and the folder in which they are deduplicated."""

    files: Sequence[Path]
    folder: Path
    source: TextSource = field(default_factory=TextSource)
    settings: OutOfCore = field(default_factory=OutOfCore)

    @property
    def shards(self) -> list[Shard]:
        """The shards in the order of the files. Raises CollectionError if the folder holds another run's."""
        settings, shards, start = self.settings, [], 0
        for number, (file, groups, rows) in enumerate(cut(list(self.files), settings.shard_rows)):
            how = (settings.threshold, settings.n, settings.recall)
            shards.append(Shard(number, str(file), groups, start, rows, str(self.folder), self.source, *how))
            start += rows
        plan = {"shards": [asdict(shard) for shard in shards], "decisions": asdict(settings.decisions)}
        self._own(plan, rules_digest())
        return shards

    def run(self, each: Each = map) -> Path:
        """Sketch, join, verify and cluster. Returns the file of duplicates: columns as of
        tasks.dedup.joining.duplicates.
        """
        result = self.folder / "duplicates.parquet"
        shards = self.shards
        if result.exists():
            return result
        for _ in each(sketch, shards):
            pass
        bands, _ = bands_for(self.settings.threshold, self.settings.recall)
        pairs = self.folder / "pairs"
        shutil.rmtree(pairs, ignore_errors=True)
        threads = self.settings.threads or len(os.sched_getaffinity(0))
        with connect(self.folder, self.settings.memory, threads) as database:
            candidates(database, bands, pairs)
            decisions = self.settings.decisions
            common = shared_text(Sets(shards).sample(SAMPLE), decisions.shared) if shards else Shared()
            pairs_table = similar(database, shards, pairs, Guards(decisions, common), each)
            table = duplicates(database, pairs_table)
        with replacing(result) as partial:
            pq.write_table(table, partial)
        return result

    def _own(self, plan: Mapping[str, object], rules: str) -> None:
        """Claim the folder for this plan.

        What other rules (an older version of this code) left in it is deleted and computed again. Raises
        CollectionError if the folder is another plan's.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "shards.json"
        record = {"rules": rules, **orjson.loads(orjson.dumps(plan))}
        before = _stored(path)
        if before == record:
            return
        if before is not None:
            if {**before, "rules": rules} != record:
                raise CollectionError(
                    f"{self.folder} holds a run over other files or settings. Fix: give an empty folder, or delete it"
                )
            for name in DERIVED:
                shutil.rmtree(self.folder / name, ignore_errors=True)
                if (self.folder / name).is_file():
                    (self.folder / name).unlink()
        write_bytes(path, orjson.dumps(record, option=orjson.OPT_INDENT_2))


@functools.cache
def rules_digest() -> str:
    """Return a digest of the code that computes sketches and duplicates. A folder that other code wrote is
    stale.
    """
    digest = hashlib.sha256(code_digest().encode())
    for module in (contrast, doubts, joining, questions, shared, sketching):
        digest.update(inspect.getsource(module).encode())
    return digest.hexdigest()[:16]


def _stored(path: Path) -> dict[str, Any] | None:
    """Return the plan of a folder, or None if there is none."""
    if not path.exists():
        return None
    try:
        record = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise CollectionError(f"{path} is damaged ({error}). Fix: delete its folder") from error
    return record if isinstance(record, dict) else {}
