"""Replies that write one problem back from a graph of small ones."""

from __future__ import annotations

from pydantic import BaseModel, Field

from prompts.reply_fields import CLOSED, LONGEST


class ComposedProblem(BaseModel):
    """One problem out of several steps: what connects them, its text, and a check of the numbers that it states."""

    model_config = CLOSED

    plan: str = Field(max_length=LONGEST)
    composed: str = Field(min_length=1, max_length=LONGEST)
    check: str = Field(max_length=LONGEST)
    sound: bool


schemas = (ComposedProblem,)
chinese = {"plan": "思路", "composed": "合成题目", "check": "检验", "sound": "可用"}
