"""The stage `probe`: ask the student questions with known answers, and divide new questions among the topics that it
fails on.
"""

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
from tasks.llm.endpoint import Endpoint
from tasks.llm.engine import Engine
from tasks.llm.request import Completion, Request
from tasks.seeding import seed_of
from tasks.stages.outcome import Outcome, Tick

STAGE = "probe"
WORTH = {"better": 2.0, "worse": 0.5}  # weight of a subdomain by the newest verdict on it


def probe(questions: pa.Table, *, student: Engine, judge: Judge, seed: int, tick: Tick) -> Outcome:
    """Ask the student each question once, greedily, and keep the rows that it fails.

    An answer that is missing counts as a failure: training data teaches a student to state one. An answer
    that cannot be compared with the trusted one is not known to be wrong, and is rejected as INCOMPARABLE.
    """
    records = questions.to_pylist()
    endpoint = student.endpoint
    costs = RoleCosts.of(endpoint)
    answers: list[str | None] = []
    reasons: list[Reason | None] = []
    completions = student.run([_request(record, endpoint, seed) for record in records])
    for record, completion in zip(records, completions, strict=True):
        costs.add(completion)
        extraction = _answer(completion, record["language"])
        answers.append(extraction.answer if extraction else None)
        failed = completion.error is not None
        reasons.append(
            reason(STAGE, Code.CALL_FAILED, error=completion.error, kind=completion.kind) if failed else None
        )
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
    return Outcome(table, asked=len(records), facts=costs.facts())


def _answer(completion: Completion, language: str) -> Extraction | None:
    if completion.error is not None:
        return None
    return extract(completion.text or "", language, cut=completion.finish_reason == "length")


def rates(probed: pa.Table) -> dict[tuple[str, str], float]:
    """Return (language, subdomain) -> the student's failure rate, with one failure in two added (Laplace).

    Questions on which it is not known whether the student is right (a failed call, an answer that cannot be
    compared) do not count.
    """
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
    """Divide `questions` among the topics with failures, in proportion to their failure rates (largest
    remainder method).

    `gains`: subdomain -> "better" or "worse" according to the newest verdict
    (tasks/evaluation/verdict.py). More questions are written where new rows made the student better, fewer
    where they made it worse.
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


def _request(record: dict[str, Any], endpoint: Endpoint, seed: int) -> Request:
    prompt = prompts.load("solve_cot", record["language"], endpoint.prompts)
    return Request(
        messages=prompt.messages(question=record["question"]),
        model=endpoint.model,
        temperature=0.0,
        top_p=1.0,
        max_tokens=prompt.front.max_tokens,
        longer=prompt.front.longer,
        seed=seed_of(seed, STAGE, record["id"]),
        tag=STAGE,
    )
