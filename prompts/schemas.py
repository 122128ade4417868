"""The schemas of structured completions. The front matter of a prompt names one by `schema_name`."""

from __future__ import annotations

import copy
import functools
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

LONGEST = 8000  # characters of a question or critique; a longer text is a runaway completion

# strict structured output requires that every field is required and no other is allowed
_CLOSED = ConfigDict(
    str_strip_whitespace=True,
    json_schema_serialization_defaults_required=True,
    json_schema_extra={"additionalProperties": False},
)

ScoreOfTen = Annotated[float, Field(strict=True, ge=0, le=10, allow_inf_nan=False)]


class UnknownSchema(ValueError):
    """There is no schema of that name; the message lists the names."""


def _no_wrong_step(value: Any) -> Any:
    # -1 is how ProcessBench-style judges say "no wrong step", 0 how many models do
    return None if isinstance(value, int) and not isinstance(value, bool) and value in (0, -1) else value


def _as_text(value: Any) -> Any:
    # models write a number where the answer is one, and null where there is none
    return "" if value is None else str(value) if isinstance(value, int | float) else value


class ProblemItem(BaseModel):
    """One written problem; `difficulty` from 1 (routine) to 5 (competition), if the writer said."""

    model_config = _CLOSED

    question: str = Field(min_length=1, max_length=LONGEST)
    difficulty: Annotated[int, Field(strict=True, ge=1, le=5)] | None = None


class Problems(BaseModel):
    """New problems, as ordered."""

    model_config = _CLOSED

    problems: list[ProblemItem]


class PlannedItem(BaseModel):
    """One written problem with the plan before it and the check after it; `sound` is false if the check failed."""

    model_config = _CLOSED

    plan: str = Field(max_length=LONGEST)
    question: str = Field(min_length=1, max_length=LONGEST)
    check: str = Field(max_length=LONGEST)
    sound: bool
    difficulty: Annotated[int, Field(strict=True, ge=1, le=5)] | None = None


class PlannedProblems(BaseModel):
    """New problems, as ordered, each planned and checked by the writer."""

    model_config = _CLOSED

    problems: list[PlannedItem]


class QuotedPair(BaseModel):
    """A question with its solution out of a passage, and the words of the passage that they rest on."""

    model_config = _CLOSED

    quote: str = Field(min_length=1, max_length=LONGEST)
    question: str = Field(min_length=1, max_length=LONGEST)
    solution: str = Field(max_length=LONGEST)
    answer: str = Field(max_length=LONGEST)

    _number_is_text = field_validator("answer", mode="before")(_as_text)


class QuotedPairs(BaseModel):
    """Questions with their solutions out of a passage; empty if it has none."""

    model_config = _CLOSED

    pairs: list[QuotedPair]


class Critique(BaseModel):
    """A judgement of a problem and a solution; `first_wrong_step` counts the solution's lines from 1."""

    model_config = _CLOSED

    instruction_score: ScoreOfTen
    answer_score: ScoreOfTen
    first_wrong_step: Annotated[int, Field(strict=True, ge=1)] | None = None
    critique: str = Field(max_length=LONGEST)

    _none_is_none = field_validator("first_wrong_step", mode="before")(_no_wrong_step)


class Assessment(BaseModel):
    """A judgement that gives its reasons before its scores; the scores of the question are apart from each other."""

    model_config = _CLOSED

    working: str = Field("", max_length=LONGEST)
    critique: str = Field(max_length=LONGEST)
    first_wrong_step: Annotated[int, Field(strict=True, ge=1)] | None = None
    clarity: ScoreOfTen
    solvability: ScoreOfTen
    value: ScoreOfTen
    answer_score: ScoreOfTen

    _none_is_none = field_validator("first_wrong_step", mode="before")(_no_wrong_step)

    @property
    def instruction_score(self) -> float:
        """The score of the question: a question is no better than it is clear and solvable."""
        return min(self.clarity, self.solvability)


_SCHEMAS: dict[str, type[BaseModel]] = {
    model.__name__: model for model in (Problems, PlannedProblems, QuotedPairs, Critique, Assessment)
}

# The keys of the newer schemas in Chinese prompts, whose completions name no English word.
CHINESE = {
    "problems": "题目列表",
    "plan": "思路",
    "question": "题目",
    "check": "检验",
    "sound": "可用",
    "difficulty": "难度",
    "working": "演算",
    "critique": "评语",
    "first_wrong_step": "错误行",
    "clarity": "清楚",
    "solvability": "可解",
    "value": "价值",
    "answer_score": "解答分",
    "pairs": "问答列表",
    "quote": "摘录",
    "solution": "解答过程",
    "answer": "最终答案",
}
_TRANSLATED = (PlannedProblems, QuotedPairs, Assessment)


def by_name(name: str) -> type[BaseModel]:
    """The class that a prompt's `schema_name` names; UnknownSchema if there is none."""
    if name not in _SCHEMAS:
        raise UnknownSchema(
            f"no schema {name!r} in prompts/schemas.py; there are: {', '.join(sorted(_SCHEMAS))}"
        )
    return _SCHEMAS[name]


# schemas that one reader of completions reads, by the newest; None stands for prompts that name no schema
_ALTERNATIVES: tuple[tuple[str, ...], ...] = (
    ("PlannedProblems", "Problems"),
    ("Assessment", "Critique"),
    ("QuotedPairs",),
)


def alternatives(name: str | None) -> tuple[str | None, ...]:
    """Return the schemas that a prompt may name in place of `name`, and None for no schema."""
    return (None, *next((group for group in _ALTERNATIVES if name in group), ()))


def json_schema(name: str | None, language: str = "en") -> dict[str, Any] | None:
    """The JSON schema to send as `response_format`, or None where the prompt names no schema."""
    return None if name is None else copy.deepcopy(_json_schema(name, language))


@functools.cache
def _json_schema(name: str, language: str) -> dict[str, Any]:
    model = by_name(name)
    schema = model.model_json_schema(mode="serialization")
    if language == "zh" and model in _TRANSLATED:
        for part in (schema, *schema.get("$defs", {}).values()):
            part["properties"] = {CHINESE[key]: value for key, value in part["properties"].items()}
            part["required"] = [CHINESE[key] for key in part["required"]]
    return schema


def keys_of(name: str, language: str) -> dict[str, str]:
    """Return the fields of a schema and the key of each in prompts of the language."""
    model = by_name(name)
    translated = language == "zh" and model in _TRANSLATED
    return {field: CHINESE[field] if translated else field for field in model.model_fields}
