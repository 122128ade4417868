"""Rows of every problem family, what a method makes of them with the embedded teacher, and which of these rows a night would keep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyarrow as pa

from storage.rows import Row, kept, to_table
from tasks.answers import Judge
from tasks.llm.engine import Engine
from tasks.methods import Ask, asks_table, columns_of, method, role_of, takes_wrong_answers
from tasks.problems.machinery.family import families, recognise
from tasks.problems.machinery.family import make as draw
from tasks.sandbox import Sandbox
from tasks.seeding import rng_of
from tasks.stages.generate import generate
from tasks.stages.outcome import Outcome, balance
from tasks.stages.similarity import similarity
from tasks.stages.solve import SolveSettings, solve
from tasks.stages.verify import VerifySettings, verify
from tasks.stages.weigh import WeighSettings, weigh
from tasks.voting import prior

LANGUAGES = ("en", "zh")


def no_tick(rows: int) -> None:
    """Ignore the progress."""


def drawn(name: str, *, every: int = 1) -> list[Row]:
    """Return a problem of each family in each language with its trusted answer, drawn for the method `name`; of every `every`th
    family."""
    rows = []
    for family in list(families().values())[::every]:
        for language in LANGUAGES:
            problem = draw(family, rng_of(name, family.name, language), 2, language)
            rows.append(
                Row(
                    problem.question,
                    language,
                    reference_answer=problem.worked.answer,
                    source="a book",
                    license="CC0",
                    subdomain=family.subdomain,
                    concepts=list(family.concepts),
                )
            )
    return rows


def with_their_programs(name: str, *, every: int = 1) -> list[Row]:
    """Return the problems that are drawn for `name`, each with the program that solves it and its answer."""
    return [
        replace(
            row, id="", solution=problem.worked.program, solution_format="pot", answer=problem.worked.answer
        )
        for row in drawn(name, every=every)
        if (problem := recognise(row.question, row.language))
    ]


def planned(
    name: str,
    rows: list[Row],
    *,
    seed: int = 1,
    wrong_answers: list[list[str]] | None = None,
    **settings: Any,
) -> list[Ask]:
    """Return the asks of a method for all rows. `settings`: further arguments of its plan."""
    pool = to_table(rows).select(columns_of([name]))
    if takes_wrong_answers(name):
        none: list[list[str]] = [[]] * len(rows)
        pool = pool.append_column("wrong_answers", pa.array(wrong_answers or none, pa.list_(pa.string())))
    quota = {(row.language, row.subdomain or ""): len(rows) for row in rows}
    return method(name).plan(pool, quota, per_call=5, examples=0, seed=seed, **settings)


def written(asks: list[Ask], engine: Callable[..., Engine], **tools: Any) -> Outcome:
    """Return the rows that the embedded teacher makes of the asks of one method, balanced. `tools`: what a conversation needs."""
    role = role_of(asks[0].method)
    outcome = generate(asks_table(asks), engine=engine(role), source="x", license="x", tick=no_tick, **tools)
    balance("generate", outcome)
    return outcome


def questions_of_a_night(
    parents: list[Row], questions: pa.Table, engine: Callable[..., Engine], sandbox: Sandbox, judge: Judge
) -> tuple[pa.Table, pa.Table]:
    """Return the questions that are new beside their parents, and the solutions of them that a night would keep."""
    novel = kept(similarity(questions, pool=to_table(parents)))
    solved = solve(
        novel, engine=engine(), settings=SolveSettings(samples=3, canaries=0), seed=1, tick=no_tick
    )
    rows = verify(
        kept(solved.rows),
        sandbox=sandbox,
        judge=judge,
        calibration=prior(),
        settings=VerifySettings(),
        tick=no_tick,
    )
    return novel, kept(weigh(kept(rows), calibration=prior(), settings=WeighSettings(), tick=no_tick))
