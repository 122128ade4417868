"""Where a quotation stands in a text.

Who copies a passage changes blanks, quotation marks, dashes, emphasis and the signs around formulas; these do not count. Words,
numbers and operators do. Words may be left out in the middle, marked by three dots.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

LEAST: Final = 8  # characters that count, of a quotation and of each piece between dots
_IGNORED: Final = frozenset("*$\\()|`")
_SAME: Final = str.maketrans(dict.fromkeys("‘’“”´「」『』", "'") | {'"': "'"} | dict.fromkeys("‐‑‒–—−", "-"))
_DOTS: Final = re.compile(r"\s*(?:\[\s*)?(?:\.{3,}|…+)(?:\s*\])?\s*")


def find_quotation(quote: str, text: str) -> tuple[int, int] | None:
    """Return the span (start, end) in characters of `text` that the quotation covers, None if the text does not have it."""
    plain, places = _plain(text)
    for pieces in ([quote], _DOTS.split(quote)):
        if span := _span(pieces, plain):
            return places[span[0]], places[span[1] - 1] + 1
    return None


def _span(pieces: list[str], plain: str) -> tuple[int, int] | None:
    """Return the span in the plain text from the first to the last piece, which follow each other."""
    start, at = -1, 0
    for piece in [one for one in pieces if one.strip()]:
        looked_for, _ = _plain(piece)
        if len(looked_for) < LEAST:
            return None
        position = plain.find(looked_for, at)
        if position < 0:
            return None
        start = position if start < 0 else start
        at = position + len(looked_for)
    return None if start < 0 else (start, at)


def _plain(text: str) -> tuple[str, list[int]]:
    """Return the characters of a text that count, and the place of each in the text."""
    characters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        for one in unicodedata.normalize("NFKC", character).translate(_SAME).casefold():
            if not one.isspace() and one not in _IGNORED:
                characters.append(one)
                places.append(place)
    return "".join(characters), places
