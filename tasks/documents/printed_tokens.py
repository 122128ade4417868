"""The boxes of a printed line as words, numbers, signs and mathematics, with the marks of footnotes taken off them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from statistics import median
from typing import Final, Literal

from tasks.documents.printed_boxes import Box
from tasks.documents.printed_latex import FUNCTIONS

WORD_GAP: Final = 0.15  # in sizes of the font
CURRENCIES: Final = "$€£¥"
_NUMBER_OR_PRICE = re.compile(rf"[{CURRENCIES}]?\d+(?:[.,]\d+)*[.,]?")
_NOTE_MARK = re.compile(r"\d{1,3}|[*†‡§¶]{1,3}|(?:\\(?:dagger|ddagger|S|P|ast)\s?){1,3}")
_BEFORE_MARK: Final = frozenset(".,;:?!'\"’”")
_LONG_WORD = re.compile(r"[A-Za-z]{4}")
_UNITS: Final = frozenset(
    ["mm", "cm", "dm", "km", "ft", "in", "yd", "mi", "inches", "feet", "units", "meters", "miles"]
)
_RAISED_SIZE: Final = 0.85  # of the font, that a raised mark has at most
TokenKind = Literal["math", "word", "neutral", "function"]


@dataclass(slots=True)
class PrintedToken:
    """A word, a number or a price, a sign, or a box of mathematics. `gap` is the space before it, in sizes of the font."""

    kind: TokenKind
    text: str
    boxes: list[Box] = field(default_factory=list)
    gap: float = 0.0
    mark: str = ""  # of a footnote, behind it

    @property
    def apart(self) -> bool:
        return self.gap > WORD_GAP


def tokens_of(row: list[Box], italic: bool) -> list[PrintedToken]:
    """Return the tokens of a line from left to right. `italic`: most letters of the line are, so that italic ones are no variables."""
    tokens: list[PrintedToken] = []
    before: Box | None = None
    for place, box in enumerate(row):
        gap = (box.x0 - before.x1) / max(box.size, 1.0) if before is not None else 0.0
        apart = gap > WORD_GAP
        mark = box.mark
        if not mark and has_note_mark(row, place):  # it is no power
            mark, box.upper = box.upper, ""
        scripts = bool(box.upper or box.lower)
        last = tokens[-1] if tokens else None
        if box.math or box.text is None or scripts:
            tokens.append(PrintedToken("math", box.text or box.latex, [box], gap))
        elif box.text.isalpha():
            if (
                last
                and last.kind == "word"
                and not apart
                and before is not None
                and not (before.upper or before.lower)
            ):
                last.text += box.text
                last.boxes.append(box)
            else:
                tokens.append(PrintedToken("word", box.text, [box], gap))
        elif (
            last and last.kind == "neutral" and not apart and _NUMBER_OR_PRICE.fullmatch(last.text + box.text)
        ):
            last.text += box.text
            last.boxes.append(box)
        else:
            tokens.append(PrintedToken("neutral", box.text, [box], gap))
        tokens[-1].mark += mark
        before = box
    tokens = [part for token in tokens for part in _without_stop(token)]
    for number, token in enumerate(tokens):
        if token.kind != "word":
            continue
        after = tokens[number + 1] if number + 1 < len(tokens) else None
        previous = tokens[number - 1] if number else None
        if (
            len(token.text) == 1
            and token.boxes[0].italic
            and not italic
            and token.text not in "aAI"
            and token.text.isascii()
        ):
            token.kind = "math"
        elif token.text in FUNCTIONS and not token.boxes[0].italic:
            beside = (previous, after)
            if any(
                other is not None and (other.kind == "math" or other.text in "([=" or other.text.isdigit())
                for other in beside
            ):
                token.kind = "function"
    return _with_last_letters(tokens)


def _with_last_letters(tokens: list[PrintedToken]) -> list[PrintedToken]:
    """Return the tokens with the last letter of a word, which has a script or is a formula by its style, in its word.

    "x-axis" keeps its x, a script on a word is a mark on it, and one on the name of a function or of a unit belongs to that.
    """
    joined: list[PrintedToken] = []
    for token in tokens:
        last = joined[-1] if joined else None
        box = token.boxes[0]
        if (
            last is None
            or token.kind != "math"
            or last.kind != "word"
            or token.apart
            or (len(last.text) < 2 and f"{last.text}{box.text}" not in _UNITS)
            or not box.text
            or box.math
        ):
            joined.append(token)
            continue
        last.text += box.text
        last.boxes.append(box)
        last.mark += token.mark
        if last.text in (FUNCTIONS | _UNITS) and (box.upper or box.lower):
            last.kind = "math"
    return joined


def _without_stop(token: PrintedToken) -> list[PrintedToken]:
    """Return a number, and the stop or comma after it as a token of its own."""
    if token.kind != "neutral" or len(token.text) < 2 or token.text[-1] not in ".,":
        return [token]
    return [
        PrintedToken("neutral", token.text[:-1], token.boxes[:-1], token.gap),
        PrintedToken("neutral", token.text[-1], token.boxes[-1:], mark=token.mark),
    ]


def has_note_mark(row: list[Box], place: int) -> bool:
    """Return whether what stands raised behind a box is the mark of a footnote: behind a word, a stop, or a bracket around words.
    Behind a formula or a number it is a power."""
    box = row[place]
    if not box.text or box.math or box.lower or not _NOTE_MARK.fullmatch(box.upper):
        return False
    if box.text in _BEFORE_MARK:
        return True
    if box.text == ")":
        first = next((one for one in range(place, -1, -1) if row[one].text == "("), place)
        return (
            _LONG_WORD.search("".join(one.text or " " for one in row[first:place] if not one.math))
            is not None
        )
    before = row[place - 1] if place else None
    if before is None or not box.text.isalpha() or not before.text or not before.text.isalpha():
        return False
    first = place
    while first and _is_beside(row[first - 1], row[first]):
        first -= 1
    word = "".join(one.text or "" for one in row[first : place + 1])
    return first < place and not (word in FUNCTIONS or (word in _UNITS and box.upper in ("2", "3")))


def _is_beside(box: Box, after: Box) -> bool:
    """Return whether two boxes are letters of one word."""
    return (
        bool(box.text and box.text.isalpha() and not box.math and not box.upper and not box.lower)
        and after.x0 - box.x1 < WORD_GAP * after.size
    )


def note_of(row: list[Box], size: float) -> tuple[str, list[Box]]:
    """Return the raised mark with which a line begins, empty without one, and the rest of the line."""
    number = 0
    while (
        number < min(len(row) - 1, 3)
        and row[number].size < _RAISED_SIZE * size
        and row[number].baseline > median(box.baseline for box in row[3:] or row) + 0.15 * size
        and not (row[number].upper or row[number].lower)
    ):
        number += 1
    mark = "".join(box.latex for box in row[:number])
    return (mark, row[number:]) if _NOTE_MARK.fullmatch(mark) else ("", row)
