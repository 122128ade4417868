"""Solutions: k samples a question, some in words (CoT), some as programs (PoT).

CoT and PoT are complementary (MAmmoTH, arXiv:2309.05653): the reasoning in words, the computation
in a program. Which samples are programs is fixed by the mix, so a question has both kinds.
"""

from __future__ import annotations

from collections.abc import Iterator
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
    """The format of each sample: `pot_share` of them programs, spread evenly (4 at 0.5: cot pot cot pot)."""
    share = settings.pot_share
    return ["pot" if int((i + 1) * share) > int(i * share) else "cot" for i in range(settings.samples)]


def solve(questions: pa.Table, *, engine: Engine, settings: SolveSettings, seed: int, tick: Tick) -> Outcome:
    """`samples` rows a question. Owes questions x samples; a call that failed is a failed row, a
    completion with no answer or no program in it a rejected one. Samples of a question stay together, and each says
    in the verdict ABSTAINED how many of them came back without an answer or a program, since stages that follow see
    the others alone."""
    kinds = formats(settings)
    records = questions.to_pylist()

    def requests() -> Iterator[Request]:
        for record in records:
            for index, kind in enumerate(kinds):
                yield _request(record, kind, index, engine.endpoint.model, seed)

    endpoint = engine.endpoint
    bill = RoleCosts.of(endpoint)
    removed = Removed()
    rows: list[Row] = []
    completions = engine.run(requests())
    for record in records:
        samples, abstained = [], 0
        for index, kind in enumerate(kinds):
            done = next(completions)
            bill.add(done)
            row = _row(record, kind, index, done, endpoint.model, removed)
            abstained += row.reason is not None and (done.error is None or done.failed_by_model)
            samples.append(row)
            tick(1)
        for row in samples:
            row.verdicts.pop(ABSTAINED, None)  # of another night, where the question is one of its rows
            if abstained:
                row.verdicts[ABSTAINED] = str(abstained)
        rows += samples
    return Outcome(to_table(rows), asked=len(records) * len(kinds), facts=bill.facts() | removed.facts())


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
    record: dict[str, Any], kind: str, index: int, done: Completion, model: str, removed: Removed
) -> Row:
    reply = read(done.text or "")
    removed.add(reply)
    text, answer, rejected = reply.solution.strip() if kind == "cot" else reply.solution, None, None
    # what follows a token that ends the turn may be cut off: the solution before it is whole
    cut = done.finish_reason == "length" and not reply.ended
    if done.error is not None:
        rejected = reason(STAGE, Code.CALL_FAILED, error=done.error, kind=done.kind)
    elif reply.unfinished and not text:
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
        found = extract(text, record["language"])
        if found is None:
            rejected = reason(STAGE, Code.NO_ANSWER)
        else:
            answer = found.answer
    prompt = prompts.load(f"solve_{kind}", record["language"])
    return Row(
        question=record["question"],
        language=record["language"],
        id=content_id(record["language"], record["question"], text or done.key),
        problem_id=record["problem_id"],
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
        params=orjson.dumps({"completion": done.key, "temperature": prompt.front.temperature}).decode(),
        sample_index=index,
        parent_ids=[record["id"]],
        concepts=record["concepts"],
        verdicts=dict(record["verdicts"] or ()),
        difficulty=record["difficulty"],
        reason=rejected,
    )
