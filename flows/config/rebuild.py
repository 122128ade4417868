"""The configuration of the flow rebuild."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from flows.config.sections import GateSettings
from tasks.dedup.settings import SimilaritySettings
from tasks.plugins import checked
from tasks.settings import Folded, Section, Share
from tasks.stages.decontaminate import RuleNames
from tasks.stages.mix import MixSettings
from tasks.stages.rejudge import CHOSEN_BY
from tasks.stages.score import ScorerNames, checked_thresholds

Names = Annotated[list[str], Field(min_length=1)]


class Rebuild(Section):
    """What is different from the version that is rebuilt; what is left empty stays as it was there."""

    dataset: str = Field("math-sft", pattern=r"^[a-z0-9][a-z0-9._-]*$", description="dataset to rebuild")
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
    scorers: ScorerNames | None = Field(
        None, description="files of tasks/scorers/ that judge; empty: the same"
    )
    rescore: ScorerNames = Field([], description="scorers that judge again, with today's prompt and critic")
    similarity: SimilaritySettings | None = Field(
        None, description="compare all rows again by these; empty: as it was"
    )
    benchmarks: list[str] | None = Field(
        None, description="benchmark files to look for in all rows; empty: the same"
    )
    rules: RuleNames | None = Field(None, description="decontamination rules; empty: the same")
    mix: MixSettings | None = Field(None, description="shares and solutions a question; empty: the same")
    gates: Folded[GateSettings] = Field(
        GateSettings(), description="what the rows must be like to be published"
    )
    seed: int = Field(0, description="same seed, same candidates, same rows")
    shard_rows: int = Field(1024, ge=1, le=100_000, description="rows a task run, where a stage must run")
    force: bool = Field(False, description="publish although a version with exactly these rows is there")
    what_if: bool = Field(False, description="only count: publish nothing, call no model")

    @field_validator("without", "only")
    @classmethod
    def _columns(cls, chosen: dict[str, list[str]]) -> dict[str, list[str]]:
        checked("column", chosen, CHOSEN_BY)
        return chosen

    @field_validator("thresholds")
    @classmethod
    def _thresholds(cls, given: dict[str, float]) -> dict[str, float]:
        return checked_thresholds(given)
