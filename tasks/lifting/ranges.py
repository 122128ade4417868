"""From which values a number of a question is drawn, by what it is: a count, a percentage, a price, an hour of a day."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Final

from tasks.rewriting.numbers import StatedNumber

# number word -> value and back, per script; words of one list only replace each other
_ENGLISH = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_CHINESE = ("三", "四", "五", "六", "七", "八", "九", "十")


class NumberWords(dict[str | int, str]):
    """A list of number words: a word or its value -> the word."""

    def __init__(self, words: tuple[str, ...], first: int) -> None:
        super().__init__({word: word for word in words} | {first + n: word for n, word in enumerate(words)})
        self.values_of_words = tuple(range(first, first + len(words)))


SPELLED: Final[Mapping[str, NumberWords]] = {"en": NumberWords(_ENGLISH, 2), "zh": NumberWords(_CHINESE, 3)}

# what stands behind a number -> the largest value that it can have, if it has not been larger
_BOUNDS = (
    (
        re.compile(
            r"\s?-?\s?hours?\s+(?:a|per|each|every|in a|of the)\s+day|\s?小时(?:每|/)?天", re.IGNORECASE
        ),
        24,
    ),
    (re.compile(r"\s?-?\s?days?\s+(?:a|per|each|every|of the|in a|this)\s+week", re.IGNORECASE), 7),
    (re.compile(r"\s?-?\s?hours?\b|\s?小时", re.IGNORECASE), 24),
    (re.compile(r"\s?-?\s?months?\b|\s?个月", re.IGNORECASE), 12),
    (re.compile(r"\s?-?\s?minutes?\b|\s?分钟", re.IGNORECASE), 60),
    (re.compile(r"\s?-?\s?days?\b|\s?天", re.IGNORECASE), 31),
)
_MONEY = re.compile(r"[$€£¥₹]\s?$")
_DAYS_BEFORE_WEEK = re.compile(r"\b(?:a|per|each|every)\s+week\b|每周", re.IGNORECASE)


def range_of(question: str, number: StatedNumber, percent: bool) -> tuple[Fraction, ...]:
    """Return the values that a number may have in another problem; fewer than two if it has to stay what it is."""
    text = question[number.start : number.end]
    if number.value <= 0 or number.value == 1:
        return ()
    if percent:
        return _percentages(number.value)
    spelled = next((words for words in SPELLED.values() if text.lower() in words), None)
    if number.value.denominator != 1:
        values = _decimals(number.value, len(text.partition(".")[2]))
        price = _MONEY.search(question, max(0, number.start - 4), number.start) is not None
        return values if price else tuple(value for value in values if value.denominator != 1)
    if "." in text:
        return ()  # 3.0: neither a count nor a price
    values = _counts(int(number.value))
    bound = next((most for words, most in _BOUNDS if words.match(question, number.end)), None)
    if bound == 31 and _DAYS_BEFORE_WEEK.search(question, number.end, number.end + 40) and number.value <= 7:
        bound = 7
    if bound is not None and number.value <= bound:
        values = tuple(value for value in values if value <= bound)
    if spelled is not None:
        values = tuple(value for value in values if int(value) in spelled.values_of_words)
    return values


def _percentages(value: Fraction) -> tuple[Fraction, ...]:
    if value.denominator != 1 or value == 100:
        return ()
    step = 5 if value % 5 == 0 else 1
    low, high = (step, 100 - step) if value < 100 else (100 + step, 300)
    return tuple(Fraction(one) for one in range(low, high + 1, step))


def _counts(value: int) -> tuple[Fraction, ...]:
    """Return integers around a count, from half of it to twice, as round as it is; at least 2, so that a plural stays one."""
    zeros = len(str(value)) - len(str(value).rstrip("0"))
    step = 1 if value < 20 else 5 * 10 ** (zeros - 1) if zeros else 5 if value % 5 == 0 else 1
    low, high = max(2, -(-value // 2)), max(2 * value, value + 4)
    first = -(-low // step) * step
    count = min((high - first) // step, 10_000)
    return tuple(Fraction(first + step * one) for one in range(count + 1))


def _decimals(value: Fraction, places: int) -> tuple[Fraction, ...]:
    """Return decimals around a price or a measure, in steps like its own."""
    smallest = Fraction(1, 10**places)
    steps = [
        step
        for step in (Fraction(1, 4), Fraction(1, 2), Fraction(1, 20))
        if (value / step).denominator == (step / smallest).denominator == 1
    ]
    step = steps[0] if steps else smallest
    first = -(-value / 2 // step) * step
    count = min(int((2 * value - first) / step), 10_000)
    return tuple(first + step * one for one in range(count + 1) if first + step * one > 0)
