from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from tasks.points_in_time import moment, spoken

NOW = datetime(2026, 11, 21, 5, 0, tzinfo=timezone(timedelta(hours=1)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("06:30", NOW.replace(hour=6, minute=30)),
        ("04:30", NOW.replace(day=22, hour=4, minute=30)),
        ("05:00", NOW.replace(day=22)),
        ("90m", NOW + timedelta(minutes=90)),
        ("1h30m", NOW + timedelta(minutes=90)),
        ("2d", NOW + timedelta(days=2)),
        ("45s", NOW + timedelta(seconds=45)),
        ("2026-11-22T06:00", NOW.replace(day=22, hour=6)),
        ("2026-11-22T06:00+00:00", NOW.replace(day=22, hour=7)),
    ],
)
def test_moments(text: str, expected: datetime) -> None:
    assert moment(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "soon", "25:00", "12:61", "1.5h", "m"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no time: write 06:30"):
        moment(text, NOW)


def test_spoken() -> None:
    assert [spoken(s) for s in (3.4, 99, 600, 11_100)] == ["3 s", "99 s", "10 min", "3 h 05 min"]
