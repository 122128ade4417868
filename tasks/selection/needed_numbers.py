"""Refuse evolved and fused questions that were padded with numbers which none of their solutions uses.

A writer that is asked for a harder question may add facts that nobody needs. Words alone are seen when the question is read
(`evolve.check`); whether a number is needed only the solutions show. Compared are the accepted solutions of a question, so
one that finds a use for a number keeps all of them. What counts as used, and what honest problems leave unused, is in
tasks/rewriting/unneeded.py: small numbers that nobody needs pass.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import pyarrow as pa
from pydantic import Field, field_validator

from storage.reasons import Code, Reason, reason
from storage.rows import column
from tasks.methods import PLUGINS as METHODS
from tasks.plugins import checked, names
from tasks.rewriting.unneeded import unneeded_numbers
from tasks.selection import Selection
from tasks.settings import Section
from tasks.stages.outcome import Tick

STAGE = "select"
NAME = "needed_numbers"

whole = False
parents = True


class NeededNumbersSettings(Section, title="Needed numbers"):
    methods: list[str] = Field(
        ["evolve", "fuse"],
        description="methods of generation whose questions are looked at; numbers of the questions they were made from are passed over",
    )

    @field_validator("methods")
    @classmethod
    def _known(cls, given: list[str]) -> list[str]:
        checked("method", given, names(METHODS))
        return given


own_settings = NeededNumbersSettings


def needs(settings: NeededNumbersSettings) -> Mapping[str, str]:
    return {}


def select(
    rows: pa.Table, *, settings: NeededNumbersSettings, seed: int, tick: Tick, parents: pa.Table
) -> Selection:
    """Refuse all rows of a question of the methods with a number that is new in it and that none of them uses."""
    keys = ("problem_id", "question", "solution", "method", "parent_ids")
    table = list(zip(*(column(rows, key) for key in keys), strict=True))
    solutions: defaultdict[str, list[str]] = defaultdict(list)
    for problem, _, solution, _, _ in table:
        solutions[problem].append(solution)
    above_keys = ("problem_id", "question", "parent_ids")
    older = dict(
        zip(
            column(parents, "id"),
            zip(*(column(parents, key) for key in above_keys), strict=True),
            strict=True,
        )
    )
    unneeded: dict[str, list[str]] = {}
    for problem, question, _, method, above in table:
        if method in settings.methods and problem not in unneeded:
            given = _questions(problem, above, older)
            # without the question that it was made from, nobody can say what was added
            unneeded[problem] = unneeded_numbers(question, solutions[problem], given) if given else []
    tick(rows.num_rows)
    reasons: list[Reason | None] = [
        reason(STAGE, Code.UNNEEDED_NUMBERS, numbers=", ".join(numbers))
        if (numbers := unneeded.get(problem))
        else None
        for problem, *_ in table
    ]
    return Selection(reasons)


def _questions(problem: str, above: list[str], older: Mapping[str, tuple[str, str, list[str]]]) -> list[str]:
    """Return the questions that a problem was made from, passing over the rows of its own question."""
    waiting, seen, given = list(above or ()), set(), []
    while waiting:
        one = waiting.pop()
        if one in seen or one not in older:
            continue
        seen.add(one)
        its_problem, question, further = older[one]
        if its_problem == problem:
            waiting += further or ()
        else:
            given.append(question)
    return given
