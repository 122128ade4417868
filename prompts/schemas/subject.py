"""Replies that name the class of the Mathematics Subject Classification that a problem belongs to."""

from __future__ import annotations

from pydantic import BaseModel, Field, field_validator

from prompts.reply_fields import CLOSED


class SubjectOfProblem(BaseModel):
    """What a problem is about, and the two digits of its class."""

    model_config = CLOSED

    topic: str = Field(max_length=400)
    msc: str = Field(pattern=r"^\d\d$")

    @field_validator("msc", mode="before")
    @classmethod
    def _digits(cls, value: object) -> object:
        """Models write the number as such, or the name behind it: 5, "05", "11 Number theory", "11-XX"."""
        text = f"{value:02d}" if isinstance(value, int) and not isinstance(value, bool) else value
        return text.strip()[:2] if isinstance(text, str) and not text.strip()[2:3].isdigit() else text


schemas = (SubjectOfProblem,)
chinese = {"topic": "考点", "msc": "分类号"}
