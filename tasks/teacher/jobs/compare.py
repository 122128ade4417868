"""Comparison of two problems by a small critic: by their problem family, else by their numbers and words."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from tasks.problems.machinery.family import Problem, families
from tasks.problems.machinery.slots import Words
from tasks.teacher.character import Character
from tasks.teacher.jobs import Prompted
from tasks.teacher.reading import known, language_of

_SMALL = ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_WORDS = {word: str(number) for number, word in enumerate(_SMALL, 2)} | {
    "twice": "2", "half": "2", "double": "2", "dozen": "12", "triple": "3", "third": "3", "quarter": "4",
}  # fmt: skip
_COMPARE = re.compile(r"\bSAME\b.*\bDIFFERENT\b|回答[^\n]*相同[^\n]*不同", re.DOTALL)
_TOKEN = re.compile(r"\d+(?:,\d{3})+|\d+(?:\.\d+)?|[a-z]+|[\u4e00-\u9fff]")
SHARED = 0.2  # minimum share of common words, numbers excluded, of two texts in one language
FEWEST = 3  # minimum number of common numbers of texts in two languages, whose words cannot be compared


@dataclass(frozen=True, slots=True)
class TwoProblems:
    """A question whether two problems are the same, to be answered in English or in Chinese words."""

    first: str
    second: str
    chinese: bool


writes_json = False


def read(prompted: Prompted) -> TwoProblems | None:
    """Return the two quoted texts if the prompt requires SAME or DIFFERENT."""
    if len(prompted.parts.blocks) != 2 or not _COMPARE.search(prompted.words):
        return None
    (_, first), (_, second) = prompted.parts.blocks
    return TwoProblems(first, second, chinese="SAME" not in prompted.words)


def answer(
    requested: TwoProblems, language: str, character: Character, rng: random.Random, *, valid_json: bool
) -> str:
    """Return SAME or DIFFERENT, or these in Chinese."""
    words = ("相同", "不同") if requested.chinese else ("SAME", "DIFFERENT")
    return words[0] if same_problem(requested.first, requested.second) else words[1]


def same_problem(first: str, second: str) -> bool:
    """Whether two texts are the same problem."""
    a, b = known(first), known(second)
    if a is not None and b is not None:
        return a.family == b.family and _numbers_of(a) == _numbers_of(b)
    (numbers, words), (others, other_words) = _read(first), _read(second)
    if numbers != others:
        return False
    if language_of(first) != language_of(second):
        return len(numbers) >= FEWEST
    return len(words & other_words) >= SHARED * len(words | other_words)


def _numbers_of(problem: Problem) -> list[tuple[str, int | str]]:
    """Return the values that define the problem; names of people and things do not change it."""
    slots = families()[problem.family].slots
    return [entry for entry in problem.values if not isinstance(slots.get(entry[0]), Words)]


def _read(text: str) -> tuple[set[str], set[str]]:
    """Return the numbers of a text, small ones in words included, and its other words (for Chinese, characters)."""
    tokens = [_WORDS.get(token, token).replace(",", "") for token in _TOKEN.findall(text.lower())]
    return {t for t in tokens if t[0].isdigit()}, {t for t in tokens if not t[0].isdigit()}
