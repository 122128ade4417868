"""Replies that put a flaw into a right solution."""

from __future__ import annotations

from pydantic import BaseModel, Field, field_validator

from prompts.reply_fields import CLOSED, LONGEST, no_wrong_step
from prompts.schemas.corrected_solution import WrongLine, kind_of_flaw


class FlawedSolution(BaseModel):
    """A flaw that was put into a right solution: from which line on, how it goes on wrongly, and how it goes on rightly."""

    model_config = CLOSED

    first_wrong_line: WrongLine | None = None
    flawed: str = Field(max_length=LONGEST)
    explanation: str = Field(max_length=LONGEST)
    flaw_kind: str = Field(max_length=40)
    corrected: str = Field(max_length=LONGEST)

    _none_is_none = field_validator("first_wrong_line", mode="before")(no_wrong_step)
    _named = field_validator("flaw_kind", mode="before")(kind_of_flaw)


schemas = (FlawedSolution,)
chinese = {
    "first_wrong_line": "首个错误行",
    "flawed": "错误写法",
    "explanation": "说明",
    "flaw_kind": "错误类型",
    "corrected": "改正写法",
}
