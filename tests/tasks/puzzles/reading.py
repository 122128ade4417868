"""Reads the questions of puzzles back from their words, so that their answers are computed from nothing but the text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib import import_module
from typing import Any

import pytest

from tasks.puzzles.puzzle import Puzzle
from tasks.seeding import rng_of

# draws per language of the quick suite, and those of the full one
DRAWS = [pytest.param(40, id="few"), pytest.param(5_000, id="many", marks=pytest.mark.soak)]


def any_of(words: Iterable[str]) -> str:
    """Return an expression for one of the words, the longest first."""
    return "(?:" + "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True)) + ")"


@cache
def _pattern(template: str, slots: tuple[tuple[str, str], ...]) -> re.Pattern[str]:
    given, names, text = dict(slots), set[str](), ""
    for piece in re.split(r"(\{\w+\})", template):
        name = piece[1:-1]
        if not piece.startswith("{"):
            text += re.escape(piece)
        elif name in names:
            text += f"(?P={name})"
        else:
            names.add(name)
            text += f"(?P<{name}>{given[name]})"
    return re.compile(text, re.IGNORECASE)


def read(text: str, templates: Iterable[str], slots: Mapping[str, str]) -> list[tuple[str, dict[str, str]]]:
    """Return (template, values of its slots) of every template that may have written the text."""
    items = tuple(sorted(slots.items()))
    matches = [(template, _pattern(template, items).fullmatch(text)) for template in templates]
    return [(template, match.groupdict()) for template, match in matches if match]


def puzzles(kind: str, count: int, language: str, **settings: int) -> Iterable[tuple[Any, Puzzle]]:
    """Yield what was drawn, and the puzzle in words, `count` times."""
    module = import_module(f"tasks.puzzles.{kind}")
    sizes = import_module(f"tasks.methods.{kind}").own_settings(**settings).model_dump()
    originals: Callable[..., Any] = module.write
    for number in range(count):
        drawn: list[Any] = []

        def write(*arguments: Any, drawn: list[Any] = drawn) -> Puzzle:
            drawn.extend(arguments)
            return originals(*arguments)

        module.write = write  # type: ignore[attr-defined]
        try:
            puzzle = module.puzzle(rng_of("puzzle", kind, number), sizes, language)
        finally:
            module.write = originals  # type: ignore[attr-defined]
        yield drawn, puzzle


def repeated(questions: Iterable[str]) -> int:
    """Return how many questions were there before."""
    return sum(count - 1 for count in Counter(questions).values())
