"""Replies that are question-answer pairs out of a passage."""

from __future__ import annotations

from pydantic import BaseModel, Field, field_validator

from prompts.reply_fields import CLOSED, LONGEST, as_text


class QuotedPair(BaseModel):
    """A question with its solution out of a passage, and the words of the passage that they rest on."""

    model_config = CLOSED

    quote: str = Field(min_length=1, max_length=LONGEST)
    question: str = Field(min_length=1, max_length=LONGEST)
    solution: str = Field(max_length=LONGEST)
    answer: str = Field(max_length=LONGEST)

    _number_is_text = field_validator("answer", mode="before")(as_text)


class QuotedPairs(BaseModel):
    """Questions with their solutions out of a passage; empty if it has none."""

    model_config = CLOSED

    pairs: list[QuotedPair]


schemas = (QuotedPairs,)
chinese = {
    "pairs": "问答列表",
    "quote": "摘录",
    "question": "题目",
    "solution": "解答过程",
    "answer": "最终答案",
}
