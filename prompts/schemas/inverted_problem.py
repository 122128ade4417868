"""Replies of one question: a problem as a statement with its answer, in which a hidden number is asked for."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from prompts.reply_fields import CLOSED, LONGEST


class InvertedProblem(BaseModel):
    """A problem as a statement with its answer, in which a hidden number is asked for, with the plan before it and the check after it; `sound` is false if the check failed."""

    model_config = CLOSED

    plan: str = Field(max_length=LONGEST)
    inverted: str = Field(min_length=1, max_length=LONGEST)
    check: str = Field(max_length=LONGEST)
    sound: bool = True
    difficulty: Annotated[int, Field(strict=True, ge=1, le=5)] | None = None


schemas = (InvertedProblem,)
chinese = {"plan": "思路", "inverted": "反求的题目", "check": "检验", "sound": "可用", "difficulty": "难度"}
