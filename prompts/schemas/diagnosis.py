"""Replies that name the skills that a student lacks."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from prompts.reply_fields import CLOSED, LONGEST


class Diagnosis(BaseModel):
    """Why a student failed a problem, and which skills it lacks, the one that matters most first."""

    model_config = CLOSED

    cause: str = Field(max_length=LONGEST)
    skills: list[Annotated[str, Field(min_length=1, max_length=80)]] = Field(min_length=1, max_length=8)


schemas = (Diagnosis,)
chinese = {"cause": "原因", "skills": "欠缺技能"}
