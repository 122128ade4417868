"""Replies about the first wrong line of a solution: what is wrong with it, where it is, and how the solution goes on rightly."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BaseModel, Field, field_validator

from prompts.reply_fields import CLOSED, LONGEST, no_wrong_step

FLAW_KINDS: Final = ("arithmetic", "algebra", "formula", "reading", "case", "logic", "other")
# kinds of flaws as models write them, in the languages of the prompts
_KINDS = {
    "计算错误": "arithmetic",
    "变形错误": "algebra",
    "公式错误": "formula",
    "审题错误": "reading",
    "漏解": "case",
    "推理错误": "logic",
    "其他": "other",
}

WrongLine = Annotated[int, Field(strict=True, ge=1)]


def kind_of_flaw(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    name = _KINDS.get(value.strip(), value.strip().lower())
    return name if name in FLAW_KINDS else "other"


class CorrectedSolution(BaseModel):
    """The first wrong line of a solution, null if there is none, and the lines that take its place and follow it."""

    model_config = CLOSED

    explanation: str = Field(max_length=LONGEST)
    flaw_kind: str = Field(max_length=40)
    first_wrong_line: WrongLine | None = None
    corrected: str = Field(max_length=LONGEST)

    _none_is_none = field_validator("first_wrong_line", mode="before")(no_wrong_step)
    _named = field_validator("flaw_kind", mode="before")(kind_of_flaw)


schemas = (CorrectedSolution,)
chinese = {
    "explanation": "说明",
    "flaw_kind": "错误类型",
    "first_wrong_line": "首个错误行",
    "corrected": "改正写法",
}
