"""The configuration of the flow chain."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from tasks.settings import Section


class Chain(Section):
    """What happens with a version after it was published: it is a candidate, a model is trained on it and evaluated, a verdict is
    reached, and the version gets the tag or the candidate is taken back. Each step has a switch."""

    version: str = Field("math-sft", description="version that was published, such as math-sft@2026.11.20")
    datasets: list[str] = Field([], description="datasets that this applies to; empty: all")
    candidate: bool = Field(True, description="give the version the tag candidate first")
    train: bool = Field(True, description="train a checkpoint on the version")
    evaluate: bool = Field(True, description="evaluate the checkpoint; needs `train`")
    verdict: bool = Field(True, description="train with and without the version, and compare")
    promote: bool = Field(True, description="move the tag to the version where the verdict speaks for it")
    roll_back: bool = Field(
        True, description="where it does not, take the tags back that point to the version"
    )
    tag: str = Field("validated", description="tag that a version gets by its verdict")
    training: dict[str, Any] = Field(
        {}, description="settings of the training, as of `train`, such as {method: sft, steps: 1000}"
    )
    evaluation: dict[str, Any] = Field(
        {}, description="settings of the evaluation, as of `evaluate`, such as {limit: 200}"
    )
    judging: dict[str, Any] = Field(
        {}, description="settings of the verdict, as of `verdict`, such as {seeds: 3}"
    )
    wait_hours: float = Field(168.0, ge=0, description="hours that the promotion waits for reviewers")
