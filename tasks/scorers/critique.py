"""The critic model reads question and solution and says how good each is, where it goes wrong, and why.

Two scores after the instruction/response scoring of DEITA (arXiv:2312.15685): `instruction` (is the
question well posed and worth learning from) and `answer` (is the solution right and well reasoned).
"""

from __future__ import annotations

import pyarrow as pa

import prompts
from prompts import schemas
from storage.rows import column
from tasks.bill import Bill
from tasks.llm.engine import Engine
from tasks.llm.request import Request
from tasks.outcome import Tick
from tasks.parse import critique
from tasks.scorers import Scored
from tasks.seeding import seed_of

needs = ("critic",)


def score(rows: pa.Table, *, critic: Engine, tick: Tick) -> Scored:
    """`instruction` and `answer` in 0..1. A call or a judgement that cannot be used is a failure of that row."""
    count = rows.num_rows
    instruction: list[float | None] = [None] * count
    answer: list[float | None] = [None] * count
    critiques: list[str | None] = [None] * count
    failures: list[str | None] = [None] * count
    bill = Bill.of(critic.endpoint)
    for i, done in enumerate(critic.run(_requests(rows, critic.endpoint.model))):
        bill.add(done, critic.endpoint)
        tick(1)
        if done.error is not None:
            failures[i] = done.error
            continue
        found = critique(done.text or "")
        if isinstance(found, str):
            failures[i] = found
            continue
        instruction[i] = found.instruction_score / 10
        answer[i] = found.answer_score / 10
        step = f"Step {found.first_wrong_step}: " if found.first_wrong_step is not None else ""
        critiques[i] = step + found.critique
    return Scored({"instruction": instruction, "answer": answer}, critiques, failures, bill.facts())


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
                seed=seed_of("critique", row_id),
                response_schema=schemas.json_schema(prompt.front.schema_name),
                tag="critique",
            )
        )
    return asked
