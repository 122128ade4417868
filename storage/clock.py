"""The clock. Code that depends on the time takes `now` as an argument or calls this function."""

from __future__ import annotations

import datetime


def now() -> datetime.datetime:
    """Return the current time in UTC, with its time zone."""
    return datetime.datetime.now(datetime.UTC)
