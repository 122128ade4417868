"""Stored candidates judged again by what is stored of them: thresholds, sources, shares. No model is asked.

A candidate's life is known from the rows that its runs left: how far it came through the stages, with which
scores. So another threshold is a comparison of columns; only a row that was dropped before a stage now
matters has to be sent through that stage (flows/rebuild.py does).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from storage.datasets.quality import scores_of
from storage.reasons import Code, Reason, reason
from storage.rows import failed, reasons_of

Mask = npt.NDArray[np.bool_]
STAGE = "rebuild"
FIRST, LAST = "verify", ("weigh", "dedup", "decontaminate", "mix", "published")
# what is read of every candidate; the texts stay on the disk
COLUMNS = (
    "id", "problem_id", "solution_format", "language", "domain", "subdomain", "source", "license", "method", "model",
    "prompt", "scores", "correctness", "difficulty", "rejected", "reason", "run", "stage",
)  # fmt: skip
CHOSEN_BY = (
    "source",
    "license",
    "method",
    "model",
    "prompt",
    "language",
    "domain",
    "subdomain",
    "solution_format",
)


def steps_of(scorers: Sequence[str]) -> list[str]:
    """The stages that a solution passes, in order; its life ends at one of them."""
    return [FIRST, *scorers, *LAST]


@dataclass(slots=True)
class Pool:
    """One row a candidate, as arrays of length n. `rows`: COLUMNS; `reached`: the furthest of `steps` at which
    its fate was ever decided (the last: it was published); `position`: where its newest occurrence lies in
    what was read; `alive`: still in; `why`: the reason (storage.reasons.Reason) where not; `lines`: the funnel so far."""

    rows: pa.Table
    steps: list[str]
    reached: npt.NDArray[np.int64]
    position: npt.NDArray[np.int64]
    alive: Mask
    why: npt.NDArray[np.object_]
    lines: list[dict[str, Any]] = field(default_factory=list)

    def step(self, stage: str) -> int:
        return self.steps.index(stage)

    def drop(
        self, stage: str, title: str, gone: Mask, why: Reason | npt.NDArray[np.object_] | None = None
    ) -> None:
        """Take out the living rows of the mask; `why`: one reason for all, or one per row of the pool (None where
        it is not in the mask); without it the reason that is stored with each."""
        asked = int(self.alive.sum())
        gone = gone & self.alive
        if isinstance(why, np.ndarray):
            self.why[gone] = why[gone]
        elif why is not None:
            self.why[gone] = why
        elif gone.any():
            self.why[gone] = reasons_of(self.rows.filter(pa.array(gone)))
        self.alive &= ~gone
        failures = sum(one.failed for one in self.why[gone])
        self.line(stage, title, asked, int(gone.sum()) - failures, failures)

    def line(self, stage: str, title: str, asked: int, rejected: int, failed: int) -> None:
        kept = asked - rejected - failed
        self.lines.append(
            {
                "stage": stage,
                "title": title,
                "asked": asked,
                "kept": kept,
                "rejected": rejected,
                "failed": failed,
            }
        )


def gather(
    occurrences: pa.Table, runs: Sequence[str], scorers: Sequence[str], past: Collection[str] = ()
) -> Pool:
    """The pool out of all occurrences of candidates (COLUMNS, in the order read), of these runs, oldest first.

    A row met in several runs counts once: with the scores of the newest and the furthest stage of all. `past`:
    scorers that are none of `scorers` any more; who was dropped by one has passed verification. What other
    stages left (questions, solutions that could not be read, the student's) is no candidate.
    """
    steps = steps_of(scorers)
    names = occurrences.column("stage")
    stage = _codes(names, steps)
    stage = np.where(_codes(names, ["certify"]) == 0, steps.index("decontaminate"), stage)
    stage = np.where((stage < 0) & (_codes(names, sorted(past)) >= 0), 0, stage)
    run = _codes(occurrences.column("run"), list(runs))
    usable = np.flatnonzero((stage >= 0) & (run >= 0))
    ids = occurrences.column("id").combine_chunks().dictionary_encode().indices.to_numpy()[usable]
    # what failed at a stage was not judged there: it came as far as the stage before; of a row that was stored
    # before reasons had a type it is not known, so it is judged again
    unjudged = _mask(failed(occurrences)) | _mask(
        pc.and_(pc.is_valid(occurrences.column("rejected")), pc.is_null(occurrences.column("reason")))
    )
    reached = (stage - unjudged)[usable]
    # of occurrences of one row that ended at one stage the one whose reason names another row says more
    codes = pc.struct_field(occurrences.column("reason"), "code")
    telling = ~_mask(pc.fill_null(pc.equal(codes, Code.REPEATED.value), False))[usable]
    order = np.lexsort((telling, stage[usable], run[usable], ids))
    last = order[np.r_[ids[order][1:] != ids[order][:-1], True]] if len(order) else order
    furthest = np.full(int(ids.max(initial=-1)) + 1, -1, dtype=np.int64)
    np.maximum.at(furthest, ids, reached)
    position = usable[last]
    by_place = np.argsort(position)
    position, last = position[by_place], last[by_place]
    count = len(position)
    return Pool(
        occurrences.take(pa.array(position)),
        steps,
        furthest[ids[last]],
        position,
        np.ones(count, dtype=bool),
        np.full(count, None, dtype=object),
    )


def leave_out(pool: Pool, without: Mapping[str, Sequence[str]], only: Mapping[str, Sequence[str]]) -> None:
    """Drop rows by where they came from: those with a value of `without`, those with none of `only`."""
    for name, values in sorted(without.items()):
        hit = pc.is_in(pool.rows.column(name), value_set=pa.array(list(values), pa.string()))
        pool.drop(
            STAGE, f"Without {name} {', '.join(values)}", _mask(hit), reason(STAGE, Code.LEFT_OUT, name=name)
        )
    for name, values in sorted(only.items()):
        hit = pc.is_in(pool.rows.column(name), value_set=pa.array(list(values), pa.string()))
        pool.drop(
            STAGE, f"Only {name} {', '.join(values)}", ~_mask(hit), reason(STAGE, Code.NOT_WANTED, name=name)
        )


def unverified(pool: Pool) -> None:
    """Drop what verification dropped: wrong stays wrong."""
    wrong = pool.reached < pool.step(FIRST) + 1
    wrong &= _mask(pc.fill_null(pc.equal(pool.rows.column("stage"), FIRST), False))
    pool.drop(FIRST, "Verified before", wrong)


def decided(pool: Pool, stage: str, title: str) -> None:
    """Drop what that stage dropped, for the reason it gave."""
    gone = pool.alive & (pool.reached == pool.step(stage))
    pool.drop(stage, title, gone)


def below(pool: Pool, thresholds: Mapping[str, float]) -> None:
    """Drop rows whose stored score (or `correctness`) is under its threshold; a row without it stays."""
    for name, least in sorted(thresholds.items()):
        values = scores(pool, name)
        with np.errstate(invalid="ignore"):
            # as stored, in single precision: 0.6 is not under 0.6
            low = values < np.float32(least)
        why = np.full(len(values), None, dtype=object)
        for i in np.flatnonzero(low & pool.alive).tolist():
            why[i] = reason(
                STAGE, Code.BELOW_THRESHOLD, name=name, score=f"{values[i]:.2f}", threshold=f"{least:.2f}"
            )
        pool.drop(STAGE, f"{name} at least {least:g}", low, why)


def scores(pool: Pool, name: str) -> npt.NDArray[np.float32]:
    """A score of each row, NaN where it has none; `correctness` is a column of its own."""
    if name == "correctness":
        column = pool.rows.column(name).combine_chunks()
        return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float32)
    found = [scores_of(chunk, name) for chunk in pool.rows.column("scores").chunks]
    return np.concatenate([np.zeros(0, np.float32), *found])


def duplicates(pool: Pool) -> tuple[Mask, Mask]:
    """Rows that de-duplication dropped for one that still lives (they stay out), and for one that does not
    (they are to be compared again). Others it dropped, by the cap a template, stay out as well."""
    at_dedup = (pool.reached == pool.step("dedup")) & pool.alive
    keeper = pc.map_lookup(pc.struct_field(pool.rows.column("reason"), "values"), "other", "first")
    index = pc.index_in(keeper, value_set=pool.rows.column("id").combine_chunks())
    place = np.asarray(pc.fill_null(index, -1).to_numpy(), dtype=np.int64)
    free = at_dedup & (place >= 0) & ~pool.alive[np.maximum(place, 0)]
    return at_dedup & ~free, free


def _codes(column: pa.ChunkedArray, values: Sequence[str]) -> npt.NDArray[np.int64]:
    """The place of each value in `values`, -1 where it is none of them."""
    found = pc.index_in(column, value_set=pa.array(list(values), pa.string()))
    return np.asarray(pc.fill_null(found, -1).to_numpy(), dtype=np.int64)


def _mask(values: Any) -> Mask:
    return np.asarray(
        values.to_numpy(zero_copy_only=False) if isinstance(values, pa.Array) else values.to_numpy(),
        dtype=bool,
    )
