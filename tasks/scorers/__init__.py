"""Judgements of rows, one module each (heuristics is the exemplar).

A scorer is a module with `needs` (the tools it takes by keyword, "critic" being an engine) and

    def score(rows: pa.Table, *, tick, **tools) -> Scored
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from storage.reasons import Code, Reason, reason
from storage.rows import WRONG_STEP, column, reject, replace
from tasks.plugins import module
from tasks.stages.outcome import Outcome, Tick


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


def score(rows: pa.Table, *, name: str, thresholds: Mapping[str, float], tick: Tick, **tools: Any) -> Outcome:
    """The rows judged by the scorer `name`, and cut at the thresholds of its scores."""
    scored = module(__name__, name).score(rows, tick=tick, **tools)
    return Outcome(cut(rows, scored, stage=name, thresholds=thresholds), rows.num_rows, scored.facts)


def cut(rows: pa.Table, scored: Scored, *, stage: str, thresholds: Mapping[str, float]) -> pa.Table:
    """Rows with the scores added. Below a threshold a row is rejected with score and threshold; a row
    that could not be scored although a threshold asks for it has failed. A wrong step becomes the verdict WRONG_STEP."""
    maps = [dict(pairs or ()) for pairs in column(rows, "scores")]
    reasons: list[Reason | None] = [None] * rows.num_rows
    steps = scored.wrong_steps
    for i, failure in enumerate(scored.failures):
        if failure:
            reasons[i] = reason(stage, Code.CALL_FAILED, error=failure.error, kind=failure.kind)
    for name, values in scored.scores.items():
        least = thresholds.get(name)
        for i, value in enumerate(values):
            if value is None:
                continue
            maps[i][name] = value
            if least is not None and value < least and reasons[i] is None:
                below = {"name": name, "score": f"{value:.2f}", "threshold": f"{least:.2f}"}
                step = steps[name][i] if name in steps else None
                reasons[i] = (
                    reason(stage, Code.BELOW_THRESHOLD, **below)
                    if step is None
                    else reason(stage, Code.WRONG_STEP, **below, step=step)
                )
    table = replace(rows, scores=maps)
    if steps:
        verdicts = [dict(pairs or ()) for pairs in column(rows, "verdicts")]
        for lines in steps.values():
            for i, step in enumerate(lines):
                if step is not None:
                    verdicts[i][WRONG_STEP] = str(step)
        table = replace(table, verdicts=verdicts)
    if scored.critiques is not None:
        table = replace(table, critique=scored.critiques)
    return reject(table, reasons)
