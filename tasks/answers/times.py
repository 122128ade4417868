"""Reads and compares times of day: 15:30, 3:30 PM, 3 o'clock, noon, 下午3点半."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tasks.answers.verdicts import Judgement


@dataclass(frozen=True, slots=True)
class Time:
    """A time of day in seconds since midnight.

    certain: false if it may be twelve hours later (3:30 without AM or PM). marked: the text can only be a time of day.
    """

    seconds: int
    certain: bool
    marked: bool


_HALF = r"(?P<half>[ap])\.?\s?m\b\.?"
_WHEN = r"(?:\s*(?:in the|at)\s+(?P<part>morning|afternoon|evening|night))?"
_TIME = re.compile(
    rf"(?:at\s+)?(?P<hour>\d{{1,2}})(?:[:.](?P<minute>[0-5]\d)(?:[:.](?P<second>[0-5]\d))?)?"
    rf"(?:\s*(?P<clock>o'?\s?clock|h|hrs|hours))?\s*(?:{_HALF})?{_WHEN}",
    re.IGNORECASE,
)
_CHINESE = re.compile(
    r"(?P<part>凌晨|早上|早晨|上午|中午|下午|傍晚|晚上|夜里)?\s*(?P<hour>\d{1,2})\s*(?P<mark>点钟|点|时|:)\s*"
    r"(?:(?P<half>半)|(?P<quarter>[一三])刻|(?P<minute>[0-5]?\d)\s*分?)?"
)
_WORDS = {
    "noon": 43_200,
    "12 noon": 43_200,
    "midday": 43_200,
    "midnight": 0,
    "12 midnight": 0,
    "正午": 43_200,
    "午夜": 0,
}
_TEXT = re.compile(r"\\(?:text|mathrm|textrm|mbox)\s*\{([^{}]*)\}")
_AFTERNOON = frozenset(("afternoon", "evening", "night", "下午", "傍晚", "晚上", "夜里", "p"))


def read_time(text: str) -> Time | None:
    """Return the time of day that a canonical text spells, None if it spells none."""
    if len(text) > 60:
        return None
    plain = " ".join(_TEXT.sub(r" \1", text).replace("\\", " ").split())
    if plain.lower() in _WORDS:
        return Time(_WORDS[plain.lower()], True, True)
    match = _TIME.fullmatch(plain)
    if match is not None:
        half = (match["half"] or match["part"] or "").lower()
        # "5 h" and "5 hours" are durations, and "5.30" is a decimal unless AM or PM follows
        marked = bool(half) or "clock" in (match["clock"] or "").lower()
        if not marked and (match["clock"] or ":" not in plain):
            return None
        # a zero in front is of the clock of 24 hours
        half = half or (
            "a" if match["hour"] != "00" and len(match["hour"].lstrip("0")) == 1 < len(match["hour"]) else ""
        )
        return _time(int(match["hour"]), int(match["minute"] or 0), int(match["second"] or 0), half, marked)
    match = _CHINESE.fullmatch(plain)
    if match is None or (match["mark"] in (":", "时") and not match["part"] and not match["minute"]):
        return None
    minute = (
        30 if match["half"] else {"一": 15, "三": 45}.get(match["quarter"] or "", int(match["minute"] or 0))
    )
    return _time(
        int(match["hour"]), minute, 0, match["part"] or "", match["mark"] != ":" or bool(match["part"])
    )


def _time(hour: int, minute: int, second: int, half: str, marked: bool) -> Time | None:
    if hour > 24 or (half and half in "ap" and not 1 <= hour <= 12):
        return None
    if half in _AFTERNOON and hour < 12:
        hour += 12
    elif half and half not in _AFTERNOON and half != "中午" and hour == 12:
        hour = 0
    elif half == "中午" and hour < 3:
        hour += 12
    certain = bool(half) or hour > 12 or hour == 0
    return Time(hour % 24 * 3600 + minute * 60 + second, certain, marked)


def compare_times(a: str, b: str) -> Judgement | None:
    """Return the verdict on two times of day, None unless at least one can be nothing else (3:30 may be a ratio)."""
    if not any(char.isdigit() for char in a + b) and not {a.lower(), b.lower()} & _WORDS.keys():
        return None
    x, y = read_time(a), read_time(b)
    if x is None or y is None:
        marked, other = (y, a) if x is None else (x, b)
        # 5 PM and 5: the question may have said which half of the day
        return (
            "unknown" if marked is not None and marked.marked and other.isdigit() and len(other) < 3 else None
        )
    if not (x.marked or y.marked):
        return None
    if x.seconds == y.seconds and x.certain == y.certain:
        return "equal"
    if x.certain and y.certain:
        return "different"
    return "unknown" if (x.seconds - y.seconds) % 43_200 == 0 else "different"
