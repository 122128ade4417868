"""Replies that mark which parts of a problem are logic and which are computation."""

from __future__ import annotations

from pydantic import BaseModel, Field, field_validator

from prompts.reply_fields import CLOSED, LONGEST

# kinds of parts as models write them, in the languages of the prompts
_KINDS = {
    "logic": "logic",
    "reasoning": "logic",
    "逻辑": "logic",
    "推理": "logic",
    "computation": "computation",
    "calculation": "computation",
    "计算": "computation",
    "运算": "computation",
}


class ProblemPart(BaseModel):
    """Words of a problem, why they are logic or computation, and which of them."""

    model_config = CLOSED

    quote: str = Field(min_length=1, max_length=LONGEST)
    grounds: str = Field(max_length=LONGEST)
    part_kind: str = Field(pattern="^(logic|computation)$")

    @field_validator("part_kind", mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        return _KINDS.get(value.strip().lower(), value) if isinstance(value, str) else value


class SplitProblem(BaseModel):
    """The parts of a problem."""

    model_config = CLOSED

    parts: list[ProblemPart]


schemas = (SplitProblem,)
chinese = {"parts": "部分列表", "quote": "摘录", "grounds": "依据", "part_kind": "类型"}
