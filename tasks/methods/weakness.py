"""Plan prompts for mistakes: problems like those that a student failed, shown with its wrong answer, the right one, and neighbours.

As `similar`, and the prompt shows what went wrong besides, so that the writer can aim at the mistake and not at the topic alone
(weakness augmentation). Failures are rows without parents that have a trusted answer; the student's answers are the column `wrong_answers`.
"""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from storage.rows import column
from tasks.methods import Ask, Makes, Quota, Takes, as_written, similar, written_questions
from tasks.seeding import seed_of

prompt = "weakness"
makes: Makes = "questions"
takes: Takes = "rows"
wrong_answers = True
read = written_questions
check = as_written


def plan(pool: pa.Table, quota: Quota, *, per_call: int, examples: int, seed: int) -> list[Ask]:
    """Return planned calls as `tasks.methods.similar.plan` does, each with the failure's wrong answer, if it has one, and the right one."""
    neighbour = pc.greater(pc.list_value_length(pool["parent_ids"]), 0)
    usable = pool.filter(pc.or_(neighbour, pc.is_valid(pool["reference_answer"])))
    names = ("id", "reference_answer", "wrong_answers")
    answers = {
        row: (right, wrong) for row, right, wrong in zip(*(column(usable, n) for n in names), strict=True)
    }
    asks = []
    for ask in similar.plan(usable, quota, per_call=per_call, examples=examples, seed=seed):
        right, wrong = answers[ask.parent_ids[0]]
        variables = ask.variables | {"reference": right, "wrong": wrong[0] if wrong else ""}
        asks.append(
            replace(ask, method=prompt, prompt=prompt, variables=variables, seed=seed_of(ask.seed, prompt))
        )
    return asks
