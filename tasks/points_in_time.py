"""Reads points in time as people write them: `06:30`, `90m`, `1h30m`, `2026-11-22T06:00`."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

_SPAN = re.compile(r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?")
LONGEST = timedelta(days=366)  # from now; a later deadline is a typing error
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


def moment(text: str, now: datetime) -> datetime:
    """Return the point in time that `text` names.

    It is a span from `now` (timezone-aware), the next such time of day in its time zone, or an ISO date and time. Raises
    ValueError, which lists the forms, if `text` is none of them.
    """
    text = text.strip()
    span = _SPAN.fullmatch(text)
    if text and span:
        days, hours, minutes, seconds = (int(part or 0) for part in span.groups())
        # in floats, which cannot overflow as a timedelta of 999999999 days and an hour does
        if ((days * 24.0 + hours) * 60 + minutes) * 60 + seconds > LONGEST.total_seconds():
            raise ValueError(f"{text!r} is longer than a year: write a span such as 90m, 8h or 2d")
        return now + timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if clock := _CLOCK.fullmatch(text):
        today = now.replace(hour=int(clock[1]), minute=int(clock[2]), second=0, microsecond=0)
        return today if today > now else today + timedelta(days=1)
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is no time: write 06:30, 90m, 1h30m or 2026-11-22T06:00 (local time)"
        ) from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=now.tzinfo)


def spoken(seconds: float) -> str:
    """Return a duration as text for people: `45 s`, `12 min`, `3 h 05 min`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02} min"
