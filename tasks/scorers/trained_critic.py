"""A trained critic (tasks/critics/trained.py) reads question and solution and says how likely the solution is right.

The critic is the one that the setting `trained_critic` names (`./mathmill critic train` makes it). It asks no model and costs no call, so it
judges every solution in words (a generative one asks a model); programs and interleaved solutions are executed and have no score. Which critic judged a row is a
verdict of the row, and in the lineage of the version, by its digest. Canaries are hidden among the rows: a critic that misjudges more of
them than of the solutions that it was calibrated on is not believed.

It states no wrong step and no critique, although the critic has both: away from the solutions that it was trained on it calls right ones
wrong, and a step that is called wrong is evidence elsewhere (storage/datasets/shapes.py). Its probabilities hold for solutions like those of
its training; choose a threshold for others by a night's scores.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from storage.rows import column
from tasks.critics import Shown, SolutionCritic
from tasks.critics.steps import split_steps
from tasks.scorers import Scored, Unscored
from tasks.stages.outcome import Tick

needs = ("trained_critic",)
NAME = "trained_critic"
verdict = NAME


def score(rows: pa.Table, *, trained_critic: SolutionCritic, tick: Tick) -> Scored:
    """Return `trained_critic`: the probability that the solution is right; None for what is no solution in words."""
    scores: list[float | None] = [None] * rows.num_rows
    failures: list[Unscored | None] = [None] * rows.num_rows
    critics: list[str | None] = [None] * rows.num_rows
    asked = _shown(rows)
    for row, opinion in zip(asked, trained_critic.judge(list(asked.values())), strict=True):
        scores[row] = opinion.answer
        if opinion.failure is not None:
            failures[row] = Unscored(opinion.failure.error, opinion.failure.kind)
        else:
            critics[row] = trained_critic.identity
    tick(rows.num_rows)
    facts = {NAME: {"identity": trained_critic.identity, "solutions": len(asked)}}
    return Scored({NAME: scores}, failures=failures, facts=facts, critics=critics)


def rows_to_ask(rows: pa.Table) -> list[int]:
    """Return the rows that the critic judges, in their order."""
    return list(_shown(rows))


def _shown(rows: pa.Table) -> dict[int, Shown]:
    """Return the solutions in words by their rows, as the critic is shown them."""
    names = ("question", "solution", "solution_format", "language")
    asked: dict[int, Shown] = {}
    for row, (question, solution, form, language) in enumerate(
        zip(*(column(rows, name) for name in names), strict=True)
    ):
        steps = split_steps(solution, language or "en") if solution and form in (None, "cot") else ()
        if steps:
            asked[row] = Shown(question, solution, steps, language or "en")
    return asked


def judged_by(facts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the entry of a lineage: the critics that judged its rows, by identity; empty if none did. `facts` are those of the shards."""
    critics = sorted({fact[NAME]["identity"] for fact in facts if NAME in fact})
    return {NAME: ", ".join(critics)} if critics else {}
