"""Measures what a night shows of the models behind its roles.

At least one of these quantities changes if a model was replaced under the same name, a critic was sabotaged, or an endpoint
began to truncate a prompt. Each is one value per question (per canary, for the canaries), because the samples of a question are
not independent, and at most MOST_QUESTIONS of a night count: nights differ by more than the sampling of their
questions, so that more of them show no more about the model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.arrays import Floats
from tasks.drift.betting import Counts, WatchedQuantity
from tasks.seeding import seeds_of

MOST_QUESTIONS = 200
ANSWER = "answer"  # the critic's score of a solution
STEPS = 20  # a share is counted at the nearest of 0, 1/20, ..., 1
LENGTHS = 80  # classes of lengths, five per doubling of the characters
PER_DOUBLING = 5
_SHARE = WatchedQuantity(np.arange(STEPS + 1) / STEPS, 0.05)
_EXACT = WatchedQuantity(_SHARE.values, 0.0)  # canaries are drawn alike in every night
_KNOWN = WatchedQuantity(
    _SHARE.values, 0.01
)  # these questions are drawn alike too, but by the quota of the night
_LENGTH = WatchedQuantity(None, 0.08)


@dataclass(frozen=True, slots=True)
class Measure:
    """A measured quantity of the model of a role. `title` is for people. `parts`: the measures whose values this one has, which
    are tested together; it has then no `quantity` of its own."""

    title: str
    role: str
    quantity: WatchedQuantity | None
    parts: tuple[str, ...] = ()


MEASURES = {
    "judgements": Measure(
        "share of judgements with a known truth that are right", "critic", None, ("canaries", "known")
    ),
    "canaries": Measure("share of canaries that are judged rightly", "critic", _EXACT),
    "answers": Measure("share of solutions with a known answer that are right", "reasoner", _KNOWN),
    "known": Measure("share of solutions with a known answer that are judged rightly", "critic", _KNOWN),
    "acceptance": Measure("share of solutions accepted", "reasoner", _SHARE),
    "agreement": Measure("share of samples that agree", "reasoner", _SHARE),
    "critic": Measure("critic's score of solutions", "critic", _SHARE),
    "length": Measure("length of a solution (log of characters)", "reasoner", _LENGTH),
    "length_questions": Measure("length of a question (log of characters)", "teacher", _LENGTH),
    "length_critiques": Measure("length of a critique (log of characters)", "critic", _LENGTH),
}
# the number of classes of each measure that are counted; a measure of lengths has no unit, one of shares has
CLASSES = {
    name: LENGTHS if one.quantity is not None and one.quantity.values is None else STEPS + 1
    for name, one in MEASURES.items()
}


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of a measure over the questions of one night, with its standard error."""

    mean: float
    error: float
    questions: int


@dataclass(frozen=True, slots=True)
class Measured:
    """One measure of one night: its mean, and the counts of the classes that the test is run on, (classes,)."""

    mean: Mean
    counts: Counts


