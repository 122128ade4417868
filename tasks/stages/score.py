"""The stage `score`: score rows with a plug-in of tasks/scorers and drop those below a threshold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import AfterValidator, Field, field_validator

from storage.reasons import Code, Reason, reason
from storage.rows import JUDGED_BY, SOLUTION_BY, WRONG_STEP, column, reject, replace
from tasks.canaries.batch import scored
from tasks.plugins import checked, module, names, scores_of
from tasks.scorers import Scored
from tasks.settings import Section, Share, one_of
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


ScorerNames = Annotated[
    list[str], AfterValidator(checked_scorers), Field(json_schema_extra=one_of(lambda: names(PLUGINS)))
]


class ScoreSettings(Section, title="Score"):
    scorers: ScorerNames = Field(["heuristics", "critique"], description="files of tasks/scorers/")
    thresholds: dict[str, Share] = Field(
        {"heuristics": 0.5, "instruction": 0.5, "answer": 0.6}, description="least score of a kept row"
    )
    trusted: dict[str, Share] = Field(
        {"answer": 0.3},
        description="least scores, instead of those of thresholds, of a row whose solution no model wrote: it is printed in a book or "
        "computed, and a critic that cannot work it out gives a middle score",
    )
    canaries: int = Field(
        2,
        ge=0,
        le=50,
        description="solutions with a known judgement that are hidden among those of each shard that a critic is asked about; "
        "0: none",
    )
    least_canaries: int = Field(
        16,
        ge=0,
        le=1000,
        description="as many of them in a night at least, so that a night of few shards shows as much of its critic; there are never "
        "more of them in a shard than solutions that the critic is asked about",
    )

    @field_validator("thresholds", "trusted")
    @classmethod
    def _thresholds(cls, given: dict[str, float]) -> dict[str, float]:
        return checked_thresholds(given)


def score(
    rows: pa.Table,
    *,
    name: str,
    thresholds: Mapping[str, float],
    trusted: Mapping[str, float] | None = None,
    canaries: int = 0,
    blind: bool = False,
    gold: pa.Table | None = None,
    tick: Tick,
    **tools: Any,
) -> Outcome:
    """Score the rows with the scorer `name`, and reject those below the thresholds of its scores.

    trusted: thresholds that stand in place of the others for rows whose solution no model wrote (verdict SOLUTION_BY).
    canaries: how many solutions with a known judgement are hidden among the rows of a scorer that asks a model. They are in
    none of the rows that are returned. If the scorer misjudges them twice, the rows that it judged have failed. gold: rows that people
    judged, of which half of them are.
    blind: whether the trusted answers are hidden from the scorer, as where its scores are calibrated against them.
    """
    plugin = module(PLUGINS, name)
    shown = replace(rows, reference_answer=[None] * rows.num_rows) if blind else rows
    if canaries and has_canaries(plugin):
        scores = scored(
            shown,
            plugin.score,
            name=name,
            verdict=plugin.verdict,
            asked=plugin.rows_to_ask(shown),
            count=canaries,
            gold=gold,
            tick=tick,
            **tools,
        )
    else:
        scores = plugin.score(shown, tick=tick, **tools)
    return Outcome(
        cut(rows, scores, stage=name, thresholds=thresholds, trusted=trusted), rows.num_rows, scores.facts
    )


def has_canaries(plugin: object) -> bool:
    """Return whether canaries are hidden in the batches of a scorer: it names the score that rates a solution."""
    return hasattr(plugin, "verdict")


def cut(
    rows: pa.Table,
    scored: Scored,
    *,
    stage: str,
    thresholds: Mapping[str, float],
    trusted: Mapping[str, float] | None = None,
) -> pa.Table:
    """Return the rows with the scores added, and rejected where one is below its threshold. `trusted`: as in `score`.

    A row that could not be scored has failed. A wrong step becomes the verdict WRONG_STEP, a trained critic the verdict JUDGED_BY.
    """
    maps = [dict(pairs or ()) for pairs in column(rows, "scores")]
    reasons: list[Reason | None] = [None] * rows.num_rows
    steps = scored.wrong_steps
    for i, failure in enumerate(scored.failures):
        if failure:
            kind = {"kind": failure.kind} if failure.kind else {}
            reasons[i] = reason(stage, failure.code, error=failure.error, **kind)
    written = pc.map_lookup(rows.column("verdicts"), SOLUTION_BY, "first").is_null().to_pylist()
    for name, values in scored.scores.items():
        of_all = thresholds.get(name)
        of_trusted = (trusted or {}).get(name, of_all)
        for i, value in enumerate(values):
            if value is None:
                continue
            maps[i][name] = value
            least = of_all if written[i] else of_trusted
            if least is not None and value < least and reasons[i] is None:
                below = {"name": name, "score": f"{value:.2f}", "threshold": f"{least:.2f}"}
                step = steps[name][i] if name in steps else None
                reasons[i] = (
                    reason(stage, Code.BELOW_THRESHOLD, **below)
                    if step is None
                    else reason(stage, Code.WRONG_STEP, **below, step=step)
                )
    table = replace(rows, scores=maps)
    if steps or scored.critics:
        verdicts = [dict(pairs or ()) for pairs in column(rows, "verdicts")]
        for i, critic in enumerate(scored.critics):
            if critic is not None:
                verdicts[i][JUDGED_BY] = critic
        for lines in steps.values():
            for i, step in enumerate(lines):
                if step is not None:
                    verdicts[i][WRONG_STEP] = str(step)
        table = replace(table, verdicts=verdicts)
    if scored.critiques is not None:
        table = replace(table, critique=scored.critiques)
    return reject(table, reasons)
