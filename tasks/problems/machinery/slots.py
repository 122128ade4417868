"""The kinds of slots in templates: how a value is written in a question, and read back from it.

Questions are read without white space (`compact`), so that a re-wrapped question reads like the original; every `parse`
takes compact text. A slot raises `Unworkable` for text that it would not have written: questions come from models and books,
and a huge exponent or a number of a thousand digits must not cost time.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tasks.problems.machinery.notation import coefficients, polynomial, require

MOST_DIGITS = 10


def compact(text: str) -> str:
    """Return the text without white space."""
    return "".join(text.split())


class Slot(Protocol):
    """A kind of slot: `show` writes a value and `parse` reads it from compact text. `pattern` is a regular expression for the
    compact text, without capturing groups."""

    def pattern(self, language: str) -> str: ...
    def show(self, value: int | str, language: str) -> str: ...
    def parse(self, text: str, language: str) -> int | str: ...


@dataclass(frozen=True)
class Number:
    """An integer between two bounds, both included."""

    low: int = -(10**9)
    high: int = 10**9

    def pattern(self, language: str) -> str:
        return rf"-?\d{{1,{MOST_DIGITS}}}" if self.low < 0 else rf"\d{{1,{MOST_DIGITS}}}"

    def show(self, value: int | str, language: str) -> str:
        return str(value)

    def parse(self, text: str, language: str) -> int | str:
        number = int(text)
        require(self.low <= number <= self.high, f"{number} is not in {self.low}..{self.high}")
        require(str(number) == text, f"{text} is not how we write {number}")
        return number


@dataclass(frozen=True)
class Signed:
    """A nonzero integer with a separate sign, as a later term of a sum: `+ 5`, `- 3`."""

    bound: int = 10**6

    def pattern(self, language: str) -> str:
        return rf"[+-]\d{{1,{MOST_DIGITS}}}"

    def show(self, value: int | str, language: str) -> str:
        return f"{'-' if int(value) < 0 else '+'} {abs(int(value))}"

    def parse(self, text: str, language: str) -> int | str:
        number = int(text)
        require(0 < abs(number) <= self.bound, f"{number} is zero or beyond {self.bound}")
        require(compact(self.show(number, language)) == text, f"{text} is not how we write it")
        return number


@dataclass(frozen=True)
class Coefficient:
    """A nonzero factor before a letter: `3`, `-2`, nothing for 1, `-` for -1. `later` separates the sign."""

    later: bool = False
    bound: int = 10**6

    def pattern(self, language: str) -> str:
        return rf"[+-]\d{{0,{MOST_DIGITS}}}" if self.later else rf"-?\d{{0,{MOST_DIGITS}}}"

    def show(self, value: int | str, language: str) -> str:
        number = int(value)
        size = "" if abs(number) == 1 else str(abs(number))
        if self.later:
            return f"{'-' if number < 0 else '+'} {size}"
        return ("-" if number < 0 else "") + size

    def parse(self, text: str, language: str) -> int | str:
        number = int(text if text[-1:].isdigit() else text + "1")
        require(0 < abs(number) <= self.bound, f"{number} is zero or beyond {self.bound}")
        require(compact(self.show(number, language)) == text, f"{text} is not how we write it")
        return number


@dataclass(frozen=True)
class Numbers:
    """A list of integers as one string, `3, -5, 7`, with commas in every language, as in mathematics."""

    least: int = 2
    most: int = 12
    bound: int = 10**6

    def pattern(self, language: str) -> str:
        return rf"-?\d{{1,7}}(?:,-?\d{{1,7}}){{{self.least - 1},{self.most - 1}}}"

    def show(self, value: int | str, language: str) -> str:
        return str(value)

    def parse(self, text: str, language: str) -> int | str:
        numbers = [int(part) for part in text.split(",")]
        require(self.least <= len(numbers) <= self.most, f"{len(numbers)} numbers")
        require(all(abs(number) <= self.bound for number in numbers), f"a number beyond {self.bound}")
        return join(numbers)


def join(numbers: Sequence[int]) -> str:
    """Return integers as the value of a `Numbers` slot."""
    return ", ".join(str(number) for number in numbers)


def split(value: int | str) -> list[int]:
    """Return the integers of a `Numbers` slot."""
    return [int(part) for part in str(value).split(",")]


@dataclass(frozen=True)
class Fractional:
    """A positive fraction as one string `3/4`, written as `\\frac{3}{4}`; it is not reduced."""

    bound: int = 10**4

    def pattern(self, language: str) -> str:
        return r"\\frac\{\d{1,5}\}\{\d{1,5}\}"

    def show(self, value: int | str, language: str) -> str:
        top, bottom = str(value).split("/")
        return rf"\frac{{{top}}}{{{bottom}}}"

    def parse(self, text: str, language: str) -> int | str:
        top, bottom = (int(part) for part in re.findall(r"\d+", text))
        require(0 < bottom <= self.bound and 0 < top <= self.bound, f"{top}/{bottom} is out of bounds")
        return f"{top}/{bottom}"


@dataclass(frozen=True)
class Polynomial:
    """A polynomial with integer coefficients as one string, `2x^3 - 5x + 1` (see notation.polynomial)."""

    letter: str = "x"
    degree: int = 6

    def pattern(self, language: str) -> str:
        return rf"[-+^\d{self.letter}]{{1,80}}"

    def show(self, value: int | str, language: str) -> str:
        return str(value)

    def parse(self, text: str, language: str) -> int | str:
        value = polynomial(coefficients(text, self.letter, self.degree), self.letter)
        require(compact(value) == text, f"{text} is not how we write {value}")
        return value


@dataclass(frozen=True)
class Matrix:
    """The inside of a LaTeX matrix as one string: cells separated by ` & `, rows by ` \\\\ `."""

    most: int = 4

    def pattern(self, language: str) -> str:
        return r"[-&\d\\]{1,160}"

    def show(self, value: int | str, language: str) -> str:
        return str(value)

    def parse(self, text: str, language: str) -> int | str:
        rows = [row.split("&") for row in text.split(r"\\")]
        numeric = all(re.fullmatch(r"-?\d{1,6}", cell) for row in rows for cell in row)
        require(numeric, f"{text} is no matrix of integers")
        require(len({len(row) for row in rows}) == 1, f"{text} has rows of unequal length")
        require(len(rows) <= self.most and len(rows[0]) <= self.most, f"{text} is too large")
        return r" \\ ".join(" & ".join(row) for row in rows)


@dataclass(frozen=True)
class Words:
    """A word from a list, stored as its index, so that one value can be written in either language."""

    en: tuple[str, ...]
    zh: tuple[str, ...]

    def __post_init__(self) -> None:
        for words in (self.en, self.zh):
            if len({compact(word) for word in words}) != len(self.en):
                raise ValueError(f"word lists must be of one length and without repeats: {words}")

    def pattern(self, language: str) -> str:
        words = sorted(self._index(language), key=len, reverse=True)
        return "(?:" + "|".join(re.escape(word) for word in words) + ")"

    def show(self, value: int | str, language: str) -> str:
        return (self.zh if language == "zh" else self.en)[int(value)]

    def parse(self, text: str, language: str) -> int | str:
        return self._index(language)[text]

    @functools.cache  # noqa: B019 - word lists are module constants
    def _index(self, language: str) -> dict[str, int]:
        words = self.zh if language == "zh" else self.en
        return {compact(word): index for index, word in enumerate(words)}

    def __len__(self) -> int:
        return len(self.en)
