"""Marks of footnotes that stand directly behind a formula, where they look like powers.

TeX sets both in one size and at one height, so that only the page tells them apart: a footnote with this mark stands on it, no other
place has the mark, and what is raised ends its formula. If several places remain, those between the marks of the notes before
and after it count. If there are still several, all are read as powers, and the note keeps to the last paragraph of its page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tasks.documents.printed_boxes import Box
from tasks.documents.printed_tokens import WORD_GAP, has_note_mark, note_of

_SMALLER: Final = 0.93  # sizes of the text that a footnote has at most
_RAISED_SIZE: Final = 0.85  # of the text, that a raised mark has at most
_CLOSING: Final = frozenset(".,;:?!")

BoxPlace = tuple[int, int]  # of a box: its row and its place in the row


@dataclass(frozen=True, slots=True)
class _Raised:
    """Something raised that may be a mark: a script of a box, or so many boxes behind it."""

    place: BoxPlace
    boxes: int = 0


def take_marks(rows: Sequence[list[Box]]) -> None:
    """Take the marks of the footnotes of a page off the formulas that they stand on, and note them in the boxes. `rows` are the rows of
    the page in reading order."""
    notes = list(dict.fromkeys(_notes(rows)))
    if not notes:
        return
    marks: dict[str, BoxPlace] = {}
    for number, row in enumerate(rows):
        for place, box in enumerate(row):
            if has_note_mark(row, place):
                marks.setdefault(box.upper, (number, place))
    missing = [note for note in notes if note not in marks]
    while missing:
        chosen = next(((note, one) for note in missing if (one := _only(note, notes, marks, rows))), None)
        if chosen is None:
            return
        note, raised = chosen
        marks[note] = raised.place
        _take(raised, note, rows)
        missing.remove(note)


def _notes(rows: Sequence[list[Box]]) -> Iterator[str]:
    """Yield the marks with which the footnotes of a page begin."""
    sizes = Counter(box.size for row in rows for box in row)
    body = max(sizes, key=lambda size: (sizes[size], size), default=0.0)
    for row in rows:
        size = _size(row)
        mark, _ = note_of(row, size)
        if mark and size < _SMALLER * body:
            yield mark


def _only(
    note: str, notes: Sequence[str], marks: dict[str, BoxPlace], rows: Sequence[list[Box]]
) -> _Raised | None:
    """Return the one place that may have the mark of a note, None if none or several may."""
    place = notes.index(note)
    after = max((marks[one] for one in notes[:place] if one in marks), default=(-1, 0))
    before = min((marks[one] for one in notes[place + 1 :] if one in marks), default=(len(rows), 0))
    every = [one for one in _raised(note, rows) if after < one.place < before]
    return every[0] if len(every) == 1 else None


def _raised(note: str, rows: Sequence[list[Box]]) -> Iterator[_Raised]:
    for number, row in enumerate(rows):
        size = _size(row)
        for place, box in enumerate(row):
            upper = box.upper.replace(" ", "")
            if upper.endswith(note) and _ends(row, place):
                rest = upper.removesuffix(note)
                if not rest or rest[-1].isdigit() or not note.isdigit():
                    yield _Raised((number, place))
            elif place and _is_loose(row[place], row[place - 1], size):
                stop = place + 1
                while stop < len(row) and _is_loose(row[stop], row[stop - 1], size):
                    stop += 1
                if (
                    not _is_loose(row[place - 1], row[place - 1], size)
                    and "".join(one.latex for one in row[place:stop]) == note
                    and _ends(row, stop - 1)
                ):
                    yield _Raised((number, place - 1), stop - place)


def _is_loose(box: Box, before: Box, size: float) -> bool:
    """Return whether a box is raised and small, right behind another, and no script of it."""
    return (
        box.size < _RAISED_SIZE * size
        and not (box.upper or box.lower)
        and box.baseline > before.baseline - 0.1 * size
        and box.x0 - before.x1 < WORD_GAP * size
        and box.text is not None
        and box.text.isdigit()
    )


def _size(row: Sequence[Box]) -> float:
    return Counter(box.size for box in row).most_common(1)[0][0]


def _ends(row: list[Box], place: int) -> bool:
    """Return whether a formula may end with a box: a word, a stop or nothing follows."""
    if place + 1 == len(row):
        return True
    box, after = row[place], row[place + 1]
    if after.text in _CLOSING:
        return True
    gap = (after.x0 - box.x1) / max(box.size, 1.0)
    second = row[place + 2] if place + 2 < len(row) else None
    word = bool(after.text and after.text.isalpha() and not after.math and not (after.upper or after.lower))
    alone = second is None or second.x0 - after.x1 > WORD_GAP * after.size
    return gap > WORD_GAP and word and not (alone and after.italic)


def _take(raised: _Raised, note: str, rows: Sequence[list[Box]]) -> None:
    number, place = raised.place
    row = rows[number]
    box = row[place]
    if raised.boxes:
        del row[place + 1 : place + 1 + raised.boxes]
    else:
        box.upper = box.upper.replace(" ", "").removesuffix(note)
    box.mark = note
