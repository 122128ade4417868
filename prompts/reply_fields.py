"""What the schemas of structured completions share: the type of a score, limits, and validators for values as models write them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

LONGEST = 8000  # characters of a question or critique; a longer text is a runaway completion

# strict structured output requires that every field is required and no other is allowed
CLOSED = ConfigDict(
    str_strip_whitespace=True,
    json_schema_serialization_defaults_required=True,
    json_schema_extra={"additionalProperties": False},
)

ScoreOfTen = Annotated[float, Field(strict=True, ge=0, le=10, allow_inf_nan=False)]


def no_wrong_step(value: Any) -> Any:
    # -1 is how ProcessBench-style judges say "no wrong step", 0 how many models do
    return None if isinstance(value, int) and not isinstance(value, bool) and value in (0, -1) else value


def as_text(value: Any) -> Any:
    # models write a number where the answer is one, and null where there is none
    return "" if value is None else str(value) if isinstance(value, int | float) else value