def measure(
    *,
    written: Sequence[pa.Table],
    verified: Sequence[pa.Table],
    scored: Sequence[pa.Table],
    weighed: Sequence[pa.Table],
    answered: Sequence[pa.Table],
    known: Sequence[pa.Table],
    canaries: Iterable[Mapping[str, Any]],
    canary_answers: Iterable[Mapping[str, Any]] = (),
    discarded: Iterable[Mapping[str, Any]] = (),
    discarded_known: Iterable[Mapping[str, Any]] = (),
) -> dict[str, Measured]:
    """Return the measures of one night that have values.

    written: the questions of the teacher. verified: every solution after verification. scored: the rows after the critic.
    weighed: the rows after the votes were weighed. answered, known: the rows of questions with known answers, after
    verification and after the critic. All of them are tables of storage.rows.SCHEMA. canaries: the records of tasks.canaries.batch.scored.
    canary_answers: the records of the samples of canaries, of tasks.canaries.questions.with_canaries.
    discarded, discarded_known: its records of judgements that were not used, of questions and of those with known answers. They
    are evidence like the others: a batch is discarded because its critic misjudges.
    """
    wrote = _joined(written, ["problem_id", "question", "rejected"])
    wrote = wrote.filter(pc.is_null(wrote.column("rejected")))
    solved = _joined(verified, ["problem_id", "solution", "reasoning", "verdicts"])
    judged = _judgements(_joined(scored, JUDGED), discarded)
    labelled = _judgements(_joined(known, JUDGED), discarded_known)
    checked = _answers(_joined(answered, ["problem_id", "verdicts"]), canary_answers)
    replies = pc.binary_join_element_wise(
        solved.column("solution").fill_null(""), solved.column("reasoning").fill_null(""), ""
    )
    values = {
        "answers": (checked, _numbers(checked.column("right"))),
        "known": (labelled, _rightly(labelled)),
        "agreement": (solved, _share(solved.column("verdicts"), "consistent")),
        "critic": (judged, _numbers(judged.column("score"))),
        "length": (solved, _log_length(pc.utf8_length(replies))),
        "length_questions": (wrote, _log_length(pc.utf8_length(wrote.column("question")))),
        "length_critiques": (judged, _log_length(judged.column("characters"))),
    }
    means = {
        name: _per_question(table.column("problem_id"), numbers) for name, (table, numbers) in values.items()
    }
    means["acceptance"] = _accepted(solved, _joined(weighed, ["problem_id", "rejected"]))
    measured = {
        name: Measured(_mean(numbers), counts_of(name, numbers))
        for name, (_, numbers) in {name: _sampled(*one) for name, one in means.items()}.items()
    }
    measured["canaries"] = _canaries(canaries)
    for name, one in MEASURES.items():
        if one.parts:
            measured[name] = _together([measured[part] for part in one.parts])
    return {name: measured[name] for name in MEASURES if measured[name].mean.questions > 1}


def counts_of(name: str, values: Floats) -> Counts:
    """Return how many values of a measure are in each of its classes, (classes,)."""
    return np.bincount(classes_of(name, values), minlength=CLASSES[name])


def classes_of(name: str, values: Floats) -> Counts:
    """Return the class of each value of a measure, of any shape."""
    if CLASSES[name] == LENGTHS:
        return np.asarray(np.minimum(LENGTHS - 1, PER_DOUBLING * values / np.log(2)), dtype=np.int64)
    return np.asarray(np.rint(values * STEPS), dtype=np.int64)


def _canaries(records: Iterable[Mapping[str, Any]]) -> Measured:
    asked = right = 0
    for record in records:
        asked, right = asked + sum(record["asked"].values()), right + sum(record["right"].values())
    values = np.concatenate([np.ones(right), np.zeros(asked - right)])
    return Measured(_mean(values), counts_of("canaries", values))


def _together(parts: Sequence[Measured]) -> Measured:
    """Return the values of several measures of shares as one measure."""
    counts = np.sum([part.counts for part in parts], axis=0)
    return Measured(_mean(np.repeat(np.arange(STEPS + 1) / STEPS, counts)), counts)


JUDGED = ["problem_id", "scores", "critique", "verdicts"]


def _judgements(rows: pa.Table, discarded: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Return the critic's judgements of the rows and the discarded ones: the columns problem_id, score, characters (of the
    critique) and equivalent."""
    used = pa.table(
        {
            "problem_id": rows.column("problem_id"),
            "score": pc.map_lookup(rows.column("scores"), ANSWER, "first").cast(pa.float64()),
            "characters": pc.utf8_length(rows.column("critique")).cast(pa.int64()),
            "equivalent": pc.map_lookup(rows.column("verdicts"), "equivalent", "first").cast(pa.string()),
        }
    )
    others = [
        pa.table({name: record[name] for name in used.column_names}, used.schema) for record in discarded
    ]
    return pa.concat_tables([used, *others])


def _answers(rows: pa.Table, canaries: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Return the questions with known answers of the rows and of the canaries: the columns problem_id and right, 1 or 0 or null."""
    right = _right(pc.map_lookup(rows.column("verdicts"), "equivalent", "first"))
    known = pa.table({"problem_id": rows.column("problem_id"), "right": pa.array(right, from_pandas=True)})
    others = [
        pa.table(
            {"problem_id": record["problem_id"], "right": [float(one) for one in record["right"]]},
            known.schema,
        )
        for record in canaries
    ]
    return pa.concat_tables([known, *others])


