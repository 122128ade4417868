"""The time of day, in one place: what depends on it takes `now` as an argument or asks here."""

from __future__ import annotations

import datetime


def now() -> datetime.datetime:
    """This moment in UTC, with its time zone."""
    return datetime.datetime.now(datetime.UTC)
