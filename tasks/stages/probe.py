"""The stage that probes the student, and the quota of questions that its failures ask for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

import prompts
from storage.reasons import Code, Reason, reason, shortened
from storage.rows import column, reasons_of, reject, replace
from tasks.answers import Extraction, Judge, extract
from tasks.llm.costs import RoleCosts
from tasks.llm.engine import Engine
from tasks.llm.request import Completion, Request
from tasks.seeding import seed_of
from tasks.stages.outcome import Outcome, Tick

STAGE = "probe"
WORTH = {"better": 2.0, "worse": 0.5}  # of a question, by what the verdict showed for its subdomain


def probe(questions: pa.Table, *, student: Engine, judge: Judge, seed: int, tick: Tick) -> Outcome:
    """The student's try at each question with a trusted answer; kept = a failure (what we look for).

    No final answer counts as a failure: training data is what teaches a student to state one. An answer that cannot be
    compared with the trusted one is none: it is not known to be wrong, and is rejected as INCOMPARABLE.
    """
    records = questions.to_pylist()
    endpoint = student.endpoint
    bill = RoleCosts.of(endpoint)
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
