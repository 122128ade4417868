"""Decide on stored candidates again, from their stored columns: thresholds, sources, shares. No model is called.

The stored rows show the last stage that each candidate reached, and its scores. Another threshold is therefore a comparison of
columns. Only a row that was dropped before a stage that now applies to it has to pass that stage (flows/rebuild.py does this).
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
from storage.reasons import NOT_TAKEN, Code, Reason, reason
from storage.rows import SOLUTION_BY, failed, reasons_of
from tasks.arrays import Mask
from tasks.loss_weights import EQUAL
from tasks.stages.select import SELECTOR
from tasks.stages.select import STAGE as SELECT

STAGE = "rebuild"
# the columns that are read of every candidate; texts are not read
COLUMNS = (
    "id", "problem_id", "solution_format", "language", "domain", "subdomain", "source", "license", "method", "model",
    "prompt", "scores", "correctness", "difficulty", "rejected", "reason", "run", "stage",
)  # fmt: skip
CHOSEN_BY = (
    "id",
    "problem_id",
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


@dataclass(slots=True)
class CandidateArrays:
    """The candidates of a rebuild, one row per candidate, as arrays of length n.

    `rows`: those of `columns`; `reached`: the furthest of `steps` at which the row was ever decided on (the last: it
    was published); `position`: the place of its newest occurrence among the occurrences that were read;
    `alive`: not dropped so far; `why`: the reason (storage.reasons.Reason) of each dropped row; `lines`:
    the funnel so far.
    """

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
        """Drop the rows of the mask that are still alive, and add a line to the funnel.

        `why`: one reason for all, or one per row of the pool (None where the row is not in the mask);
        without it each row gets the reason that is stored with it.
        """
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
        rejected = int(gone.sum()) - failures
        self.lines.append(
            {
                "stage": stage,
                "title": title,
                "asked": asked,
                "kept": asked - rejected - failures,
                "rejected": rejected,
                "not_taken": sum(one.code in NOT_TAKEN for one in self.why[gone]),
                "failed": failures,
            }
        )


def columns() -> dict[str, pc.Expression]:
    """Return what is read of each occurrence of a candidate: COLUMNS, and SOLUTION_BY and EQUAL out of its verdicts."""
    verdicts = {name: pc.map_lookup(pc.field("verdicts"), name, "first") for name in (SOLUTION_BY, EQUAL)}
    return {**{name: pc.field(name) for name in COLUMNS}, **verdicts}


def gather(
    occurrences: pa.Table,
    runs: Sequence[str],
    steps: list[str],
    same_as: Mapping[str, str],
    past: Collection[str] = (),
) -> CandidateArrays:
    """Return the pool of all candidates, from their occurrences (those of `columns`, in the order read) in `runs`,
    oldest first.

    A row that occurs in several runs counts once: with the scores of the newest occurrence and the furthest
    stage of all. `steps`: the stages that a solution passes, in order, "published" the last. `same_as`: a
    further stage -> the one of `steps` whose decision its decision counts as. `past`: stages that are no
    longer in `steps`; a row that one of them dropped has passed the first one. Rows of other stages
    (questions, solutions that could not be read, the student's answers) are no candidates.
    """
    names = occurrences.column("stage")
    stage = _codes(names, steps)
    for further, counted_as in same_as.items():
        stage = np.where(_codes(names, [further]) == 0, steps.index(counted_as), stage)
    stage = np.where((stage < 0) & (_codes(names, sorted(past)) >= 0), 0, stage)
    run = _codes(occurrences.column("run"), list(runs))
    usable = np.flatnonzero((stage >= 0) & (run >= 0))
    ids = occurrences.column("id").combine_chunks().dictionary_encode().indices.to_numpy()[usable]
    # a row that failed at a stage was not judged there: it reached the stage before; for a row that was stored
    # before reasons had a type this is not known, so it is judged again
    unjudged = _mask(failed(occurrences)) | _mask(
        pc.and_(pc.is_valid(occurrences.column("rejected")), pc.is_null(occurrences.column("reason")))
    )
    reached = (stage - unjudged)[usable]
    # of several occurrences of a row that ended at one stage, prefer one whose reason names another row
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
    return CandidateArrays(
        occurrences.take(pa.array(position)),
        steps,
        furthest[ids[last]],
        position,
        np.ones(count, dtype=bool),
        np.full(count, None, dtype=object),
    )


def leave_out(
    pool: CandidateArrays, without: Mapping[str, Sequence[str]], only: Mapping[str, Sequence[str]]
) -> None:
    """Drop rows by their origin: those with a value of `without`, and those with no value of `only`."""
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


def judged_by_people(pool: CandidateArrays, why: Mapping[str, Reason]) -> None:
    """Drop the rows that have a reason in `why`, by id. Without any, the funnel gets no line."""
    if why:
        reasons = np.array([why.get(row) for row in pool.rows.column("id").to_pylist()], dtype=object)
        pool.drop("review", "Judgements of reviewers", reasons != None, reasons)  # noqa: E711 (elementwise)


def unverified(pool: CandidateArrays, stage: str, title: str) -> None:
    """Drop the rows that the verification, the first stage, dropped: a wrong answer stays wrong."""
    wrong = pool.reached <= pool.step(stage)
    wrong &= _mask(pc.fill_null(pc.equal(pool.rows.column("stage"), stage), False))
    pool.drop(stage, title, wrong)


def decided(pool: CandidateArrays, stage: str, title: str) -> None:
    """Drop the rows that the stage dropped, for the reason that it gave."""
    gone = pool.alive & (pool.reached == pool.step(stage))
    pool.drop(stage, title, gone)


def not_taken_by(pool: CandidateArrays, selectors: Collection[str]) -> Mask:
    """Return the mask of the rows that one of these selectors dropped."""
    name = pc.map_lookup(pc.struct_field(pool.rows.column("reason"), "values"), SELECTOR, "first")
    by_them = pc.fill_null(pc.is_in(name, value_set=pa.array(sorted(selectors), pa.string())), False)
    dropped: Mask = _mask(by_them) & (pool.reached == pool.step(SELECT))
    return dropped


def below(
    pool: CandidateArrays, thresholds: Mapping[str, float], trusted: Mapping[str, float] | None = None
) -> None:
    """Drop rows whose stored score (or `correctness`) is below its threshold; a row without the score
    stays. `trusted`: thresholds in place of these for rows whose solution no model wrote.
    """
    trusted = trusted or {}
    written = _mask(pc.is_null(pool.rows.column(SOLUTION_BY)))
    for name in sorted({*thresholds, *trusted}):
        values = scores(pool, name)
        of_all = thresholds.get(name, -np.inf)
        least_of = np.where(written, of_all, trusted.get(name, of_all)).astype(np.float32)
        with np.errstate(invalid="ignore"):
            # scores are stored in single precision: 0.6 must not be below 0.6
            low = values < least_of
        why = np.full(len(values), None, dtype=object)
        for i in np.flatnonzero(low & pool.alive).tolist():
            why[i] = reason(
                STAGE,
                Code.BELOW_THRESHOLD,
                name=name,
                score=f"{values[i]:.2f}",
                threshold=f"{least_of[i]:.2f}",
            )
        if name in thresholds:
            pool.drop(STAGE, f"{name} at least {thresholds[name]:g}", low, why)
        else:
            pool.drop(STAGE, f"{name} of trusted solutions at least {trusted[name]:g}", low, why)


def scores(pool: CandidateArrays, name: str) -> npt.NDArray[np.float32]:
    """Return a score of each row, NaN where it has none; "correctness" reads the column of that name."""
    if name == "correctness":
        column = pool.rows.column(name).combine_chunks()
        return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float32)
    parts = [scores_of(chunk, name) for chunk in pool.rows.column("scores").chunks]
    return np.concatenate([np.zeros(0, np.float32), *parts])


def duplicates(pool: CandidateArrays, stage: str) -> tuple[Mask, Mask]:
    """Return two masks of rows that de-duplication, `stage`, dropped: those that stay out, and those to be
    compared again.

    A row is to be compared again if the row that it duplicated is no longer alive. Rows that were dropped
    by the limit per template stay out.
    """
    at_dedup = (pool.reached == pool.step(stage)) & pool.alive
    keeper = pc.map_lookup(pc.struct_field(pool.rows.column("reason"), "values"), "other", "first")
    index = pc.index_in(keeper, value_set=pool.rows.column("id").combine_chunks())
    place = np.asarray(pc.fill_null(index, -1).to_numpy(), dtype=np.int64)
    free = at_dedup & (place >= 0) & ~pool.alive[np.maximum(place, 0)]
    return at_dedup & ~free, free


def _codes(column: pa.ChunkedArray, values: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the position of each value in `values`, -1 where it is not one of them."""
    places = pc.index_in(column, value_set=pa.array(list(values), pa.string()))
    return np.asarray(pc.fill_null(places, -1).to_numpy(), dtype=np.int64)


def _mask(values: Any) -> Mask:
    return np.asarray(
        values.to_numpy(zero_copy_only=False) if isinstance(values, pa.Array) else values.to_numpy(),
        dtype=bool,
    )
