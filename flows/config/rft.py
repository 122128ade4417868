"""The configuration of the flow rft."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from flows.config.sections import BudgetSettings, GateSettings
from tasks.rft.allocation import SampleSettings
from tasks.rft.pairing import PairSettings
from tasks.rft.questions import QuestionSettings
from tasks.settings import Folded, Section, Share
from tasks.solution_paths import SamePathSettings
from tasks.stages.decontaminate import DecontaminateSettings
from tasks.stages.prompt_band import PromptSettings
from tasks.stages.score import ScorerNames, checked_thresholds


class SolutionQualitySettings(Section, title="Quality"):
    scorers: ScorerNames = Field(
        ["heuristics", "whole", "steps"],
        description="files of tasks/scorers/ that score each distinct right solution: steps drops those with arithmetic that recomputing "
        "shows to be wrong; critique asks the critic about every one",
    )
    thresholds: dict[str, Share] = Field(
        {"heuristics": 0.5, "whole": 0.5, "steps": 0.25, "answer": 0.6},
        description="least score of a solution that stays",
    )
    canaries: int = Field(
        2,
        ge=0,
        le=50,
        description="solutions with a known judgement that are hidden among those of each shard that a scorer asks its model about, here "
        "and for the step labels; 0: none. The samplers need none: the answer of each of their questions is known",
    )
    reward_model: str = Field(
        "",
        description="checkpoint of `train --method reward` that scores them too, a folder or hf:NAME; empty: none",
    )
    least_reward: Share = Field(
        0.5, description="least score by the reward model, the logistic function of its reward"
    )

    @field_validator("thresholds")
    @classmethod
    def _thresholds(cls, given: dict[str, float]) -> dict[str, float]:
        return checked_thresholds(given)


class StepSettings(Section, title="Steps"):
    recompute: bool = Field(
        True,
        description="recompute the equations of what the scorers look at: a right solution with wrong arithmetic gets no labels; without "
        "scorers the labels are those that recomputing is sure of",
    )
    scorers: ScorerNames = Field(
        [],
        description="files of tasks/scorers/ that point at the first wrong step, such as critique, and look at right and wrong solutions "
        "for the step labels; empty: the step checker alone, by the setting recompute, and what the version's own rows know",
    )


class Rft(Section):
    """Which version's questions are sampled, how the samples are judged and chosen, and what is published."""

    needed: ClassVar[tuple[str | tuple[str, ...], ...]] = ("version",)

    version: str = Field(
        "", description="version whose questions are sampled, or a dataset for its newest; needed"
    )
    dataset: str = Field(
        "",
        pattern=r"^([a-z0-9][a-z0-9._-]*)?$",
        description="beginning of the names of the datasets NAME-rft, NAME-dpo, NAME-steps and NAME-prompts; empty: that of the version",
    )
    answers: Literal["online", "batch", "files", "offline"] = Field(
        "online",
        description="asked for at once; through the Batch API; batch files that you have answered; or offline: the ledger only",
    )
    questions: Folded[QuestionSettings] = Field(
        QuestionSettings(), description="which questions of the version are sampled"
    )
    sample: Folded[SampleSettings] = Field(
        SampleSettings(), description="samples of a question, and how many right ones stay"
    )
    paths: Folded[SamePathSettings] = Field(
        SamePathSettings(), description="when two solutions are the same path"
    )
    quality: Folded[SolutionQualitySettings] = Field(
        SolutionQualitySettings(), description="scores that a right solution needs besides its answer"
    )
    pairs: Folded[PairSettings] = Field(
        PairSettings(), description="what a right and a wrong solution need to be a pair"
    )
    steps: Folded[StepSettings] = Field(StepSettings(), description="who labels steps")
    prompts: Folded[PromptSettings] = Field(
        PromptSettings(), description="which questions are published as prompts for reinforcement learning"
    )
    decontaminate: Folded[DecontaminateSettings] = Field(
        DecontaminateSettings(), description="benchmarks that no row may come from"
    )
    budget: Folded[BudgetSettings] = Field(
        BudgetSettings(), description="most USD and tokens, and the deadline"
    )
    gates: Folded[GateSettings] = Field(
        GateSettings(), description="what the rows of NAME-rft must be like to be published"
    )
    seed: int = Field(0, description="same seed, same version, same models, same rows")
    shard_rows: int = Field(128, ge=1, le=100_000, description="questions per task run")
    dry_run: bool = Field(
        False,
        description="only forecast the calls, tokens, price and duration; call no model, publish nothing",
    )
