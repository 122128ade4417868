"""The state of a rebuild: its candidates, where their rows are stored, and how rows pass a stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads

from flows.config.nightly import Nightly
from flows.config.rebuild import Rebuild
from flows.runner.decontamination import Decontamination
from flows.runner.publication import funnel_line
from flows.runner.stages import Line, Step
from storage.datasets.versions import Version
from storage.rows import reasons_of, replace, unrejected
from storage.stage_cache.shards import Ref, digest_of
from tasks.arrays import Mask
from tasks.stages.rejudge import CandidateArrays

BATCH = 65_536
JUDGED = ("scores", "correctness", "difficulty")  # what stages write into rows that a rebuild decides by


@dataclass(slots=True)
class RebuildState:
    """The candidates of a rebuild as arrays, and what was decided so far.

    base: the version whose candidates and rules are taken. head: the table version to publish on. rules: how the base
    was judged, with what this rebuild changes. steps: the stages that judge solutions, in order. against: returns the
    benchmarks, which are read only if needed. candidates: the stored rows. unjudged: scorer -> rows that it has to judge. certificate: that of the base, or of a new comparison of all rows. calibration: what votes are worth, as the lineage has it. refitted: whether that is something else than for
    the base.
    weights: loss weights (n,). orders: places in the curriculum, NaN where there is none (n,). output: for each row the number in `outputs` of the stage output with its newest state,
    -1 where that is the stored row (n,).
    """

    config: Rebuild
    line: Line
    base: Version
    head: int | None
    rules: Nightly
    steps: list[Step]
    against: Callable[[], Decontamination]
    candidates: pads.Dataset
    pool: CandidateArrays
    certificate: dict[str, Any]
    calibration: dict[str, Any] = field(default_factory=dict)
    refitted: bool = False
    unjudged: dict[str, int] = field(default_factory=dict)
    weights: np.ndarray[Any, np.dtype[np.float32]] = field(init=False)
    orders: np.ndarray[Any, np.dtype[np.float32]] = field(init=False)
    output: np.ndarray[Any, np.dtype[np.int64]] = field(init=False)
    outputs: list[Ref] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.weights = np.ones(len(self.pool.alive), dtype=np.float32)
        self.orders = np.full(len(self.pool.alive), np.nan, dtype=np.float32)
        self.output = np.full(len(self.pool.alive), -1, dtype=np.int64)

    @property
    def run(self) -> str:
        """Return the name of this rebuild: equal rules and equal candidates give an equal name."""
        plain = self.config.model_dump(mode="json", exclude={"shard_rows", "force"})
        refit = [self.calibration] if self.refitted else []
        return f"rebuild-{digest_of(plain, self.base.digest, len(self.pool.alive), *refit)[:12]}"

    def tables(self, mask: Mask) -> Iterator[pa.Table]:
        """Yield the whole rows of a mask, streamed from where they are stored, as they were judged last."""
        schema = self.line.tools.store.scan(self.base).schema
        stored = mask & (self.output < 0)
        places = np.zeros(0, np.int64) if not stored.any() else np.sort(self.pool.position[stored])
        index = np.argsort(self.pool.position, kind="stable")
        start = 0
        if len(places):
            for batch in self.candidates.scanner(
                columns=schema.names, batch_size=BATCH, batch_readahead=2, fragment_readahead=1
            ).to_batches():
                low, high = np.searchsorted(places, (start, start + len(batch)))
                if high > low:
                    yield self._revived(
                        pa.Table.from_batches([batch]).take(pa.array(places[low:high] - start)),
                        index[np.searchsorted(self.pool.position[index], places[low:high])],
                    )
                start += len(batch)
        for number in sorted(set(self.output[mask & (self.output >= 0)].tolist())):
            table = self.line.tools.shards.read(self.outputs[number]).select(schema.names)
            positions = np.flatnonzero(mask & (self.output == number))
            place = pc.index_in(
                self.pool.rows.column("id").take(pa.array(positions)),
                value_set=table.column("id").combine_chunks(),
            )
            yield self._revived(table.take(place), positions)

    def _revived(self, table: pa.Table, index: np.ndarray[Any, Any]) -> pa.Table:
        order = pa.array(self.orders[index], pa.float32(), from_pandas=True)  # NaN becomes null
        return replace(unrejected(table), loss_weight=pa.array(self.weights[index]), order=order)

    def measured(self, mask: Mask, measure: Callable[[pa.Table], pa.ChunkedArray]) -> pa.ChunkedArray:
        """Return what `measure` returns for the rows of a mask, one value per row of a table, in the order of the pool."""
        ids, values = [pa.array([], pa.string())], [measure(self.candidates.schema.empty_table())]
        for table in self.tables(mask):
            ids += table.column("id").chunks
            values.append(measure(table))
        places = pc.index_in(
            self.pool.rows.column("id").filter(pa.array(mask)), value_set=pa.concat_arrays(ids)
        )
        return pa.chunked_array([chunk for one in values for chunk in one.chunks], values[0].type).take(
            places
        )

    def through(
        self,
        step: Step,
        mask: Mask,
        *,
        of: str = "what is new",
        reads: Mapping[str, Sequence[Ref]] | None = None,
    ) -> None:
        """Send the rows of the mask through a stage. What it drops is dropped from the pool, with its reason. of: what they are, for
        the title."""
        line, pool = self.line, self.pool
        shards = [
            shard
            for table in self.tables(mask)
            for shard in line.shards("rework", table, self.config.shard_rows)
        ]
        title = f"{step.stage.title}, {of}"
        results = line.run(step.stage, step.call(), shards, title=title, reads=reads)
        pool.lines.append(funnel_line(line.funnel[-1]))
        ids = pool.rows.column("id").combine_chunks()
        newest = np.arange(len(ids))
        tables: list[pa.Table] = []
        for ref in results:
            self.outputs.append(ref)
            judged = line.tools.shards.read(ref, ["id", "rejected", "reason", *JUDGED])
            place = pc.index_in(judged.column("id"), value_set=ids).to_numpy()
            why = np.full(len(judged), None, dtype=object)
            why[:] = reasons_of(judged)
            self.output[place] = len(self.outputs) - 1
            pool.why[place] = why
            pool.alive[place] = why == None  # noqa: E711 (elementwise)
            newest[place] = len(ids) + sum(map(len, tables)) + np.arange(len(judged))
            tables.append(judged)
        for name in (
            JUDGED if tables else ()
        ):  # what follows reads what was judged last, as the next rebuild will
            before = pool.rows.column(name)
            chunks = [chunk for table in tables for chunk in table.column(name).cast(before.type).chunks]
            at = pool.rows.column_names.index(name)
            pool.rows = pool.rows.set_column(
                at, name, pa.chunked_array([*before.chunks, *chunks], before.type).take(pa.array(newest))
            )
