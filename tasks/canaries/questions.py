"""Hides questions with known answers among those that a reasoner solves, and decides by them whether its solutions of the batch are used.

The questions come from the same two sources as those on which the votes are calibrated: the night's seed problems with a trusted
answer, and the problem families, of the language and, where there is one, the subdomain of a question of the batch. They stand at
places that follow from a hash, get the same samples under the same tag, and leave before the rows are counted. A batch has one of
them per EVERY questions at most, so that they cost no more than a twentieth of a large batch.

A canary is wrong if fewer than half of its samples that could be judged are right. A batch fails if a reasoner with `error`, the
share of the night's other questions with known answers that are wrong in the same sense, would get as many canaries wrong with a
probability of at most tasks.canaries.batch.CHANCE. It is then requested once more with other seeds and other canaries, and if that
fails too, its rows have failed. Without questions with known answers in the night no batch fails. The samples of all canaries are
evidence for tasks.drift, those of discarded requests included.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from storage.counting import counted
from storage.reasons import Code, reason
from storage.rows import Row, column, content_id, reasons_of, reject
from tasks.answers import Judge
from tasks.canaries.batch import RESEEDED, Reseeded, costs_of, fails, placed, up_to
from tasks.llm.engine import Engine
from tasks.problems.machinery.family import LEVELS, families, make, of_subdomain
from tasks.sandbox import Sandbox
from tasks.seeding import rng_of
from tasks.stages.outcome import Outcome, Tick
from tasks.stages.verify import VerifySettings, verify
from tasks.voting import prior

EVERY = 20  # questions per canary, at least
HALF = 0.5  # of its samples are right: then a canary is
TRIES = 20  # draws of a question that is not one of the batch


@dataclass(frozen=True, slots=True)
class KnownSample:
    """One sample of a question with a known answer. right: None where a call, the sandbox or the judge failed, which says nothing
    of the reasoner."""

    problem_id: str
    format: str
    model: str
    right: bool | None


def with_canaries(
    questions: pa.Table,
    solve: Callable[[pa.Table, Engine, Tick], Outcome],
    *,
    stage: str,
    engine: Engine,
    known: pa.Table | None,
    asked: Sequence[int],
    count: int,
    samples: int,
    error: float | None,
    sandbox: Sandbox | None,
    judge: Judge,
    tick: Tick,
) -> Outcome:
    """Return the solutions of the questions, with at most `count` questions with known answers hidden among those that the reasoner
    is `asked`.

    solve: the stage's function over questions, which reports `samples` rows per question to its tick. known: rows, some of them
    with a trusted answer, that canaries may be taken from. error: of the reasoner; None: no batch fails. The facts have
    `canaries`, one record per model that was asked, and `answered`, the judged samples of canaries.
    """
    count = min(count, -(-len(asked) // EVERY))
    if not count:
        return solve(questions, engine, tick)
    batch = content_id(stage, *column(questions, "problem_id"))

    def attempt(engine: Engine, tick: Tick, *parts: str) -> tuple[Outcome, list[KnownSample]]:
        canaries = canary_questions(questions.take(pa.array(asked)), known, count, batch, *parts)
        outcome = solve(placed(questions, canaries, asked)[0], engine, tick)
        ids = pa.array([row.problem_id for row in canaries], pa.string())
        canary = pc.is_in(outcome.rows.column("problem_id"), ids)
        rows, hidden = outcome.rows.filter(pc.invert(canary)), outcome.rows.filter(canary)
        without = Outcome(rows, outcome.asked - hidden.num_rows, outcome.facts)
        return without, judged_samples(hidden, sandbox, judge)

    def fails_by(outcome: Outcome, judged: list[KnownSample]) -> bool:
        # a batch with calls that are still to be made is decided on when all are made
        return error is not None and not outcome.facts.get("deferred") and fails(*wrong(judged), error)

    attempts = [attempt(engine, up_to(questions.num_rows * samples, tick))]
    if fails_by(*attempts[0]):
        attempts.append(attempt(cast(Engine, Reseeded(engine)), lambda rows: None, RESEEDED))
    outcome, judged = attempts[-1]
    dropped = len(attempts) > 1 and fails_by(outcome, judged)
    rows = _dropped(outcome.rows, questions, stage, judged) if dropped else outcome.rows
    every = [sample for _, some in attempts for sample in some]
    records = [
        {
            "scorer": stage, "role": engine.endpoint.role, "again": len(attempts) - 1, "dropped": int(dropped),
            **counts,
        }
        for counts in _by_model(every)
    ]  # fmt: skip
    facts = costs_of([one.facts for one, _ in attempts]) | {
        "canaries": records,
        "answered": [answered(every)],
    }
    return Outcome(rows, outcome.asked, facts)


def canary_questions(questions: pa.Table, known: pa.Table | None, count: int, *parts: str) -> list[Row]:
    """Return at most `count` different questions with known answers that are none of `questions`. Equal arguments give equal
    questions."""
    records = questions.select(["problem_id", "language", "domain", "subdomain"]).to_pylist()
    taken = {record["problem_id"] for record in records}
    trusted = [] if known is None else _trusted(known)
    rows: list[Row] = []
    for number in range(count):
        rng = rng_of("canary questions", *parts, number)
        like = rng.choice(records)
        for turn in range(TRIES):
            row = _one(trusted if turn < TRIES // 2 and rng.random() < HALF else [], like, rng)
            if row.problem_id not in taken:
                taken.add(row.problem_id)
                rows.append(row)
                break
    return rows


def _trusted(known: pa.Table) -> list[Row]:
    """Return the questions of the table that have a trusted answer."""
    names = ["question", "language", "reference_answer", "domain", "subdomain", "problem_id"]
    answered = known.filter(pc.is_valid(known.column("reference_answer"))).select(names)
    records = {record["problem_id"]: record for record in answered.to_pylist()}
    return [Row(**records[name]) for name in sorted(records)]


def _one(trusted: Sequence[Row], like: Mapping[str, Any], rng: random.Random) -> Row:
    """Return a question with a known answer of the language of `like`, and of its subdomain if there is one."""
    language = like["language"] if like["language"] in ("en", "zh") else "en"
    same = [row for row in trusted if row.language == like["language"]]
    if same:
        row = rng.choice([row for row in same if row.subdomain == like["subdomain"]] or same)
        return replace(row, verdicts={})
    drawn = rng.choice(of_subdomain(like["subdomain"] or "") or list(families().values()))
    problem = make(drawn, rng, rng.choice(LEVELS), language)
    return Row(
        problem.question,
        language,
        reference_answer=problem.worked.answer,
        domain=like["domain"],
        subdomain=problem.subdomain,
    )


def judged_samples(rows: pa.Table, sandbox: Sandbox | None, judge: Judge) -> list[KnownSample]:
    """Compare the solutions of questions with known answers with these. Their programs are run for it."""
    usable = pc.is_null(rows.column("rejected"))
    compared = verify(
        rows.filter(usable),
        sandbox=sandbox,
        judge=judge,
        calibration=prior(),
        settings=VerifySettings(),
        tick=lambda count: None,
    )
    parts = [rows.filter(pc.invert(usable)), compared]
    names = ("problem_id", "solution_format", "model", "verdicts")
    samples = []
    for part in parts:
        columns = (column(part, name) for name in names)
        for problem, kind, model, verdicts, why in zip(*columns, reasons_of(part), strict=True):
            right: bool | None = dict(verdicts or ()).get("equivalent") == "equal"
            if why is not None and (why.failed or why.code == Code.INCOMPARABLE):
                right = None
            samples.append(KnownSample(problem, kind or "cot", model or "", right))
    return samples


def wrong(samples: Iterable[KnownSample]) -> tuple[int, int]:
    """Return how many questions are wrong, and how many have a sample that was judged."""
    by_question: defaultdict[str, list[bool]] = defaultdict(list)
    for sample in samples:
        if sample.right is not None:
            by_question[sample.problem_id].append(sample.right)
    shares = [sum(right) / len(right) for right in by_question.values()]
    return sum(share < HALF for share in shares), len(shares)


def answered(samples: Iterable[KnownSample]) -> dict[str, list[Any]]:
    """Return the samples that were judged by column: the question, and whether the answer is right."""
    judged = [sample for sample in samples if sample.right is not None]
    return {"problem_id": [one.problem_id for one in judged], "right": [one.right for one in judged]}


def _by_model(samples: Sequence[KnownSample]) -> list[dict[str, Any]]:
    """Return the counts of samples per model, in the form of tasks.canaries.batch: by format how many were judged, and how many of
    them are right; the calls, and those whose sample could not be judged."""
    records = []
    for model in sorted({sample.model for sample in samples}):
        own = [sample for sample in samples if sample.model == model]
        asked = Counter(sample.format for sample in own if sample.right is not None)
        right = Counter(sample.format for sample in own if sample.right)
        failed = sum(sample.right is None for sample in own)
        records.append(
            {
                "model": model,
                "asked": dict(asked),
                "right": {kind: right[kind] for kind in asked},
                "failed": failed,
                "calls": len(own),
            }
        )
    return records


def _dropped(rows: pa.Table, questions: pa.Table, stage: str, judged: Sequence[KnownSample]) -> pa.Table:
    """Return the rows, of which those that are none of the questions with a solution of their own have failed."""
    missed, all_ = wrong(judged)
    error = (
        f"the reasoner failed {missed} of {counted(all_, 'question')} whose answer is known, twice; "
        "its solutions of this batch are not used"
    )
    why = reason(stage, Code.CANARIES_WRONG, error=error)
    own = set(column(questions, "id"))
    return reject(rows, [None if name in own else why for name in column(rows, "id")])
