"""Splits mathematical text at its top level: brackets of all kinds, set braces and LaTeX environments are kept whole.

A bracket may be closed by one of another kind, as in the interval [0, 1). A LaTeX command is skipped together with the sign
behind its backslash, so `\\,` separates nothing. Both functions take time linear in the text.
"""

from __future__ import annotations

import functools
import re

GROUPS = frozenset("{}")
"""The braces of LaTeX, which are not those of a set."""
PARENTHESES = frozenset("()")
ALL = frozenset((*"()[]{}", "\\{", "\\}"))

_OPENING = frozenset((*"([{", "\\{"))
_ENVIRONMENT = r"\\(?:begin|end)\s*\{[a-zA-Z]{1,24}\*?\}"


def split_top(text: str, separators: str = ",;") -> list[str]:
    """Return the parts between the separators that are outside every bracket and environment, without empty parts."""
    parts, depth, start = [], 0, 0
    for match in _signs(separators).finditer(text):
        sign = match.group()
        change = _change(sign, ALL)
        depth += change
        if not change and sign in separators and depth == 0:
            parts.append(text[start : match.start()].strip())
            start = match.end()
    parts.append(text[start:].strip())
    return [part for part in parts if part]


def closing(text: str, start: int, end: int | None = None, brackets: frozenset[str] = ALL) -> int:
    """Return the index of the bracket that closes the one at `start`, or -1 if none before `end` does.

    Only `brackets` are counted. The index of a closing `\\}` is that of its brace.
    """
    depth = 0
    for match in _signs("").finditer(text, start, len(text) if end is None else end):
        change = _change(match.group(), brackets)
        depth += change
        if change and depth == 0:
            return match.end() - 1
    return -1


@functools.lru_cache(maxsize=16)
def _signs(separators: str) -> re.Pattern[str]:
    return re.compile(rf"{_ENVIRONMENT}|\\.|[{re.escape('()[]{}' + separators)}]", re.DOTALL)


def _change(sign: str, brackets: frozenset[str]) -> int:
    """Return by how much a sign changes the depth: 1, -1 or 0."""
    if sign in brackets:
        return 1 if sign in _OPENING else -1
    if len(sign) > 2 and brackets is ALL:
        return 1 if sign.startswith("\\begin") else -1
    return 0
