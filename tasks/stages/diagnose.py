"""The stage `diagnose`: let the teacher name the skills that the student's failures show to be missing (STAT, arXiv:2510.10023)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

import prompts
from prompts.asking_again import FaultKind, ReplyFault
from prompts.schemas.diagnosis import Diagnosis
from storage.reasons import Code, Reason, reason
from storage.rows import reject, replace
from tasks.concepts.graph import normal
from tasks.conditions import conditions, local_concepts
from tasks.llm.costs import RoleCosts
from tasks.llm.endpoint import Endpoint
from tasks.llm.engine import Engine
from tasks.llm.request import Completion, Request
from tasks.replies.items import single
from tasks.seeding import seed_of
from tasks.stages.outcome import Outcome, Tick
from tasks.taxonomy import local_name

STAGE = "diagnose"
WRONG_STEP = "wrong_step"  # the verdict of a failure with the number of its first wrong line
LONGEST = 4000  # characters of the student's text that are shown


def diagnose(failures: pa.Table, *, engine: Engine, seed: int, tick: Tick) -> Outcome:
    """Set `concepts` of each failure to the missing skills.

    failures: rows with `question`, the student's text as `solution`, and the `reference_answer`. A reply that names no skill rejects the
    row, a call that failed makes a failed row.
    """
    records = failures.to_pylist()
    costs = RoleCosts.of(engine.endpoint)
    reasons: list[Reason | None] = []
    skills: list[list[str]] = []
    requests = (_request(record, engine.endpoint, seed) for record in records)
    for record, completion in zip(records, engine.run(requests, _check), strict=True):
        costs.add(completion)
        named, why = _read(completion)
        reasons.append(why)
        skills.append(
            local_concepts(named or record["concepts"] or (), record["subdomain"], record["language"])
        )
        tick(1)
    table = reject(replace(failures, concepts=skills), reasons)
    return Outcome(table, asked=len(records), facts=costs.facts())


def skills_in(text: str) -> list[str] | ReplyFault:
    """Return the missing skills that a reply names, each once, or the fault that it names none."""
    reply = single(text, Diagnosis, key="skills")
    if isinstance(reply, ReplyFault):
        return reply
    return list({normal(name): " ".join(name.split()) for name in reply.skills if normal(name)}.values()) or (
        ReplyFault(FaultKind.OTHER, "no skill is named")
    )


def _read(completion: Completion) -> tuple[list[str], Reason | None]:
    if completion.error is not None and not completion.failed_by_model:
        return [], reason(STAGE, Code.CALL_FAILED, error=completion.error, kind=completion.kind)
    named = skills_in(completion.text or "")
    if isinstance(named, ReplyFault):
        return [], reason(STAGE, Code.MALFORMED_ITEM, why=named.words)
    return named, None


def _check(completion: Completion) -> ReplyFault | None:
    named = skills_in(completion.text or "")
    return named if isinstance(named, ReplyFault) else None


def _request(record: Mapping[str, Any], endpoint: Endpoint, seed: int) -> Request:
    language, subdomain = record["language"], record["subdomain"] or ""
    prompt = prompts.load(STAGE, language, endpoint.prompts)
    known = conditions(endpoint.prompts).concepts.get(subdomain, ())
    local = 1 if language == "zh" else 0
    messages = prompt.messages(
        question=record["question"],
        subdomain=local_name(subdomain, language),
        attempt=(record["solution"] or "")[:LONGEST],
        reference=record["reference_answer"] or "",
        step=dict(record["verdicts"] or ()).get(WRONG_STEP),
        skills=[pair[local] for pair in known] or [local_name(subdomain, language)],
    )
    front = prompt.front
    return Request(
        messages=messages,
        model=endpoint.model,
        temperature=front.temperature,
        top_p=front.top_p,
        max_tokens=front.max_tokens,
        longer=front.longer,
        seed=seed_of(seed, STAGE, record["id"]),
        response_schema=prompt.response_schema,
        tag=STAGE,
    )
