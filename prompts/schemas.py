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


class ProblemItem(BaseModel):
    """One written problem; `difficulty` from 1 (routine) to 5 (competition), if the writer said."""

    model_config = _CLOSED

    question: str = Field(min_length=1, max_length=LONGEST)
    difficulty: Annotated[int, Field(strict=True, ge=1, le=5)] | None = None


class Problems(BaseModel):
    """New problems, as ordered."""

    model_config = _CLOSED

    problems: list[ProblemItem]


class Critique(BaseModel):
    """A judgement of a problem and a solution; `first_wrong_step` counts the solution's lines from 1."""

    model_config = _CLOSED

    instruction_score: ScoreOfTen
    answer_score: ScoreOfTen
    first_wrong_step: Annotated[int, Field(strict=True, ge=1)] | None = None
    critique: str = Field(max_length=LONGEST)

    @field_validator("first_wrong_step", mode="before")
    @classmethod
    def _none_is_none(cls, value: Any) -> Any:
        # -1 is how ProcessBench-style judges say "no wrong step", 0 how many models do
        return None if isinstance(value, int) and not isinstance(value, bool) and value in (0, -1) else value


_SCHEMAS: dict[str, type[BaseModel]] = {model.__name__: model for model in (Problems, Critique)}


def by_name(name: str) -> type[BaseModel]:
    """The class that a prompt's `schema_name` names; UnknownSchema if there is none."""
    if name not in _SCHEMAS:
        raise UnknownSchema(
            f"no schema {name!r} in prompts/schemas.py; there are: {', '.join(sorted(_SCHEMAS))}"
        )
    return _SCHEMAS[name]


# schemas that one reader of completions reads, by the newest; None stands for prompts that name no schema
_ALTERNATIVES: tuple[tuple[str, ...], ...] = (("Problems",), ("Critique",))


def alternatives(name: str | None) -> tuple[str | None, ...]:
    """Return the schemas that a prompt may name in place of `name`, and None for no schema."""
    return (None, *next((group for group in _ALTERNATIVES if name in group), ()))


def json_schema(name: str | None) -> dict[str, Any] | None:
    """The JSON schema to send as `response_format`, or None where the prompt names no schema."""
    return None if name is None else copy.deepcopy(_json_schema(name))


@functools.cache
def _json_schema(name: str) -> dict[str, Any]:
    return by_name(name).model_json_schema(mode="serialization")
