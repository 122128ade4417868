"""Recomputes the statements of a solution in words and names its first wrong line (tasks/critics/step_checker.py), without a model.

The score is 1 where statements were decided and none is wrong, 0 where one is, and between them where the final answer is not among the values that
the steps derive. A solution in which nothing could be decided has no score. It says nothing of the plan: right arithmetic on a wrong
plan has the score 1.
"""

from __future__ import annotations

import pyarrow as pa

from storage.datasets.steps import lines_of
from storage.rows import column
from tasks.critics.step_checker import check
from tasks.scorers import Scored
from tasks.stages.outcome import Tick

needs = ()

UNDERIVED = 0.5  # the score of a solution whose answer no step derives


def score(rows: pa.Table, *, tick: Tick) -> Scored:
    """Return `steps` in 0..1, None for rows without a solution, for programs, and where nothing could be decided; and the first wrong
    lines, counted from 1."""
    scores: list[float | None] = []
    wrong: list[int | None] = []
    names = ("question", "solution", "solution_format", "answer")
    for question, solution, written_as, answer in zip(*(column(rows, name) for name in names), strict=True):
        if not solution or written_as == "pot":
            scores.append(None)
            wrong.append(None)
            continue
        checked = check(lines_of(solution), question=question, answer=answer)
        wrong.append(None if checked.first_wrong is None else checked.first_wrong + 1)
        if checked.first_wrong is not None:
            scores.append(0.0)
        elif "right" in checked.verdicts:
            scores.append(UNDERIVED if checked.derived is False else 1.0)
        else:
            scores.append(None)
    tick(rows.num_rows)
    return Scored({"steps": scores}, wrong_steps={"steps": wrong})
