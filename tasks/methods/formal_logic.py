"""Deductions in several steps about things without a meaning, after FLD (Morishita et al. 2023, arXiv:2308.07336), without a model.

A hypothesis is proved, disproved or unknown from a list of facts (tasks/puzzles/formal_logic.py). Since the words mean nothing, only
the form of the facts helps. Each step of the solution names the facts and steps that it rests on; for an unknown hypothesis the solution
has a case in which it holds and one in which it does not. The rules are those of propositional logic and of statements about anything, fewer than in FLD.
"""

from __future__ import annotations

import pyarrow as pa
from pydantic import Field

from tasks.methods import Ask, Item, Makes, Quota, Takes
from tasks.puzzles import formal_logic
from tasks.puzzles.puzzle import SizeSettings, asks, items
from tasks.settings import Section

makes: Makes = "questions"
takes: Takes = "rows"
subdomains = ("deduction",)

NAME = "formal_logic"
CONCEPTS = ("deduction", "propositional logic")


class FormalLogicSettings(SizeSettings):
    least_depth: int = Field(
        2, ge=1, le=6, description="steps in a row that lead to the hypothesis, at least"
    )
    most_depth: int = Field(5, ge=1, le=6, description="steps in a row that lead to the hypothesis, at most")
    least_unneeded: int = Field(1, ge=0, le=8, description="facts that the proof does not need, at least")
    most_unneeded: int = Field(4, ge=0, le=8, description="facts that the proof does not need, at most")


own_settings = FormalLogicSettings


def plan(
    pool: pa.Table, quota: Quota, *, per_call: int, examples: int, seed: int, settings: Section | None = None
) -> list[Ask]:
    """Return one ask per `per_call` deductions of a language; the pool is not looked at."""
    return asks(NAME, subdomains[0], quota, per_call, seed, settings or own_settings())


def make(ask: Ask) -> list[Item]:
    """Return `ask.count` deductions."""
    return items(ask, CONCEPTS, formal_logic.puzzle)
