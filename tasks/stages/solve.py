"""The stage `solve`: k samples per question, some in words (CoT), some as programs (PoT).

CoT and PoT complement each other (MAmmoTH, arXiv:2309.05653): CoT reasons in words, PoT computes in a program. `pot_share`
decides which samples are programs, so that every question has both formats.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import orjson
import pyarrow as pa
from pydantic import Field

import prompts
from storage.reasons import Code, reason
from storage.rows import ABSTAINED, Row, content_id, to_table
from tasks.answers import extract
from tasks.llm.costs import RoleCosts
from tasks.llm.engine import Engine
from tasks.llm.request import Completion, Request
from tasks.llm.sampling import Sampling
from tasks.replies.programs import program
from tasks.replies.solutions import Removed, read
from tasks.seeding import seed_of
from tasks.settings import Section, Share
from tasks.stages.outcome import Outcome, Tick

STAGE = "solve"


class SolveSettings(Section, title="Solve"):
    samples: int = Field(4, ge=1, le=64, description="solutions of each question")
    pot_share: Share = Field(0.5, description="share of them that are programs")
    without_sandbox: Literal["refuse", "words only"] = Field(
        "refuse", description="what to do where programs cannot be isolated"
    )


def formats(settings: SolveSettings) -> list[str]:
    """Return the format of each sample: `pot_share` of them programs, spread evenly (4 at 0.5: cot pot cot
    pot).
    """
    share = settings.pot_share
    return ["pot" if int((i + 1) * share) > int(i * share) else "cot" for i in range(settings.samples)]


def solve(questions: pa.Table, *, engine: Engine, settings: SolveSettings, seed: int, tick: Tick) -> Outcome:
    """Return `samples` rows per question.

    A call that failed is a failed row, a completion without an answer or a program a rejected one. Samples
    of a question stay together, and the verdict ABSTAINED of each says how many of them had no answer or
    program, since later stages see only the others.
    """
    kinds = formats(settings)
    records = questions.to_pylist()

    def requests() -> Iterator[Request]:
        for record in records:
            for index, kind in enumerate(kinds):
                yield _request(record, kind, index, engine.endpoint.model, seed)

    endpoint = engine.endpoint
    costs = RoleCosts.of(endpoint)
    removed = Removed()
    rows: list[Row] = []
    completions = engine.run(requests())
    for record in records:
        samples, abstained = [], 0
        for index, kind in enumerate(kinds):
            completion = next(completions)
            costs.add(completion)
            row = _row(record, kind, index, completion, endpoint.model, removed, endpoint.sampling)
            abstained += row.reason is not None and (completion.error is None or completion.failed_by_model)
            samples.append(row)
            tick(1)
        for row in samples:
            row.verdicts.pop(
                ABSTAINED, None
            )  # left from an earlier night, if the question is one of its rows
            if abstained:
                row.verdicts[ABSTAINED] = str(abstained)
        rows += samples
    return Outcome(to_table(rows), asked=len(records) * len(kinds), facts=costs.facts() | removed.facts())


def _request(record: dict[str, Any], kind: str, index: int, model: str, seed: int) -> Request:
    prompt = prompts.load(f"solve_{kind}", record["language"])
    return Request(
        messages=prompt.messages(question=record["question"]),
        model=model,
        temperature=prompt.front.temperature,
        top_p=prompt.front.top_p,
        max_tokens=prompt.front.max_tokens,
        longer=prompt.front.longer,
        seed=seed_of(seed, STAGE, record["problem_id"], index),
        sample_index=index,
        tag=STAGE,
    )


def _row(
    record: dict[str, Any],
    kind: str,
    index: int,
    completion: Completion,
    model: str,
    removed: Removed,
    sampling: Sampling,
) -> Row:
    reply = read(completion.text or "", completion.reasoning)
    removed.add(reply)
    if sampling.reasoning and completion.finish_reason == "length" and reply.thinking is None:
        # templates that open the thinking in the prompt leave no mark in a reply that was cut off in it
        reply = replace(reply, thinking=reply.solution or None, solution="", unfinished=True)
    text, answer, rejected = reply.solution.strip() if kind == "cot" else reply.solution, None, None
    # a completion that was cut after a token that ends the turn still has its whole solution
    cut = completion.finish_reason == "length" and not reply.ended
    if completion.error is not None:
        rejected = reason(STAGE, Code.CALL_FAILED, error=completion.error, kind=completion.kind)
    elif not text and (reply.unfinished or (cut and reply.thinking)):
        rejected = reason(STAGE, Code.UNFINISHED_THINKING)
    elif kind == "pot":
        code = program(text, cut=cut)
        if code is None:
            rejected = reason(STAGE, Code.NO_PROGRAM)
        else:
            text = code
    elif cut:
        rejected = reason(STAGE, Code.TRUNCATED)
    else:
        extraction = extract(text, record["language"])
        if extraction is None:
            rejected = reason(STAGE, Code.NO_ANSWER)
        else:
            answer = extraction.answer
    prompt = prompts.load(f"solve_{kind}", record["language"])
    temperature = prompt.front.temperature if sampling.temperature is None else sampling.temperature
    return Row(
        question=record["question"],
        language=record["language"],
        id=content_id(record["language"], record["question"], text or completion.key),
        problem_id=record["problem_id"],
        reasoning=reply.thinking,
        solution=text or None,
        solution_format=kind,
        answer=answer,
        reference_answer=record["reference_answer"],
        domain=record["domain"],
        subdomain=record["subdomain"],
        source=record["source"],
        license=record["license"],
        method=record["method"],
        model=model,
        prompt=prompt.ref,
        params=orjson.dumps({"completion": completion.key, "temperature": temperature}).decode(),
        sample_index=index,
        parent_ids=[record["id"]],
        concepts=record["concepts"],
        verdicts=dict(record["verdicts"] or ()),
        difficulty=record["difficulty"],
        reason=rejected,
    )
