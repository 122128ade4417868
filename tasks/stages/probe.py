"""Where the student is weak: its failures on a probe set, and the rows of the pool nearest to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

import prompts
from storage.indexes.index import IndexSettings
from storage.reasons import Code, Reason, reason, shortened
from storage.rows import column, kept, reasons_of, reject, replace
from tasks.answers import Extraction, Judge, extract
from tasks.llm.costs import Bill
from tasks.llm.engine import Engine
from tasks.llm.request import Completion, Request
from tasks.retrieval.neighbours import nearest
from tasks.retrieval.neighbours import neighbours as retrieve
from tasks.retrieval.published import Encode, Published
from tasks.seeding import seed_of
from tasks.settings import Section, Share
from tasks.stages.outcome import Outcome, Tick

STAGE = "probe"
WORTH = {"better": 2.0, "worse": 0.5}  # of a question, by what the verdict showed for its subdomain


class WeaknessSettings(Section, title="Weakness"):
    share: Share = Field(
        0.2, description="share of the target that is written for the student's failures; 0: off"
    )
    probe: str | None = Field(None, description="file of probe problems; empty: the project's own")
    neighbours: int = Field(20, ge=1, le=1000, description="nearest questions a failure")
    flat_up_to: int = Field(
        300_000, ge=0, description="published questions up to which the search for them is exact"
    )
    beyond: Literal["ivf", "hnsw"] = Field("ivf", description="the FAISS index that takes over from there")
    recall: Share = Field(0.95, description="share of the exact neighbours that it must find")

    def index(self) -> IndexSettings:
        return IndexSettings(self.flat_up_to, self.beyond, self.recall, at=self.neighbours)


def probe(questions: pa.Table, *, student: Engine, judge: Judge, seed: int, tick: Tick) -> Outcome:
    """The student's try at each question with a trusted answer; kept = a failure (what we look for).

    No final answer counts as a failure: training data is what teaches a student to state one. An answer that cannot be
    compared with the trusted one is none: it is not known to be wrong, and is rejected as INCOMPARABLE.
    """
    records = questions.to_pylist()
    endpoint = student.endpoint
    bill = Bill.of(endpoint)
    answers: list[str | None] = []
    reasons: list[Reason | None] = []
    asked = student.run([_request(record, endpoint.model, seed) for record in records])
    for record, done in zip(records, asked, strict=True):
        bill.add(done)
        found = _answer(done, record["language"])
        answers.append(found.answer if found else None)
        failed = done.error is not None
        reasons.append(reason(STAGE, Code.CALL_FAILED, error=done.error, kind=done.kind) if failed else None)
        tick(1)
    references: list[str] = column(questions, "reference_answer")
    judged = judge.equal([(a or "", r) for a, r in zip(answers, references, strict=True)])
    for i, verdict in enumerate(judged):
        if reasons[i] is not None:
            continue
        if verdict == "equal":
            reasons[i] = reason(STAGE, Code.STUDENT_RIGHT)
        elif verdict == "unknown" and answers[i]:
            reasons[i] = reason(STAGE, Code.INCOMPARABLE, answer=shortened(answers[i]))
    verdicts = [{"student": verdict} for verdict in judged]
    table = reject(replace(questions, answer=answers, verdicts=verdicts), reasons)
    return Outcome(table, asked=len(records), facts=bill.facts())


def _answer(done: Completion, language: str) -> Extraction | None:
    if done.error is not None:
        return None
    return extract(done.text or "", language, cut=done.finish_reason == "length")


def neighbourhood(
    failures: pa.Table,
    *,
    pool: pa.Table,
    published: Published | None,
    encode: Encode,
    neighbours: int,
    tick: Tick,
) -> Outcome:
    """The failures (no parents) and, of each, its `neighbours` nearest questions in the pool and as many among the
    published ones (its id among their parents). One row a distinct question, so that `tasks.methods.similar` can
    show them."""
    pool = _one_a_question(pool)
    rows = [replace(failures, parent_ids=[[] for _ in range(failures.num_rows)])]
    ids: list[str] = column(failures, "id")
    facts: dict[str, Any] = {}
    vectors = encode(column(failures, "question")) if ids else None
    if vectors is not None and pool.num_rows:
        pool_vectors = encode(column(pool, "question"))
        _, found = nearest(pool_vectors, vectors, min(neighbours, pool.num_rows))
        near = _by_neighbour(ids, found.tolist())
        rows.append(_beside(pool.take(pa.array(sorted(near), pa.int64())), [near[i] for i in sorted(near)]))
    if vectors is not None and published is not None:
        index = published.index(encode)
        _, names = retrieve(index, vectors, neighbours)
        near = _by_neighbour(ids, names.tolist())
        known = {None, *column(pool, "problem_id")}
        problems = sorted(name for name in near if name not in known)
        rows.append(_beside(published.rows(problems), [near[name] for name in problems]))
        facts["index"] = {"kind": index.kind, "questions": index.size, "recall": round(index.recall, 4)}
    tick(failures.num_rows)
    table = pa.concat_tables(rows)
    return Outcome(table, asked=table.num_rows, facts=facts)


def _by_neighbour(failures: list[str], found: list[list[Any]]) -> dict[Any, list[str]]:
    """Neighbour -> the failures that it is near."""
    near: dict[Any, list[str]] = {}
    for failure, members in zip(failures, found, strict=True):
        for member in members:
            near.setdefault(member, []).append(failure)
    return near


def _beside(rows: pa.Table, near: list[list[str]]) -> pa.Table:
    return replace(rows, parent_ids=[sorted(failures) for failures in near])


def rates(probed: pa.Table) -> dict[tuple[str, str], float]:
    """(language, subdomain) -> the student's failure rate, each with one failure in two added (Laplace). Questions on
    which it is not known whether the student is right (a failed call, an answer that cannot be compared) do not count."""
    asked: Counter[tuple[str, str]] = Counter()
    failed: Counter[tuple[str, str]] = Counter()
    topics = zip(column(probed, "language"), column(probed, "subdomain"), strict=True)
    for topic, why in zip(topics, reasons_of(probed), strict=True):
        asked[topic] += why is None or why.code == Code.STUDENT_RIGHT
        failed[topic] += why is None
    return {topic: (failed[topic] + 1) / (asked[topic] + 2) for topic in asked}


def budget(
    failures: pa.Table,
    rate: Mapping[tuple[str, str], float],
    questions: int,
    gains: Mapping[str, str] | None = None,
) -> dict[tuple[str, str], int]:
    """Share `questions` out over the topics that failed, in proportion to their failure rates (largest remainder).

    `gains`: subdomain -> better or worse, as the newest verdict showed it (tasks/evaluation/verdict.py): where new rows
    made a better student more are written, where they made a worse one fewer.
    """
    topics = sorted(set(zip(column(failures, "language"), column(failures, "subdomain"), strict=True)))
    weight = {topic: rate[topic] * WORTH.get((gains or {}).get(topic[1], ""), 1.0) for topic in topics}
    total = sum(weight.values())
    exact = {topic: questions * weight[topic] / total for topic in topics}
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
