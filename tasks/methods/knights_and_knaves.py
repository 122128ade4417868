"""Puzzles about knights, who tell the truth, and knaves, who lie (Smullyan 1978), made and solved without a model.

Each has exactly one solution by the solver, and its solution is a deduction: what follows from a claim, and suppositions that
lead to a contradiction (tasks/puzzles/knights_and_knaves.py). Models that were trained on such puzzles reasoned better on
mathematics in Logic-RL (Xie et al. 2025, arXiv:2502.14768), and memorised where the puzzles were few (Xie et al. 2024,
arXiv:2410.23123).
"""

from __future__ import annotations

import pyarrow as pa
from pydantic import Field

from tasks.methods import Ask, Item, Makes, Quota, Takes
from tasks.puzzles import knights_and_knaves
from tasks.puzzles.puzzle import SizeSettings, asks, items
from tasks.settings import Section

makes: Makes = "questions"
takes: Takes = "rows"
subdomains = ("logic puzzles",)

NAME = "knights_and_knaves"
CONCEPTS = ("truth-tellers and liars", "proof by contradiction")


class KnightsAndKnavesSettings(SizeSettings):
    least_people: int = Field(3, ge=2, le=7, description="people of a puzzle, at least")
    most_people: int = Field(5, ge=2, le=7, description="people of a puzzle, at most")


own_settings = KnightsAndKnavesSettings


def plan(
    pool: pa.Table, quota: Quota, *, per_call: int, examples: int, seed: int, settings: Section | None = None
) -> list[Ask]:
    """Return one ask per `per_call` puzzles of a language; the pool is not looked at."""
    return asks(NAME, subdomains[0], quota, per_call, seed, settings or own_settings())


def make(ask: Ask) -> list[Item]:
    """Return `ask.count` puzzles with their deductions."""
    return items(ask, CONCEPTS, knights_and_knaves.puzzle)
