"""A trained critic (tasks/critics/trained.py) reads question and solution and says how likely the solution is right.

The critic is the one that the setting `trained_critic` names (`./mathmill critic train` makes it). It asks no model and costs no call, so it
judges every solution in words (a generative one asks a model); programs and interleaved solutions are executed and have no score. Which critic judged the rows is in the
lineage of the version, by its digest.

It states no wrong step and no critique, although the critic has both: away from the solutions that it was trained on it calls right ones
wrong, and a step that is called wrong is evidence elsewhere (storage/datasets/shapes.py). Its probabilities hold for solutions like those of
its training; choose a threshold for others by a night's scores.
"""

from __future__ import annotations

import pyarrow as pa

from storage.rows import column
from tasks.critics import Shown, SolutionCritic
from tasks.critics.steps import split_steps
from tasks.scorers import Scored, Unscored
from tasks.stages.outcome import Tick

needs = ("trained_critic",)
NAME = "trained_critic"


def score(rows: pa.Table, *, trained_critic: SolutionCritic, tick: Tick) -> Scored:
    """Return `trained_critic`: the probability that the solution is right; None for what is no solution in words."""
    scores: list[float | None] = [None] * rows.num_rows
    failures: list[Unscored | None] = [None] * rows.num_rows
    names = ("question", "solution", "solution_format", "language")
    asked: dict[int, Shown] = {}
    for row, (question, solution, form, language) in enumerate(
        zip(*(column(rows, name) for name in names), strict=True)
    ):
        steps = split_steps(solution, language or "en") if solution and form in (None, "cot") else ()
        if steps:
            asked[row] = Shown(question, solution, steps, language or "en")
    for row, opinion in zip(asked, trained_critic.judge(list(asked.values())), strict=True):
        scores[row] = opinion.answer
        if opinion.failure is not None:
            failures[row] = Unscored(opinion.failure.error, opinion.failure.kind)
    tick(rows.num_rows)
    facts = {NAME: {"identity": trained_critic.identity, "solutions": len(asked)}}
    return Scored({NAME: scores}, failures=failures, facts=facts)
