"""De-duplication of collections that do not fit into memory: Parquet in, the duplicates as Parquet out.

    from tasks.dedup.outofcore import Collection
    Collection(files, folder).run(processes.map)

Work on a shard knows only that shard, so `each` may be the `map` of threads, processes, Ray or Dask, on a folder that
all of them see. What was finished is found again: a run that was killed goes on.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson
import pyarrow.parquet as pq

from tasks.dedup.joining import Each, candidates, connect, duplicates, similar
from tasks.dedup.lsh import RECALL, bands_for
from tasks.dedup.past import code_digest
from tasks.dedup.sketching import CollectionError, Shard, Source, cut, sketch


@dataclass(frozen=True, slots=True)
class OutOfCore:
    """`threshold`: Jaccard similarity of n-gram sets from which texts are duplicates. `recall`: probability with which
    a pair at the threshold is found (a closer one with more); each pair found is verified exactly.
    `memory`: what DuckDB may use, such as "4GB"; a worker needs about 3 kB a row of a shard beside it.
    `threads`: DuckDB's; 0: as many as this process may use."""

    threshold: float = 0.7
    n: int = 3
    recall: float = RECALL
    memory: str = "4GB"
    threads: int = 0
    shard_rows: int = 200_000


@dataclass(frozen=True)
class Collection:
    """Texts in Parquet files, and the folder where they are de-duplicated."""

    files: Sequence[Path]
    folder: Path
    source: Source = field(default_factory=Source)
    settings: OutOfCore = field(default_factory=OutOfCore)

    @property
    def shards(self) -> list[Shard]:
        """In the order of the files. CollectionError where the folder holds another run's."""
        settings, found, start = self.settings, [], 0
        for number, (file, groups, rows) in enumerate(cut(list(self.files), settings.shard_rows)):
            how = (settings.threshold, settings.n, settings.recall)
            found.append(Shard(number, str(file), groups, start, rows, str(self.folder), self.source, *how))
            start += rows
        # shards sketched from texts under another spelling are another run's
        self._own({"spelling": code_digest(), "shards": [asdict(shard) for shard in found]})
        return found

    def run(self, each: Each = map) -> Path:
        """Sketch, join, verify, cluster. The file of duplicates: columns id, of, near, score."""
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
            found = similar(database, shards, pairs, self.settings.threshold, each)
            table = duplicates(database, found)
        partial = result.with_name(f".{result.name}.partial")
        pq.write_table(table, partial)
        os.replace(partial, result)
        return result

    def _own(self, plan: dict[str, object]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        record, path = orjson.dumps(plan, option=orjson.OPT_INDENT_2), self.folder / "shards.json"
        if not path.exists():
            path.write_bytes(record)
        elif path.read_bytes() != record:
            raise CollectionError(
                f"{self.folder} holds a run over other files or settings, or of another version of mathmill; give an empty folder, or delete it"
            )
