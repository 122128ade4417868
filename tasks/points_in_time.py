"""Points in time as people write them: `06:30`, `90m`, `1h30m`, `2026-11-22T06:00`."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

_SPAN = re.compile(r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?")
LONGEST = timedelta(days=366)  # from now: a later deadline is a slip of the pen
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


def moment(text: str, now: datetime) -> datetime:
    """The moment that `text` names: a span from `now` (aware), the next such time of day in its time zone, or
    an ISO date and time. ValueError says what can be read."""
    text = text.strip()
    span = _SPAN.fullmatch(text)
    if text and span:
        days, hours, minutes, seconds = (int(part or 0) for part in span.groups())
        # float, which is never out of range: a timedelta of 999999999 days and an hour is
        if ((days * 24.0 + hours) * 60 + minutes) * 60 + seconds > LONGEST.total_seconds():
            raise ValueError(f"{text!r} is longer than a year: write a span such as 90m, 8h or 2d")
        return now + timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if clock := _CLOCK.fullmatch(text):
        then = now.replace(hour=int(clock[1]), minute=int(clock[2]), second=0, microsecond=0)
        return then if then > now else then + timedelta(days=1)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is no time: write 06:30, 90m, 1h30m or 2026-11-22T06:00 (local time)"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=now.tzinfo)


def spoken(seconds: float) -> str:
    """A duration for people: `45 s`, `12 min`, `3 h 05 min`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02} min"
