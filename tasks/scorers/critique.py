"""The critic model reads question and solution and says how good each is, where the solution goes wrong, and why
(tasks/critics/kinds/prompted.py).

Calls are expensive, so the critic is asked about the rows on which the votes are not sure (whose verdict `settled`, of
tasks/stages/verify.py, is not "yes"), and about the most probable row of a question whose rows are all sure. Its score of a question is that
of all rows of the question.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from storage.datasets.steps import lines_of
from storage.rows import column
from tasks.critics import Shown
from tasks.critics.kinds.prompted import PARTS, PromptedCritic
from tasks.llm.costs import RoleCosts
from tasks.llm.engine import Engine
from tasks.scorers import Scored, Unscored
from tasks.stages.outcome import Tick

needs = ("critic",)
scores = ("instruction", "answer", *PARTS)
verdict = "answer"
PREFIX = "Step {step}: "  # how the text for readers states a wrong step; code reads the verdict WRONG_STEP


def score(rows: pa.Table, *, critic: Engine, tick: Tick) -> Scored:
    """Return `instruction` and `answer` in 0..1; `answer` is None for rows that the critic was not asked
    about.

    A call that failed or a judgement that cannot be used is a failure of that row.
    """
    count = rows.num_rows
    by_name: dict[str, list[float | None]] = {name: [None] * count for name in scores}
    critiques: list[str | None] = [None] * count
    wrong_steps: list[int | None] = [None] * count
    failures: list[Unscored | None] = [None] * count
    models: list[str | None] = [None] * count
    costs = RoleCosts.of(critic.endpoint)
    billed: set[str] = set()
    chosen = rows_to_ask(rows)
    tick(count - len(chosen))
    names = ("id", "language", "question", "solution", "reference_answer")
    asked = rows.take(pa.array(chosen, pa.int64()))
    shown = [
        Shown(question, solution, tuple(lines_of(solution)), language, reference=reference, id=row_id)
        for row_id, language, question, solution, reference in zip(
            *(column(asked, name) for name in names), strict=True
        )
    ]
    for i, opinion in zip(chosen, PromptedCritic(critic).opinions(shown), strict=True):
        for completion in filter(None, (opinion.asked, opinion.also_asked)):
            # a solution without what it says to its reader may be one that is judged here too: that is one call
            if completion.key not in billed:
                billed.add(completion.key)
                costs.add(completion)
        models[i] = critic.asked_of(opinion.asked).model
        tick(1)
        if opinion.failure is not None:
            failures[i] = Unscored(opinion.failure.error, opinion.failure.kind)
            continue
        by_name["instruction"][i], by_name["answer"][i] = opinion.instruction, opinion.answer
        for name, value in opinion.parts.items():
            by_name[name][i] = value
        wrong_steps[i] = None if opinion.first_wrong is None else opinion.first_wrong + 1
        step = "" if wrong_steps[i] is None else PREFIX.format(step=wrong_steps[i])
        critiques[i] = step + (opinion.words or "")
    problems, instruction = column(rows, "problem_id"), by_name["instruction"]
    by_problem = {problems[i]: instruction[i] for i in reversed(chosen) if instruction[i] is not None}
    by_name["instruction"] = [
        score if score is not None else by_problem.get(problem)
        for score, problem in zip(instruction, problems, strict=True)
    ]
    return Scored(by_name, critiques, {"answer": wrong_steps}, failures, models, costs.facts())


def rows_to_ask(rows: pa.Table) -> list[int]:
    """Return the rows to ask the critic about, in their order."""
    settled = pc.equal(pc.map_lookup(rows.column("verdicts"), "settled", "first"), "yes").fill_null(False)
    unsure = [i for i, sure in enumerate(settled.to_pylist()) if not sure]
    problems, correctness = column(rows, "problem_id"), column(rows, "correctness")
    problems_asked = {problems[i] for i in unsure}
    likeliest: dict[str, int] = {}
    for i, problem in enumerate(problems):
        best = likeliest.get(problem)
        if problem not in problems_asked and (
            best is None or (correctness[i] or 0.0) > (correctness[best] or 0.0)
        ):
            likeliest[problem] = i
    return sorted([*unsure, *likeliest.values()])