def _joined(tables: Sequence[pa.Table], columns: list[str]) -> pa.Table:
    from storage.rows import empty

    return pa.concat_tables([table.select(columns) for table in tables] or [empty().select(columns)])


def _rightly(rows: pa.Table) -> Floats:
    """Return 1 where the critic called a right answer right or a wrong one wrong, 0 where not, NaN where it was not asked."""
    truth, score = _right(rows.column("equivalent")), _numbers(rows.column("score"))
    return np.where(np.isnan(truth + score), np.nan, ((score >= 0.5) == (truth == 1)).astype(np.float64))


def _right(equivalent: pa.ChunkedArray) -> Floats:
    """Return 1 where the answer equals the known one, 0 where it differs, NaN where that is not known."""
    truth = equivalent.fill_null("unknown")
    compared = np.asarray(pc.is_in(truth, pa.array(["equal", "different"])).to_numpy(), dtype=bool)
    equal = np.asarray(pc.equal(truth, "equal").to_numpy(), dtype=bool).astype(np.float64)
    return np.where(compared, equal, np.nan)


def _share(verdicts: pa.ChunkedArray, name: str) -> Floats:
    """Return the verdict "for/all" as a share, NaN where a row has none."""
    parts = pc.extract_regex(pc.map_lookup(verdicts, name, "first"), r"^(?P<part>\d+)/(?P<whole>\d+)$")
    part, whole = (_numbers(pc.struct_field(parts, key).cast(pa.float64())) for key in ("part", "whole"))
    return np.asarray(part / np.where(whole > 0, whole, np.nan))


def _log_length(characters: pa.ChunkedArray) -> Floats:
    return np.log1p(_numbers(characters.cast(pa.float64())))


def _numbers(values: pa.ChunkedArray) -> Floats:
    return np.asarray(values.fill_null(float("nan")).to_numpy(), dtype=np.float64)


def _per_question(ids: pa.ChunkedArray, values: Floats) -> tuple[list[str], Floats]:
    """Return the questions, and the mean of each one's values that are numbers."""
    known = ~np.isnan(values)
    if not known.any():
        return [], np.zeros(0)
    names, question = np.unique(ids.to_numpy()[known].astype(str), return_inverse=True)
    return names.tolist(), np.asarray(np.bincount(question, values[known]) / np.bincount(question))


def _accepted(solved: pa.Table, weighed: pa.Table) -> tuple[list[str], Floats]:
    """Return the questions, and the share of each one's solutions that were kept."""
    ids, solutions = np.unique(solved.column("problem_id").to_numpy().astype(str), return_counts=True)
    kept = weighed.filter(pc.is_null(weighed.column("rejected"))).column("problem_id").to_numpy().astype(str)
    place = np.searchsorted(ids, kept)
    shares = np.bincount(place, minlength=len(ids)) / solutions if len(ids) else np.zeros(0)
    return ids.tolist(), np.asarray(shares)


def _sampled(names: list[str], values: Floats) -> tuple[list[str], Floats]:
    """Return at most MOST_QUESTIONS questions with their values, chosen by their ids."""
    if len(names) <= MOST_QUESTIONS:
        return names, values
    chosen = np.sort(np.argsort(seeds_of(("drift",), names), kind="stable")[:MOST_QUESTIONS])
    return [names[i] for i in chosen], values[chosen]


def _mean(values: Floats) -> Mean:
    if len(values) < 2:
        return Mean(0.0, 0.0, len(values))
    return Mean(float(values.mean()), float(values.std(ddof=1) / len(values) ** 0.5), len(values))
