"""Scorers: plug-ins that give rows scores from 0 to 1, one module each.

A module of this folder is a scorer if it fulfils the protocol `Scorer`; `heuristics` is the example to copy. Its name is
the name to use in the setting `score.scorers`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from storage.reasons import Code
from tasks.plugins import module


@dataclass(frozen=True, slots=True)
class Unscored:
    """Why a row could not be scored: the error for people, and for code its code and, of a call that failed, the kind
    (tasks.llm.request.Failure)."""

    error: str
    kind: str = ""
    code: Code = Code.CALL_FAILED


@dataclass(slots=True)
class Scored:
    """What a scorer returns for rows: lists with one entry per row, in the order of the rows.

    `scores`: 0..1 by the name of the score, None for a row that the scorer has no opinion on. `critiques`: texts for
    readers. `wrong_steps`: by the name of the score that rates a solution, the number of its first wrong line, counted from 1;
    None where none was found. `failures`: why a row could not be scored. `models`: the model that was asked about each row,
    None for a row that no model was asked about; empty where the scorer does not say. `facts`: counts for the report. `critics`: the
    identity of the trained critic that judged each row, which becomes the verdict JUDGED_BY of the row; empty where none did.
    """

    scores: dict[str, list[float | None]]
    critiques: list[str | None] | None = None
    wrong_steps: dict[str, list[int | None]] = field(default_factory=dict)
    failures: list[Unscored | None] = field(default_factory=list)
    models: list[str | None] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    critics: list[str | None] = field(default_factory=list)


class Scorer(Protocol):
    """The contract of a module of this folder.

    A module whose scores have other names than the module lists them as `scores`, a tuple of names. A module whose judge is
    examined, a model that is asked or a trained critic, names the score that rates a solution as `verdict`, and has a function `rows_to_ask(rows: pa.Table) ->
    list[int]` that returns the rows that it asks about: canaries (tasks/canaries) are hidden among them.
    """

    @property
    def needs(self) -> tuple[str, ...]:
        """The tools that `score` takes as keywords of the same names, such as "critic" (tasks.llm.engine.Engine)."""
        ...

    @property
    def score(self) -> Callable[..., Scored]:
        """The function `score(rows: pa.Table, *, tick: Tick, **tools) -> Scored`, with one keyword per name in `needs`.

        It calls `tick` with the number of rows that were finished since the last call.
        """
        ...


def scorer(name: str) -> Scorer:
    """Return the scorer `name`. Raises UnknownName if there is none; a test holds every module to the contract."""
    return cast(Scorer, module("tasks.scorers", name))
