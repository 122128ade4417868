"""Recomputes the statements of a solution in words and names its first wrong line (tasks/critics/kinds/steps.py), without a model."""

from __future__ import annotations

import pyarrow as pa

from storage.datasets.steps import lines_of
from storage.rows import column
from tasks.critics import Shown
from tasks.critics.kinds.steps import StepCritic
from tasks.scorers import Scored
from tasks.stages.outcome import Tick

needs = ()


def score(rows: pa.Table, *, tick: Tick) -> Scored:
    """Return `steps` in 0..1, None for rows without a solution, for programs, and where nothing could be decided; and the first wrong
    lines, counted from 1."""
    scores: list[float | None] = [None] * rows.num_rows
    wrong: list[int | None] = [None] * rows.num_rows
    shown: dict[int, Shown] = {}
    names = ("question", "solution", "solution_format", "answer")
    for row, (question, solution, written_as, answer) in enumerate(
        zip(*(column(rows, name) for name in names), strict=True)
    ):
        if solution and written_as != "pot":
            shown[row] = Shown(question, solution, tuple(lines_of(solution)), answer=answer)
    for row, opinion in zip(shown, StepCritic().judge(list(shown.values())), strict=True):
        scores[row] = opinion.answer
        wrong[row] = None if opinion.first_wrong is None else opinion.first_wrong + 1
    tick(rows.num_rows)
    return Scored({"steps": scores}, wrong_steps={"steps": wrong})
