"""The stage `score`: score rows with a plug-in of tasks/scorers and drop those below a threshold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from pydantic import Field, field_validator

from storage.reasons import Code, Reason, reason
from storage.rows import WRONG_STEP, column, reject, replace
from tasks.plugins import checked, names, scores_of
from tasks.scorers import Scored, scorer
from tasks.settings import Section, Share
from tasks.stages.outcome import Outcome, Tick

PLUGINS = "tasks.scorers"


def checked_scorers(given: list[str]) -> list[str]:
    """Return the names. Raises ValueError unless each is a file of tasks/scorers/."""
    checked("scorer", given, names(PLUGINS))
    return given


def checked_thresholds(given: dict[str, float]) -> dict[str, float]:
    """Return the thresholds. Raises ValueError unless each is for a score that some scorer gives."""
    checked("score", given, scores_of(PLUGINS))
    return given


class ScoreSettings(Section, title="Score"):
    scorers: list[str] = Field(["heuristics", "critique"], description="files of tasks/scorers/")
    thresholds: dict[str, Share] = Field(
        {"heuristics": 0.5, "instruction": 0.5, "answer": 0.6}, description="least score of a kept row"
    )

    @field_validator("scorers")
    @classmethod
    def _scorers(cls, given: list[str]) -> list[str]:
        return checked_scorers(given)

    @field_validator("thresholds")
    @classmethod
    def _thresholds(cls, given: dict[str, float]) -> dict[str, float]:
        return checked_thresholds(given)


def score(rows: pa.Table, *, name: str, thresholds: Mapping[str, float], tick: Tick, **tools: Any) -> Outcome:
    """Score the rows with the scorer `name`, and reject those below the thresholds of its scores."""
    scored = scorer(name).score(rows, tick=tick, **tools)
    return Outcome(cut(rows, scored, stage=name, thresholds=thresholds), rows.num_rows, scored.facts)


def cut(rows: pa.Table, scored: Scored, *, stage: str, thresholds: Mapping[str, float]) -> pa.Table:
    """Return the rows with the scores added, and rejected where one is below its threshold.

    A row that could not be scored has failed. A wrong step becomes the verdict WRONG_STEP.
    """
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
