"""Grid puzzles about houses in a row ("who owns the zebra?"), made and solved without a model.

The clues are as few as eliminations need, the solver has exactly one solution for them, and the solution names the clue of each
elimination (tasks/puzzles/zebra.py). Such puzzles measure how the accuracy of models falls with the size of a puzzle
(ZebraLogic, Lin et al. 2025, arXiv:2502.01100).
"""

from __future__ import annotations

import pyarrow as pa
from pydantic import Field

from tasks.methods import Ask, Item, Makes, Quota, Takes
from tasks.puzzles import zebra
from tasks.puzzles.puzzle import SizeSettings, asks, items
from tasks.settings import Section

makes: Makes = "questions"
takes: Takes = "rows"
subdomains = ("logic puzzles",)

NAME = "zebra"
CONCEPTS = ("constraint satisfaction", "elimination of cases")


class ZebraSettings(SizeSettings):
    least_houses: int = Field(3, ge=3, le=6, description="houses of a puzzle, at least")
    most_houses: int = Field(5, ge=3, le=6, description="houses of a puzzle, at most")
    least_attributes: int = Field(
        3, ge=2, le=6, description="attributes of a house, names included, at least"
    )
    most_attributes: int = Field(4, ge=2, le=6, description="attributes of a house, names included, at most")


own_settings = ZebraSettings


def plan(
    pool: pa.Table, quota: Quota, *, per_call: int, examples: int, seed: int, settings: Section | None = None
) -> list[Ask]:
    """Return one ask per `per_call` puzzles of a language; the pool is not looked at."""
    return asks(NAME, subdomains[0], quota, per_call, seed, settings or own_settings())


def make(ask: Ask) -> list[Item]:
    """Return `ask.count` puzzles with their deductions."""
    return items(ask, CONCEPTS, zebra.puzzle)
