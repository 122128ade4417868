"""What a run may cost, and until when it may ask."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field, field_validator

from tasks.points_in_time import moment
from tasks.settings import Section


class BudgetSettings(Section, title="Budget"):
    """At a cap nothing new is sent and what is in flight lands; the same night run again goes on from there."""

    usd: float | None = Field(None, gt=0, description="most that the run may spend, in USD")
    tokens: int | None = Field(
        None, gt=0, description="most tokens that the run may pay for, prompt and completion together"
    )
    deadline: str | None = Field(
        None, description="when to stop sending calls: 06:30, 90m, 1h30m, 2026-11-22T06:00"
    )

    @field_validator("deadline")
    @classmethod
    def _time(cls, text: str | None) -> str | None:
        if text is not None:
            moment(text, datetime.now().astimezone())
        return text
