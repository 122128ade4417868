"""Replies that name the concepts of a text."""

from __future__ import annotations

from pydantic import BaseModel, Field

from prompts.reply_fields import CLOSED, LONGEST


class ExtractedConcepts(BaseModel):
    """The field of mathematics that a text belongs to, and the concepts that it needs or explains."""

    model_config = CLOSED

    field: str = Field(max_length=LONGEST)
    concepts: list[str]


schemas = (ExtractedConcepts,)
chinese = {"field": "领域", "concepts": "知识点"}
