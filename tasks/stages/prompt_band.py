"""The stage `prompt_band`: questions that some samples solve and some do not, as prompts for reinforcement learning.

Where all samples of a group have one reward, every advantage in it is 0 and the question teaches nothing: DAPO (Yu et al. 2025, arXiv:2503.14476)
filters such questions out. So a question that is always solved or never is left out, unless a setting keeps it.
"""

from __future__ import annotations

from typing import Final, Literal, Self

import pyarrow as pa
from pydantic import Field, model_validator

from storage.reasons import Code, Reason, reason
from storage.rows import column, reject
from tasks.selection import PASS_RATE
from tasks.settings import Section, Share
from tasks.stages.outcome import Tick

STAGE: Final = "prompt_band"
WITHOUT_SIGNAL: Final = (Code.UNSOLVED, Code.ALWAYS_SOLVED, Code.NOT_JUDGED)


class PromptSettings(Section, title="Prompts"):
    keep: list[Literal["unsolved", "always_solved", "not_judged"]] = Field(
        [],
        description="questions that are published although equal rewards teach nothing: unsolved (no sample is right), always_solved (every "
        "judged sample is right), not_judged (no sample could be judged). All three, for the pass rates of train's reweigh; empty: none of them",
    )
    least_pass_rate: Share = Field(
        0.0, description="least pass rate of a question that some samples solve and some do not"
    )
    most_pass_rate: Share = Field(
        1.0, description="largest pass rate of a question that some samples solve and some do not"
    )

    @model_validator(mode="after")
    def _band(self) -> Self:
        if self.least_pass_rate > self.most_pass_rate:
            raise ValueError(
                f"least_pass_rate {self.least_pass_rate:g} is over most_pass_rate {self.most_pass_rate:g}"
            )
        return self


def prompt_band(rows: pa.Table, *, settings: PromptSettings, tries: int, tick: Tick) -> pa.Table:
    """Return the questions, rejected where the score PASS_RATE is 0, 1 or absent and the settings do not keep those, and where it is
    outside the band of the settings. tries: samples of a question after which it counts as unsolved."""
    reasons = [_reason(dict(pairs or ()).get(PASS_RATE), settings, tries) for pairs in column(rows, "scores")]
    tick(rows.num_rows)
    return reject(rows, reasons)


def _reason(rate: float | None, settings: PromptSettings, tries: int) -> Reason | None:
    if rate is None:
        return None if "not_judged" in settings.keep else reason(STAGE, Code.NOT_JUDGED)
    if rate <= 0:
        return None if "unsolved" in settings.keep else reason(STAGE, Code.UNSOLVED, most=tries)
    if rate >= 1:
        return None if "always_solved" in settings.keep else reason(STAGE, Code.ALWAYS_SOLVED)
    if settings.least_pass_rate - 1e-6 <= rate <= settings.most_pass_rate + 1e-6:
        return None
    return reason(
        STAGE,
        Code.OUTSIDE_BAND,
        name=PASS_RATE,
        score=f"{rate:.2f}",
        least=f"{settings.least_pass_rate:.2f}",
        most=f"{settings.most_pass_rate:.2f}",
    )
