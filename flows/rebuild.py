"""Rebuild, top to bottom: a new version out of stored candidates, under other rules. The model is asked only
for judgements that were never made."""

from __future__ import annotations

from typing import Annotated

from prefect import flow
from prefect.runtime import flow_run
from pydantic import Field, field_validator

from flows.config import (
    Gates,
    Mix,
    Section,
    Share,
    Similarity,
    checked_rules,
    checked_scorers,
    checked_thresholds,
)
from flows.runner.after_publication import Finished, raise_if_published
from flows.runner.events import on_failure
from flows.runner.progress import Bars
from flows.runner.rebuild_publication import publish, twin_of, unchanged
from flows.runner.rebuilding import Work
from flows.runner.resources import opened
from flows.runner.run_notes import Begun, ended
from flows.runner.task_runners import task_runner
from flows.settings import load_settings
from storage.errors import Conflict
from storage.stage_cache.shards import digest_of
from tasks.plugins import checked
from tasks.settings_form import Folded
from tasks.stages.rejudge import CHOSEN_BY

MOST_RACES = 10
Names = Annotated[list[str], Field(min_length=1)]


class Rebuild(Section):
    """What is different from the version that is rebuilt; what is left empty stays as it was there."""

    dataset: str = Field("math-sft", pattern=r"^[a-z0-9][a-z0-9._-]*$", description="dataset that is rebuilt")
    base: str = Field(
        "", description="version whose candidates and rules are taken, such as 2026.11.20; empty: the newest"
    )
    into: str = Field(
        "",
        pattern=r"^([a-z0-9][a-z0-9._-]*)?$",
        description="dataset that gets the new version; empty: the same",
    )
    target: int | None = Field(None, ge=1, description="rows at most; empty: as many as pass")
    thresholds: dict[str, Share] = Field(
        {},
        description="least score of a kept row, such as answer: 0.7; others stay as they were",
    )
    correctness: Share | None = Field(None, description="least probability of being right; empty: the same")
    without: dict[str, Names] = Field(
        {}, description=f"rows to leave out, such as source: [web]; by {', '.join(CHOSEN_BY)}"
    )
    only: dict[str, Names] = Field({}, description="rows to take and no others, by the same columns")
    scorers: list[str] | None = Field(None, description="files of tasks/scorers/ that judge; empty: the same")
    rescore: list[str] = Field([], description="scorers that judge again, with today's prompt and critic")
    similarity: Similarity | None = Field(
        None, description="compare all rows again by these; empty: as it was"
    )
    benchmarks: list[str] | None = Field(
        None, description="benchmark files to look for in all rows; empty: the same"
    )
    rules: list[str] | None = Field(None, description="decontamination rules; empty: the same")
    mix: Mix | None = Field(None, description="shares and solutions a question; empty: the same")
    gates: Folded[Gates] = Field(Gates(), description="what the rows must be like to be published")
    seed: int = Field(0, description="same seed, same candidates, same rows")
    shard_rows: int = Field(1024, ge=1, le=100_000, description="rows a task run, where a stage must run")
    force: bool = Field(False, description="publish although a version with exactly these rows is there")
    what_if: bool = Field(False, description="only count: publish nothing, ask no model")

    @field_validator("without", "only")
    @classmethod
    def _columns(cls, chosen: dict[str, list[str]]) -> dict[str, list[str]]:
        checked("column", chosen, CHOSEN_BY)
        return chosen

    @field_validator("thresholds")
    @classmethod
    def _thresholds(cls, given: dict[str, float]) -> dict[str, float]:
        return checked_thresholds(given)

    @field_validator("scorers", "rescore")
    @classmethod
    def _scorers(cls, given: list[str] | None) -> list[str] | None:
        return given if given is None else checked_scorers(given)

    @field_validator("rules")
    @classmethod
    def _rules(cls, given: list[str] | None) -> list[str] | None:
        return given if given is None else checked_rules(given)


@flow(
    name="rebuild",
    flow_run_name="{config.dataset}",
    description="A new version of a dataset from stored candidates, under other thresholds, sources or shares.",
    task_runner=task_runner(),
    on_failure=[on_failure],
    on_completion=[ended],
)
def rebuild(config: Rebuild = Rebuild()) -> str:
    """Gather, leave out, compare with thresholds, judge what is new, de-duplicate, decontaminate, mix, publish.

    Returns the name of the new version, or of the one that has exactly these rows already; with `what_if` the text of
    what it would be.
    """
    inputs = digest_of(config.model_dump(mode="json", exclude={"shard_rows", "force"}))
    with opened(load_settings()) as tools, Bars() as bars:
        try:
            if not config.what_if:
                raise_if_published(tools, config.into or config.dataset, "rebuild", inputs)
        except Finished as finished:
            finished.begun.published(str(flow_run.id))
            return str(finished.version)
        for attempt in range(MOST_RACES):
            work = Work.begin(config, tools, bars)
            work.leave_out()
            work.compare()
            if not config.what_if:
                work.judge()
                work.weigh()
            work.deduplicate()
            work.decontaminate()
            work.mix()
            if config.what_if:
                return work.what_if()
            if not config.force and (twin := twin_of(work)):
                bars.say(unchanged(str(twin)))
                return str(twin)
            # begun again after a crash it is known to have published, if it has: its base is then another
            note = Begun.note(tools.home, work.run, dict, inputs)
            try:
                version = publish(work)
                note.published(str(flow_run.id))
                return str(version)
            except Conflict:
                note.remove()
                # a night was quicker: its rows are candidates now, and its judgements are not made twice
                if attempt + 1 == MOST_RACES:
                    raise
    raise AssertionError("unreachable")
