"""Where the student is weak: its failures on a probe set, and the rows of the pool nearest to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

import prompts
from storage.rows import column, kept, reject, replace
from tasks.answers import Judge, extract
from tasks.bill import Bill
from tasks.llm.engine import Engine
from tasks.llm.request import Request
from tasks.outcome import Outcome, Tick, reason
from tasks.retrieve import nearest
from tasks.seeding import seed_of

STAGE = "probe"

Encode = Callable[[list[str]], npt.NDArray[np.float32]]


def probe(questions: pa.Table, *, student: Engine, judge: Judge, seed: int, tick: Tick) -> Outcome:
    """The student's try at each question with a trusted answer; kept = a failure (what we look for).

    An unreadable answer counts as a failure: training data is what teaches a student to state one.
    """
    records = questions.to_pylist()
    endpoint = student.endpoint
    bill = Bill.of(endpoint)
    answers: list[str | None] = []
    reasons: list[str | None] = []
    asked = student.run([_request(record, endpoint.model, seed) for record in records])
    for record, done in zip(records, asked, strict=True):
        bill.add(done)
        found = extract(done.text or "", record["language"]) if done.error is None else None
        answers.append(found.answer if found else None)
        reasons.append(reason(STAGE, done.error, failed=True) if done.error is not None else None)
        tick(1)
    references: list[str] = column(questions, "reference_answer")
    judged = judge.equal([(a or "", r) for a, r in zip(answers, references, strict=True)])
    for i, verdict in enumerate(judged):
        if verdict == "equal" and reasons[i] is None:
            reasons[i] = reason(STAGE, "the student is right")
    verdicts = [{"student": verdict} for verdict in judged]
    table = reject(replace(questions, answer=answers, verdicts=verdicts), reasons)
    return Outcome(table, asked=len(records), facts=bill.facts())


def neighbourhood(
    failures: pa.Table, *, pool: pa.Table, encode: Encode, neighbours: int, tick: Tick
) -> Outcome:
    """The failures (no parents) and, of each, its `neighbours` nearest questions in the pool (its id among
    their parents). One row a distinct question, so that `tasks.methods.similar` can show them."""
    pool = _one_a_question(pool)
    rows = replace(failures, parent_ids=[[] for _ in range(failures.num_rows)])
    if failures.num_rows and pool.num_rows:
        _, found = nearest(
            encode(column(pool, "question")),
            encode(column(failures, "question")),
            min(neighbours, pool.num_rows),
        )
        near: dict[int, list[str]] = {}
        for failure_id, members in zip(column(failures, "id"), found.tolist(), strict=True):
            for member in members:
                near.setdefault(member, []).append(failure_id)
        taken = sorted(near)
        beside = replace(pool.take(pa.array(taken, pa.int64())), parent_ids=[sorted(near[i]) for i in taken])
        rows = pa.concat_tables([rows, beside])
    tick(failures.num_rows)
    return Outcome(rows, asked=rows.num_rows)


def rates(probed: pa.Table) -> dict[tuple[str, str], float]:
    """(language, subdomain) -> the student's failure rate, each with one failure in two added (Laplace)."""
    asked: Counter[tuple[str, str]] = Counter()
    failed: Counter[tuple[str, str]] = Counter()
    names = ("language", "subdomain", "rejected")
    for language, subdomain, why in zip(*(column(probed, n) for n in names), strict=True):
        asked[language, subdomain] += 1
        failed[language, subdomain] += why is None
    return {topic: (failed[topic] + 1) / (asked[topic] + 2) for topic in asked}


def budget(
    failures: pa.Table, rate: dict[tuple[str, str], float], questions: int
) -> dict[tuple[str, str], int]:
    """Share `questions` out over the topics that failed, in proportion to their failure rates (largest remainder)."""
    topics = sorted(set(zip(column(failures, "language"), column(failures, "subdomain"), strict=True)))
    total = sum(rate[topic] for topic in topics)
    exact = {topic: questions * rate[topic] / total for topic in topics}
    shared = {topic: int(part) for topic, part in exact.items()}
    left = questions - sum(shared.values())
    for topic in sorted(topics, key=lambda t: (shared[t] - exact[t], t))[:left]:
        shared[topic] += 1
    return {topic: count for topic, count in shared.items() if count}


def near_ids(neighbourhood_rows: pa.Table) -> list[str]:
    """Ids of the pool rows that are near a failure."""
    near = pc.greater(pc.list_value_length(neighbourhood_rows.column("parent_ids")), 0)
    return sorted(column(neighbourhood_rows.filter(near), "id"))


def _one_a_question(pool: pa.Table) -> pa.Table:
    first: dict[str, int] = {}
    for i, problem_id in enumerate(column(pool, "problem_id")):
        first.setdefault(problem_id, i)
    return kept(pool.take(pa.array(list(first.values()), pa.int64())))


def _request(record: dict[str, Any], model: str, seed: int) -> Request:
    prompt = prompts.load("solve_cot", record["language"])
    return Request(
        messages=prompt.messages(question=record["question"]),
        model=model,
        temperature=0.0,
        top_p=1.0,
        max_tokens=prompt.front.max_tokens,
        longer=prompt.front.longer,
        seed=seed_of(seed, STAGE, record["id"]),
        tag=STAGE,
    )
