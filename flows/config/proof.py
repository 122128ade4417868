"""The configuration of the flow proof."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tasks.settings import Section


class Proof(Section):
    """How much is proved, and where the page is written."""

    quick: bool = Field(
        False, description="a tiny student, in minutes: every part runs, but nothing is proved"
    )
    pilot: bool = Field(
        False, description="other seeds and items of the same base, from which the plan computes its power"
    )
    gpu: bool = Field(False, description="a student of about 100 million parameters in bf16, on a GPU")
    verify: bool = Field(
        False,
        description="run nothing: compute the page again from its stored scores, and compare it with what is there",
    )
    so_far: bool = Field(
        False,
        description="run nothing: write the page from the records that are there, and name those that are missing",
    )
    only: list[Literal["weaknesses", "factory", "students", "formats", "control", "explored"]] = Field(
        [],
        description="experiments to run; claims of others are not run; empty: all but the exploratory arms",
    )
    explore: bool = Field(
        False,
        description="after the claims, the exploratory arms on their first seeds too, which takes about a third longer",
    )
    again: bool = Field(
        False,
        description="a second run with other seeds, on the same bases and items; its differences stand on the page beside the planned ones",
    )
    processes: int = Field(
        0,
        ge=0,
        description="processes of one thread that share the experiments; 0: one per core, at most 4, and one alone on a GPU",
    )
    to: str = Field(
        "",
        description="page to write, with its scores and plot beside it; empty: docs/proof.md, or below proof in the home if it is not the whole proof",
    )

    @property
    def sizes(self) -> str:
        """Return the name of the sizes (tasks.proof.sizes)."""
        return "quick" if self.quick else "pilot" if self.pilot else "gpu" if self.gpu else "whole"
