"""The configuration of the flow attribution."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tasks.settings import Section


class GroupAttribution(Section):
    """What is compared: the values of one column of a version, by what a small student learns of each for held-out items."""

    version: str = Field(
        "math-sft", description="version to look at, such as math-sft or math-sft@2026.11.20"
    )
    by: Literal["source", "method", "model", "domain", "language", "solution_format"] = Field(
        "source", description="column whose values are compared; model is the teacher of a solution"
    )
    items: str = Field(
        "",
        description="file of items with question and solution that the version is to help with; empty: worked problems of its subdomains, which it does not have",
    )
    rows: int = Field(64, ge=16, description="rows of each value at most, chosen by a hash")
    most: int = Field(8, ge=2, description="values at most, those with the most rows")
    check: list[str] = Field(
        [],
        description="values that a training is repeated without, or all; empty: the two of the lowest influence",
    )
    steps: int = Field(60, ge=3, description="steps of each training")
    base: str = Field(
        "", description="checkpoint that learns, such as hf:smollm2; empty: a small student made for it"
    )
    seed: int = Field(0, description="same seed, same version, same machine, same result")
