"""Keep questions that the student answers right in a band of its samples: neither always nor, if so set, never.

A question that the student always gets right teaches it little, and one that it never gets right gives reinforcement learning
no signal. POLARIS (2025) measures the pass rate on 8 samples and leaves out the questions with 8 of 8. The measured rate stays on
the row as the score `pass_rate`, from which the mixture orders a curriculum.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import pyarrow as pa
from pydantic import Field, model_validator

from storage.reasons import Code, Reason, reason
from storage.rows import column
from tasks.answers import Judge
from tasks.llm.engine import Engine
from tasks.pass_rates import known_questions, pass_rates
from tasks.selection import PASS_RATE, Selection
from tasks.settings import Section, Share
from tasks.stages.outcome import Tick

STAGE = "select"

whole = False
parents = False


class PassRateSettings(Section, title="Pass rate"):
    samples: int = Field(8, ge=1, le=64, description="samples of the student for each question")
    bare: bool = Field(
        False,
        description="whether the student is sent the question alone, as in training data; for one that was trained on such rows and follows no instructions",
    )
    temperature: float = Field(1.0, ge=0, description="sampling temperature of the student")
    least: Share = Field(0.0, description="least pass rate of a question that is kept")
    most: Share = Field(0.99, description="largest pass rate of a question that is kept")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.least > self.most:
            raise ValueError(f"least {self.least:g} is above most {self.most:g}")
        return self


own_settings = PassRateSettings


def needs(settings: PassRateSettings) -> Mapping[str, str]:
    return {"student": "student", "judge": "judge"}


def calls(settings: PassRateSettings, methods: Mapping[str, float]) -> Mapping[str, float]:
    return {"student": settings.samples}


def select(
    rows: pa.Table, *, settings: PassRateSettings, seed: int, tick: Tick, student: Engine, judge: Judge
) -> Selection:
    """Ask the student each question and keep the rows whose pass rate is in the band. A row whose rate is not known, because no
    answer could be compared, is kept and has no score."""
    questions = known_questions(rows)
    rates, facts = pass_rates(
        questions,
        engine=student,
        judge=judge,
        samples=settings.samples,
        temperature=settings.temperature,
        seed=seed,
        tag=PASS_RATE,
        bare=settings.bare,
    )
    tick(rows.num_rows)
    scores: list[float | None] = []
    reasons: list[Reason | None] = []
    for problem in column(rows, "problem_id"):
        rate = rates.get(problem)
        share = rate.share if rate else None
        scores.append(share)
        if share is not None and not settings.least <= share <= settings.most:
            reasons.append(
                reason(
                    STAGE,
                    Code.OUTSIDE_BAND,
                    name=PASS_RATE,
                    score=f"{share:.2f}",
                    least=f"{settings.least:g}",
                    most=f"{settings.most:g}",
                )
            )
        else:
            reasons.append(rate.failed(STAGE) if rate else None)
    return Selection(reasons, {PASS_RATE: scores}, facts=facts)
