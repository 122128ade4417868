"""Numbers of a question that no step of its solutions uses: padding by facts that nobody needs ("He had been there 3 times.").

A number counts as used where a solution has its value, or a value that usually stands for it: 40 % as 0.4, 0.6 or 140, 2 hours as 120
minutes, 3 of 4 as 3/4. Numbers that honest problems have without calculating with them are passed over: years, dates, times of the clock,
ordinal numbers, names ("Room 12", "grade 7"), number words up to twenty and numbers up to five of things ("the two friends"), totals of other numbers, and numbers in
formulas. So small numbers that nobody needs are not noticed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import combinations
from typing import Final

from tasks.rewriting.numbers import StatedNumber, numbers_in

MOST: Final = 100_000  # characters of the solutions of a question that are read
MOST_NUMBERS: Final = 40  # of a question, whose sums are passed over
LEAST_USED: Final = (
    0.5  # share of its other numbers that the solutions use; below it they do not show their steps
)

SPELLED: Final = (
    20  # number words up to this are passed over: how many people there are, a tenth, every sixth
)
SMALL: Final = 5  # and numbers of things up to this, without a unit

_THOUSANDS = re.compile(r"(?:,|\{,\})\d{3}")  # the rest of a number that was not read as a whole
_NUMBER = re.compile(r"(?<![\d.])\d+(?:,\d{3})*(?:\.\d+)?|(?<!\d)\.\d+")
_SPACED = re.compile(r"(?<=\d)[\s\u00a0]*(?:\\[,!;: ]|\{,\}|[\u2009\u202f])[\s]*(?=\d{3}(?!\d))")
_CONVERSIONS: Final = (3, 4, 7, 10, 12, 16, 24, 30, 36, 52, 60, 100, 365, 1000, 3600)
_FORMULA = re.compile(
    r"\[asy\].*?\[/asy\]|\\begin\{.*?\\end\{\w+\*?\}|\$\$.*?\$\$|\$(?=\S)[^$\n]*?[\\^_=<>{}+a-zA-Z*/(][^$\n]*\$|\\\(.*?\\\)|\\\[.*?\\\]",
    re.DOTALL | re.IGNORECASE,
)
_LISTED = re.compile(r"\d,\s?(?:and |or )?$")  # one of several numbers of a list
_NAME_BEFORE = re.compile(
    r"(?:\b(?:room|grade|class|year|day|week|level|page|number|no\.|chapter|bus|route|highway|flight|gate|line|team|group|lane|floor|apartment|section|question|problem|exercise|part|"
    r"step|type|size|figure|table|box|door|player|period|ages?|aged|january|february|march|april|may|june|july|august|september|october|november|december|at|before|after|until|degree)|[#第周]|星期|礼拜|(?-i:\b[A-Z]{1,9}-|\b[A-Z]))\s?$",
    re.IGNORECASE,
)
_TIME_OR_ORDINAL = re.compile(
    r"^(?:\s?(?:st|nd|rd|th)\b|:\d|\s?[ap]\.?m\b|\s?o['’]clock|\s?[年月日号时点楼层班级路室折]|舍|入|(?:-|\s)?(?:grade|century)|\s?(?:January|February|March|April|May|June|July|August|September|October|November|December)\b)",
    re.IGNORECASE,
)
_PERCENT = re.compile(r"\s?(?:\\?%|per ?cent\b|¢|cents?\b|分(?!之))", re.IGNORECASE)
_MEASURE = re.compile(
    r"[\s-]?(?:(?:half|full|whole|more|extra|other|calendar)[\s-])?(?:dozens?|pairs?|couples?|decades?|cent(?:ury|uries)|years?|months?|weeks?|days?|hours?|minutes?|seconds?|"
    r"foot|feet|inch(?:es)?|yards?|miles?|quarters?|dimes?|nickels?|pennies|pounds?|ounces?|gallons?|cups?|score|年|个?月|周|个?星期|天|小时|分钟?|秒|打|双|千?米|厘米|千?克|吨|元|角)",
    re.IGNORECASE,
)
_COUNTED_ON = re.compile(
    r"[\s-]?(?:more|other|others|friends?|people|persons?|children|kids|siblings?|brothers?|sisters?|times|years?|days?|th\b|个?人|名|位|次|倍|成)",
    re.IGNORECASE,
)
_CLOCK_BEFORE = re.compile(r"\d:$")


def unneeded_numbers(question: str, solutions: Iterable[str], given: Sequence[str] = ()) -> list[str]:
    """Return the numbers of a question that none of its solutions uses, as they are written, in order.

    given: the questions that it was made from; their numbers are passed over. The list is empty where the solutions
    do not show enough of their numbers to say.
    """
    text = "\n".join(solutions)[:MOST]
    used = _values(text)
    if not used:
        return []
    known = {number.value for parent in given for number in numbers_in(parent)}
    formulas = [match.span() for match in _FORMULA.finditer(question)]
    stated = [number for number in numbers_in(question) if _counts(question, number, formulas)]
    unused = [number for number in stated if used.isdisjoint(_forms(question, number))]
    totals = _totals([number.value for number in numbers_in(question)]) if unused else set()
    unused = [number for number in unused if number.value not in totals]
    if len(stated) - len(unused) < LEAST_USED * len(stated):
        return []
    return [question[number.start : number.end] for number in unused if number.value not in known]


def _values(text: str) -> set[Fraction]:
    """Return the values of all numbers of solutions, in digits and in words."""
    plain = _SPACED.sub("", text)
    digits = {Fraction(match[0].replace(",", "")) for match in _NUMBER.finditer(plain) if len(match[0]) <= 40}
    return digits | {
        number.value
        for start in range(0, len(plain), 7_000)
        for number in numbers_in(plain[start : start + 7_000])
    }


def _counts(question: str, number: StatedNumber, formulas: Sequence[tuple[int, int]]) -> bool:
    """Return whether a number of a question is one that its solution has to calculate with."""
    value, before = number.value, question[max(0, number.start - 14) : number.start]
    if value in (0, 1) or (number.spelled and value <= SPELLED) or (number.unit is None and value <= SMALL):
        return False
    if _THOUSANDS.match(question, number.end):
        return False
    if any(start <= number.start < end for start, end in formulas) or _LISTED.search(before):
        return False
    if _TIME_OR_ORDINAL.search(question[number.end : number.end + 14]) or _CLOCK_BEFORE.search(before):
        return False
    if (
        value.denominator == 1
        and 1000 <= value <= 2100
        and number.unit is None
        and "," not in question[number.start : number.end]
    ):
        return False
    return number.unit is not None or _NAME_BEFORE.search(before) is None


def _totals(values: Sequence[Fraction]) -> set[Fraction]:
    """Return the sums and differences of numbers of a question, which a step may leave unsaid: 26 employees, of which 14 are workers and 12
    managers."""
    values = values[:MOST_NUMBERS]
    runs = {
        sum(values[start:end], Fraction(0))
        for start in range(len(values))
        for end in range(start + 2, min(start + 6, len(values)) + 1)
    }
    pairs = list(combinations(values, 2))
    return runs | {one + other for one, other in pairs} | {abs(one - other) for one, other in pairs}


def _forms(question: str, number: StatedNumber) -> set[Fraction]:
    """Return the values that stand for a number in a calculation."""
    value = number.value
    forms = {value}
    if value:
        forms.add(1 / value)
    if _PERCENT.match(question, number.end):
        forms |= {value / 100, 100 - value, 100 + value, 1 - value / 100, 1 + value / 100}
    elif number.unit is not None or _MEASURE.match(question, number.end):
        forms |= {value * factor for factor in _CONVERSIONS} | {value / factor for factor in _CONVERSIONS}
    if value.denominator != 1:  # 1.5 times as 3/2, and 0.25 as a quarter
        forms |= {Fraction(value.numerator), value * 100}
    if _COUNTED_ON.match(question, number.end):
        forms |= {value - 1, value + 1}
    return forms
