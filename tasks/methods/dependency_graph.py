"""Word problems of set depth with facts that are not needed, after iGSM (Ye et al. 2024, arXiv:2407.20311), made without a model.

The quantities of a story depend on each other in a graph (tasks/puzzles/dependency_graph.py). The solution computes only what is
needed, each quantity after what it depends on. iGSM counts modulo 23 to keep numbers small; here they are integers below
a bound, and sentences have several wordings.
"""

from __future__ import annotations

import pyarrow as pa
from pydantic import Field

from tasks.methods import Ask, Item, Makes, Quota, Takes
from tasks.puzzles import dependency_graph
from tasks.puzzles.puzzle import SizeSettings, asks, items
from tasks.settings import Section

makes: Makes = "questions"
takes: Takes = "rows"
subdomains = ("multi-step arithmetic",)

NAME = "dependency_graph"
CONCEPTS = ("dependencies between quantities", "irrelevant information")


class DependencyGraphSettings(SizeSettings):
    least_depth: int = Field(
        2, ge=1, le=12, description="computations in a row that lead to the answer, at least"
    )
    most_depth: int = Field(
        6, ge=1, le=12, description="computations in a row that lead to the answer, at most"
    )
    least_unneeded: int = Field(0, ge=0, le=6, description="facts that the answer does not need, at least")
    most_unneeded: int = Field(4, ge=0, le=6, description="facts that the answer does not need, at most")


own_settings = DependencyGraphSettings


def plan(
    pool: pa.Table, quota: Quota, *, per_call: int, examples: int, seed: int, settings: Section | None = None
) -> list[Ask]:
    """Return one ask per `per_call` problems of a language; the pool is not looked at."""
    return asks(NAME, subdomains[0], quota, per_call, seed, settings or own_settings())


def make(ask: Ask) -> list[Item]:
    """Return `ask.count` problems, half of them solved by a program."""
    return items(ask, CONCEPTS, dependency_graph.puzzle)
