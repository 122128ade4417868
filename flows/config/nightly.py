"""The configuration of a night: the sections of its stages, each defined beside its stage, and those of the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from flows.config.loading import load_as
from flows.config.sections import BudgetSettings, GateSettings, MaterialSettings
from tasks.dedup.settings import SimilaritySettings
from tasks.settings import Folded, Section
from tasks.stages.calibrate import CalibrateSettings
from tasks.stages.decontaminate import DecontaminateSettings
from tasks.stages.generate import GenerateSettings
from tasks.stages.ingest import SeedSettings
from tasks.stages.mix import MixSettings
from tasks.stages.retrieve import WeaknessSettings
from tasks.stages.score import ScoreSettings
from tasks.stages.select import SelectSettings
from tasks.stages.solve import SolveSettings
from tasks.stages.verify import VerifySettings
from tasks.stages.weigh import WeighSettings


class VotingSettings(CalibrateSettings, VerifySettings, WeighSettings, title="Verify"):
    """Settings of the stages calibrate, verify and weigh, which collect the votes on an answer and decide by them."""


class Nightly(Section):
    """One night: what to write, how to judge it, what to publish. A group that is left out or null keeps its defaults."""

    flow: ClassVar[str] = "nightly"  # the name of the flow that it configures

    dataset: str = Field(
        "math-sft", pattern=r"^[a-z0-9][a-z0-9._-]*$", description="dataset that gets a new version"
    )
    target: int = Field(500, ge=1, le=10_000_000, description="number of accepted rows to produce")
    answers: Literal["online", "batch", "files", "offline"] = Field(
        "online",
        description="asked for at once; through the Batch API at half the price; batch files that you have "
        "answered; or offline: the ledger only",
    )
    seeds: Folded[SeedSettings] = Field(
        SeedSettings(), description="files of seed problems, and their licence"
    )
    budget: Folded[BudgetSettings] = Field(
        BudgetSettings(), description="most USD and tokens, and the deadline"
    )
    generate: Folded[GenerateSettings] = Field(
        GenerateSettings(),
        description="methods, languages and subdomains of the questions; rounds of generation",
    )
    material: Folded[MaterialSettings] = Field(
        MaterialSettings(), description="versions whose passages and questions the methods work on"
    )
    solve: Folded[SolveSettings] = Field(
        SolveSettings(), description="solutions of each question, and the share of programs"
    )
    verify: Folded[VotingSettings] = Field(
        VotingSettings(), description="agreement and certainty that a solution needs"
    )
    score: Folded[ScoreSettings] = Field(
        ScoreSettings(), description="scorers, and the least scores of a kept row"
    )
    similarity: Folded[SimilaritySettings] = Field(
        SimilaritySettings(), description="when two questions are too similar to keep both"
    )
    decontaminate: Folded[DecontaminateSettings] = Field(
        DecontaminateSettings(),
        description="benchmarks that no row may come from, and the rules that find them",
    )
    select: Folded[SelectSettings] = Field(
        SelectSettings(), description="selectors that choose among the accepted rows"
    )
    weakness: Folded[WeaknessSettings] = Field(
        WeaknessSettings(),
        description="share of the target for the student's failures, and how those are found",
    )
    mix: Folded[MixSettings] = Field(
        MixSettings(), description="solutions per question, and shares of formats and domains"
    )
    gates: Folded[GateSettings] = Field(
        GateSettings(), description="what the rows must be like to be published"
    )
    seed: int = Field(0, description="same seed, same inputs, same rows")
    shard_rows: int = Field(256, ge=1, le=100_000, description="questions per task run")


def load_config(file: Path | None, sets: list[str], **overrides: Any) -> Nightly:
    """Return the configuration of a night, as load_as does."""
    return load_as(Nightly, file, sets, **overrides)
