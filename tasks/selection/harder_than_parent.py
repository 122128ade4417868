"""Keep evolved questions that are harder for the student than the question that they were made from.

A rewritten question that is meant to be harder often is not; what counts is the student. It answers the child and its parent
equally often, and the child must have the lower pass rate. That the child has one answer is what the votes of its samples show.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from storage.reasons import Code, Reason, reason
from storage.rows import column
from tasks.answers import Judge
from tasks.llm.engine import Engine
from tasks.pass_rates import PassRate, known_questions, pass_rates
from tasks.selection import Selection
from tasks.settings import Section
from tasks.stages.outcome import Tick

STAGE = "select"
NAME = "harder_than_parent"

whole = False
parents = True


class HarderThanParentSettings(Section, title="Harder than parent"):
    methods: list[str] = Field(["evolve"], description="methods of generation whose rows are compared")
    samples: int = Field(8, ge=1, le=64, description="samples of the student for each question")
    temperature: float = Field(1.0, ge=0, description="sampling temperature of the student")
    bare: bool = Field(
        False,
        description="whether the student is sent the question alone, as in training data; for one that was trained on such rows and follows no instructions",
    )
    margin: float = Field(
        0.0, ge=0, lt=1, description="the pass rate must be lower than the parent's by more than this"
    )


own_settings = HarderThanParentSettings


def needs(settings: HarderThanParentSettings) -> Mapping[str, str]:
    return {"student": "student", "judge": "judge"}


def calls(settings: HarderThanParentSettings, methods: Mapping[str, float]) -> Mapping[str, float]:
    compared = sum(weight for name, weight in methods.items() if name in settings.methods)
    return {"student": 2 * settings.samples * compared / sum(methods.values())}  # the child and its parent


def select(
    rows: pa.Table,
    *,
    settings: HarderThanParentSettings,
    seed: int,
    tick: Tick,
    parents: pa.Table,
    student: Engine,
    judge: Judge,
) -> Selection:
    """Compare the rows of the methods with the nearest of their parents that has a known answer, and keep those that are harder.

    The verdict `harder_than_parent` is yes, no or unknown: unknown where no parent with an answer is among `parents`, or where an
    answer cannot be compared. Unknown rows are kept.
    """
    compared = rows.filter(pc.is_in(rows.column("method"), value_set=pa.array(settings.methods, pa.string())))
    parent_of = _parents(compared, parents)
    children = known_questions(
        compared.filter(pc.is_in(compared.column("id"), value_set=pa.array(list(parent_of), pa.string())))
    )
    older = [one for one in known_questions(parents) if one.problem_id in set(parent_of.values())]
    asked = {one.problem_id: one for one in [*older, *children]}
    rates, facts = pass_rates(
        [asked[problem] for problem in sorted(asked)],
        engine=student,
        judge=judge,
        samples=settings.samples,
        temperature=settings.temperature,
        seed=seed,
        tag=NAME,
        bare=settings.bare,
    )
    tick(rows.num_rows)
    verdicts: list[str | None] = []
    reasons: list[Reason | None] = []
    in_question = set(column(compared, "id"))
    for row_id, problem in zip(column(rows, "id"), column(rows, "problem_id"), strict=True):
        if row_id not in in_question:
            verdicts.append(None)
            reasons.append(None)
            continue
        verdict, why = _compared(rates.get(problem), rates.get(parent_of.get(row_id, "")), settings.margin)
        verdicts.append(verdict)
        reasons.append(why)
    return Selection(reasons, verdicts={NAME: verdicts}, facts=facts)


def _compared(child: PassRate | None, parent: PassRate | None, margin: float) -> tuple[str, Reason | None]:
    """Return the verdict on a child, and why it is not kept."""
    if child is None or parent is None:
        return "unknown", None
    if (failure := child.failed(STAGE) or parent.failed(STAGE)) is not None:
        return "unknown", failure
    if child.share is None or parent.share is None:
        return "unknown", None
    if child.share < parent.share - margin:
        return "yes", None
    return "no", reason(
        STAGE, Code.NOT_HARDER, score=f"{child.share:.2f}", threshold=f"{parent.share - margin:.2f}"
    )


def _parents(rows: pa.Table, parents: pa.Table) -> dict[str, str]:
    """Return row id -> `problem_id` of its nearest ancestor with another question, if that question has an answer.

    A solution's parent is the row of its question, which has the same `problem_id` and is passed over.
    """
    answered = {one.problem_id for one in known_questions(parents)}
    problem_of = dict(zip(column(parents, "id"), column(parents, "problem_id"), strict=True))
    above = dict(zip(column(parents, "id"), column(parents, "parent_ids"), strict=True))
    nearest: dict[str, str] = {}
    for row_id, problem, first in zip(
        column(rows, "id"), column(rows, "problem_id"), column(rows, "parent_ids"), strict=True
    ):
        waiting, seen = list(first), set()
        while waiting:
            one = waiting.pop(0)
            if one in seen or one not in problem_of:
                continue
            seen.add(one)
            if problem_of[one] == problem:
                waiting += above[one]
            elif problem_of[one] in answered:
                nearest[row_id] = problem_of[one]
                break
    return nearest
