"""Replies of one question: a problem in other words."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from prompts.reply_fields import CLOSED, LONGEST


class Rewording(BaseModel):
    """A problem in other words, with the plan before it and the check after it; `sound` is false if the check failed."""

    model_config = CLOSED

    plan: str = Field(max_length=LONGEST)
    rewording: str = Field(min_length=1, max_length=LONGEST)
    check: str = Field(max_length=LONGEST)
    sound: bool = True
    difficulty: Annotated[int, Field(strict=True, ge=1, le=5)] | None = None


schemas = (Rewording,)
chinese = {
    "plan": "思路",
    "rewording": "改写后的题目",
    "check": "检验",
    "sound": "可用",
    "difficulty": "难度",
}
