"""Judgements of rows, one module each (heuristics is the exemplar).

A scorer is a module with `needs` (the tools it takes by keyword, "critic" being an engine) and

    def score(rows: pa.Table, *, tick, **tools) -> Scored
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Unscored:
    """Why a row could not be scored: the error for people, and its kind for code (tasks.llm.request.Failure)."""

    error: str
    kind: str


@dataclass(slots=True)
class Scored:
    """What a scorer says of each row: scores 0..1 by name (one list a name, None = no opinion), words, failures.

    `wrong_steps`: by the score that says how good a solution is, its first wrong line, from 1; None where none was
    found.
    """

    scores: dict[str, list[float | None]]
    critiques: list[str | None] | None = None
    wrong_steps: dict[str, list[int | None]] = field(default_factory=dict)
    failures: list[Unscored | None] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
