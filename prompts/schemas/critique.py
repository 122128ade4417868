"""Replies that judge a problem and a solution."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, field_validator

from prompts.reply_fields import CLOSED, LONGEST, ScoreOfTen, no_wrong_step


class Critique(BaseModel):
    """A judgement of a problem and a solution; `first_wrong_step` counts the solution's lines from 1."""

    model_config = CLOSED

    instruction_score: ScoreOfTen
    answer_score: ScoreOfTen
    first_wrong_step: Annotated[int, Field(strict=True, ge=1)] | None = None
    critique: str = Field(max_length=LONGEST)

    _none_is_none = field_validator("first_wrong_step", mode="before")(no_wrong_step)


class Assessment(BaseModel):
    """A judgement that gives its reasons before its scores; the scores of the question are apart from each other."""

    model_config = CLOSED

    working: str = Field("", max_length=LONGEST)
    critique: str = Field(max_length=LONGEST)
    first_wrong_step: Annotated[int, Field(strict=True, ge=1)] | None = None
    clarity: ScoreOfTen
    solvability: ScoreOfTen
    value: ScoreOfTen
    answer_score: ScoreOfTen

    _none_is_none = field_validator("first_wrong_step", mode="before")(no_wrong_step)

    @property
    def instruction_score(self) -> float:
        """The score of the question: a question is no better than it is clear and solvable."""
        return min(self.clarity, self.solvability)


schemas = (Assessment, Critique)
chinese = {
    "working": "演算",
    "critique": "评语",
    "first_wrong_step": "错误行",
    "clarity": "清楚",
    "solvability": "可解",
    "value": "价值",
    "answer_score": "解答分",
}
