"""The configuration of the flow verdict."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from tasks.plugins import checked
from tasks.settings import Section
from tasks.stages.rejudge import CHOSEN_BY


class Verdict(Section):
    """Two trainings a seed from one base, of equal steps and tokens: on the validated version alone, and on the
    validated version with the candidate at its weight."""

    candidate: str = Field(
        "math-sft", description="version to judge, such as math-sft or math-sft@2026.11.20"
    )
    validated: str = Field(
        "",
        description="version to compare with; empty: NAME@validated, else the version before the candidate",
    )
    base: str = Field(
        "student",
        description="checkpoint from which both trainings start; student: a new small one per random seed",
    )
    weight: float = Field(
        0.2, gt=0, lt=1, description="share of the tokens that the candidate has in the mixture"
    )
    seeds: int = Field(
        5,
        ge=2,
        le=100,
        description="number of trainings with and without the version, each with its random seed; few show large effects only",
    )
    training: dict[str, Any] = Field(
        {}, description="further settings of both trainings, as of `train`, such as {steps: 1000, lr: 0.001}"
    )
    benchmarks: list[str] = Field(
        [],
        description="files of benchmark items, or folders of such files; empty: new problems of the candidate's subdomains, none of them in either version",
    )
    items: int = Field(400, ge=10, description="items asked at most")
    tails: int = Field(
        100,
        ge=0,
        description="items of each benchmark whose ends the base is asked to complete, to show whether it has seen the benchmark; 0: it is not checked",
    )
    beside: int = Field(
        200,
        ge=10,
        description="newly drawn problems asked beside the benchmarks when the base is checked; the verdict rests on them if the base has seen a benchmark",
    )
    max_tokens: int = Field(256, ge=1, description="cap of an answer")
    without: str = Field(
        "",
        description="column whose values are left out one at a time, such as source or method; empty: none",
    )
    seed: int = Field(0, description="same seed, same data, same machine, same verdict")

    @field_validator("without")
    @classmethod
    def _column(cls, name: str) -> str:
        checked("column", [name] if name else [], CHOSEN_BY)
        return name
