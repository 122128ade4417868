"""Replies that are a list of new problems."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from prompts.reply_fields import CLOSED, LONGEST


class ProblemItem(BaseModel):
    """One written problem; `difficulty` from 1 (routine) to 5 (competition), if the writer said."""

    model_config = CLOSED

    question: str = Field(min_length=1, max_length=LONGEST)
    difficulty: Annotated[int, Field(strict=True, ge=1, le=5)] | None = None


class Problems(BaseModel):
    """New problems, as ordered."""

    model_config = CLOSED

    problems: list[ProblemItem]


class PlannedItem(BaseModel):
    """One written problem with the plan before it and the check after it; `sound` is false if the check failed."""

    model_config = CLOSED

    plan: str = Field(max_length=LONGEST)
    question: str = Field(min_length=1, max_length=LONGEST)
    check: str = Field(max_length=LONGEST)
    sound: bool
    difficulty: Annotated[int, Field(strict=True, ge=1, le=5)] | None = None


class PlannedProblems(BaseModel):
    """New problems, as ordered, each planned and checked by the writer."""

    model_config = CLOSED

    problems: list[PlannedItem]


schemas = (PlannedProblems, Problems)
chinese = {
    "problems": "题目列表",
    "plan": "思路",
    "question": "题目",
    "check": "检验",
    "sound": "可用",
    "difficulty": "难度",
}
