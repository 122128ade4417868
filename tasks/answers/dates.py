"""Reads and compares dates: 07/08/1971, 1971-07-08, July 8, 1971, 8 July 1971, 1971年7月8日."""

from __future__ import annotations

import re

from tasks.answers.verdicts import Judgement

_MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_MONTH = r"Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?"
_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
NAMED_DATE = (
    rf"(?<![a-zA-Z])(?:{_MONTH})\.?\s+{_DAY},?\s+\d{{4}}(?!\d)"
    rf"|(?<![\d.,])\d{{1,2}}(?:st|nd|rd|th)?\s+(?:of\s+)?(?:{_MONTH})\.?,?\s+\d{{4}}(?!\d)"
)
_DATE = re.compile(
    r"(?<![\d/])(?:(?P<first>\d{1,2})/(?P<second>\d{1,2})/(?P<year>\d{4})"
    r"|(?P<iso_year>\d{4})[-/](?P<iso_month>\d{1,2})[-/](?P<iso_day>\d{1,2}))(?![\d/])"
    rf"|(?P<named>{NAMED_DATE})"
    r"|(?P<zh_year>\d{4})年(?P<zh_month>\d{1,2})月(?P<zh_day>\d{1,2})[日号]?",
    re.IGNORECASE,
)

_DAY_OF_YEAR = re.compile(
    rf"(?P<month>{_MONTH})\.?\s+(?:the\s+)?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?"
    rf"|(?P<day_first>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<month_last>{_MONTH})\.?"
    r"|(?P<zh_month>\d{1,2})月(?P<zh_day>\d{1,2})[日号]?",
    re.IGNORECASE,
)

_Date = tuple[int, int, int]  # year, month, day


def compare_dates(a: str, b: str) -> Judgement | None:
    """Return the verdict on two dates, None where one is no date. A sentence with one date counts as that date.

    Without this rule, 10/10/2000 would be the fraction 1/1/2000. Two dates with slashes are taken to have day and month in the same
    order. Beside "May 6, 2002" the month stands first, as it does there; beside any other date "unknown" is returned where the order
    decides.
    """
    days = [_DAY_OF_YEAR.fullmatch(text) for text in (a, b)]
    if days[0] is not None and days[1] is not None:
        return "equal" if _day(days[0]) == _day(days[1]) else "different"
    dates = [list(_DATE.finditer(text)) for text in (a, b)]
    if [len(matches) for matches in dates] != [1, 1] or not any(_DATE.fullmatch(text) for text in (a, b)):
        return None
    x, y = dates[0][0], dates[1][0]
    if (x["first"] is None) == (y["first"] is None):
        return "equal" if _date(x) == _date(y) else "different"
    slashes, other = (x, y) if x["first"] else (y, x)
    year, month, day = _date(slashes)
    orders = ((year, month, day), (year, day, month))
    if month == day or _date(other) not in orders:
        return "equal" if _date(other) == orders[0] else "different"
    month_first = _date(other) == orders[0]
    american = other["named"] is not None and other["named"][0].isalpha()
    if month_first and (american or day > 12):
        return "equal"
    return "equal" if month > 12 and not month_first else "unknown"


def _date(match: re.Match[str]) -> _Date:
    if match["first"]:
        return int(match["year"]), int(match["first"]), int(match["second"])
    if match["named"]:
        name = re.search(r"[a-zA-Z]{3,}", match["named"])
        day, year = re.findall(r"\d+", match["named"])
        return int(year), _month(name[0] if name else ""), int(day)
    kind = "iso" if match["iso_year"] else "zh"
    return int(match[f"{kind}_year"]), int(match[f"{kind}_month"]), int(match[f"{kind}_day"])


def _day(match: re.Match[str]) -> tuple[int, int]:
    """Return the month and the day of a date without a year."""
    if match["zh_month"]:
        return int(match["zh_month"]), int(match["zh_day"])
    return _month(match["month"] or match["month_last"]), int(match["day"] or match["day_first"])


def _month(name: str) -> int:
    """Return the number of an English month, by its first three letters."""
    return next(number for number, month in enumerate(_MONTHS, 1) if month.startswith(name.lower()[:3]))
