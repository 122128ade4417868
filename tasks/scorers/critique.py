"""The critic model reads question and solution and says how good each is, where it goes wrong, and why.

Two scores after the instruction/response scoring of DEITA (arXiv:2312.15685): `instruction` (is the
question well posed and worth learning from) and `answer` (is the solution right and well reasoned).
A call is dear, so it is asked about the rows that the votes have not settled (the verdict of tasks/stages/verify.py), and of a
question whose votes have settled all, about the likeliest one. What it says of a question holds for all its rows.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

import prompts
from prompts import schemas
from storage.rows import column
from tasks.llm.costs import RoleCosts
from tasks.llm.engine import Engine
from tasks.llm.pending import check_by
from tasks.llm.request import Failure, Request
from tasks.replies.items import critique
from tasks.scorers import Scored, Unscored
from tasks.seeding import seed_of
from tasks.stages.outcome import Tick

needs = ("critic",)
scores = ("instruction", "answer")
PREFIX = (
    "Step {step}: "  # of the words where a step is wrong, for readers; code asks for the verdict WRONG_STEP
)


def score(rows: pa.Table, *, critic: Engine, tick: Tick) -> Scored:
    """`instruction` and `answer` in 0..1; no `answer` where it was not asked. A call or a judgement that cannot be
    used is a failure of that row."""
    count = rows.num_rows
    instruction: list[float | None] = [None] * count
    answer: list[float | None] = [None] * count
    critiques: list[str | None] = [None] * count
    wrong_steps: list[int | None] = [None] * count
    failures: list[Unscored | None] = [None] * count
    bill = RoleCosts.of(critic.endpoint)
    asked = wanted(rows)
    tick(count - len(asked))
    requests = _requests(rows.take(pa.array(asked, pa.int64())), critic.endpoint.model)
    for i, done in zip(asked, critic.run(requests, check_by(critique)), strict=True):
        bill.add(done)
        tick(1)
        if done.error is not None:
            failures[i] = Unscored(done.error, done.kind or Failure.MALFORMED)
            continue
        found = critique(done.text or "")
        if isinstance(found, str):
            failures[i] = Unscored(found, Failure.REJECTED)
            continue
        instruction[i] = found.instruction_score / 10
        answer[i] = found.answer_score / 10
        step = PREFIX.format(step=found.first_wrong_step) if found.first_wrong_step is not None else ""
        critiques[i] = step + found.critique
        wrong_steps[i] = found.first_wrong_step
    problems = column(rows, "problem_id")
    said = {problems[i]: instruction[i] for i in reversed(asked) if instruction[i] is not None}
    instruction = [
        own if own is not None else said.get(p) for own, p in zip(instruction, problems, strict=True)
    ]
    by_name = {"instruction": instruction, "answer": answer}
    return Scored(by_name, critiques, {"answer": wrong_steps}, failures, bill.facts())


def wanted(rows: pa.Table) -> list[int]:
    """Which rows to ask about, in their order."""
    settled = pc.equal(pc.map_lookup(rows.column("verdicts"), "settled", "first"), "yes").fill_null(False)
    unsure = [i for i, sure in enumerate(settled.to_pylist()) if not sure]
    problems, correctness = column(rows, "problem_id"), column(rows, "correctness")
    asked = {problems[i] for i in unsure}
    likeliest: dict[str, int] = {}
    for i, problem in enumerate(problems):
        best = likeliest.get(problem)
        if problem not in asked and (best is None or (correctness[i] or 0.0) > (correctness[best] or 0.0)):
            likeliest[problem] = i
    return sorted([*unsure, *likeliest.values()])


def _requests(rows: pa.Table, model: str) -> list[Request]:
    asked = []
    names = ("id", "language", "question", "solution")
    for row_id, language, question, solution in zip(*(column(rows, n) for n in names), strict=True):
        prompt = prompts.load("critique", language)
        asked.append(
            Request(
                messages=prompt.messages(question=question, solution=solution),
                model=model,
                temperature=prompt.front.temperature,
                top_p=prompt.front.top_p,
                max_tokens=prompt.front.max_tokens,
                longer=prompt.front.longer,
                seed=seed_of("critique", row_id),
                response_schema=schemas.json_schema(prompt.front.schema_name),
                tag="critique",
            )
        )
    return asked
