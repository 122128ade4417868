"""Replies that are wrong options of a multiple-choice question."""

from __future__ import annotations

from pydantic import BaseModel, Field, field_validator

from prompts.reply_fields import CLOSED, as_text

LONGEST_OPTION = 200  # characters


class WrongOption(BaseModel):
    """A wrong answer, and the mistake that leads to it."""

    model_config = CLOSED

    mistake: str = Field("", max_length=2000)
    option: str = Field(min_length=1, max_length=LONGEST_OPTION)

    _number_is_text = field_validator("option", mode="before")(as_text)


class WrongOptions(BaseModel):
    """Wrong answers to a question, each with its mistake."""

    model_config = CLOSED

    wrong_options: list[WrongOption]


schemas = (WrongOptions,)
chinese = {"wrong_options": "错误选项", "mistake": "错因", "option": "选项"}
