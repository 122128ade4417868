"""Footnotes of printed pages: lines at the foot of a column, in a smaller size or under a short rule, that begin with a raised mark.

They are taken out of the lines, so that what they interrupt is whole, and given to the paragraph that has their mark. A note that goes on
at the foot of the next column or page is joined. Notes without a mark, notes in the margin and notes at the end of a chapter are
not recognised. In a scan marks are not read (tasks/documents/ocr.py): its footnotes are behind the last paragraph of their page.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tasks.documents.printed_lines import PrintedLine

UNREAD_MARK: Final = "?"  # of a footnote of a scan
_SMALLER: Final = 0.93  # sizes of the text that a note has at most, where no rule stands over it


@dataclass(slots=True)
class PrintedNote:
    """A footnote: its mark, the page that it begins on, and its lines."""

    mark: str
    page: int
    lines: list[PrintedLine] = field(default_factory=list)


def without_notes(lines: Sequence[PrintedLine], body: float) -> tuple[list[PrintedLine], list[PrintedNote]]:
    """Return the lines that are no footnotes, and the footnotes, in their order. `body` is the size of the text."""
    rest: list[PrintedLine] = []
    notes: list[PrintedNote] = []
    for _, column in itertools.groupby(lines, key=lambda line: (line.page, line.left, line.right)):
        own = list(column)
        first = _first_of_notes(
            own, body, goes_on=bool(notes) and own[0].page - notes[-1].lines[-1].page <= 1
        )
        rest += own[:first]
        for line in own[first:]:
            if line.note or not notes:
                notes.append(PrintedNote(line.note, line.page))
            notes[-1].lines.append(line)
    return rest, notes


def _first_of_notes(column: Sequence[PrintedLine], body: float, *, goes_on: bool) -> int:
    """Return the place of the first line of the footnotes of a column; its length if there are none. goes_on: a note of the column
    before may have its last lines here."""
    ruled = next((place for place, line in enumerate(column) if line.ruled), len(column))
    if ruled < len(column) and (column[ruled].note or (goes_on and column[ruled].size < _SMALLER * body)):
        return ruled
    small = len(column)
    while small and column[small - 1].size < _SMALLER * body and not column[small - 1].table:
        small -= 1
    return next((place for place in range(small, len(column)) if column[place].note), len(column))


def owners_of(notes: Sequence[PrintedNote], marked: Sequence[tuple[str, int]]) -> list[int | None]:
    """Return for each note which of the places with (mark, page), in reading order, has its mark: on its page, or on the page
    before, where there was no room for it; None if no place has."""
    free = list(range(len(marked)))
    result: list[int | None] = []
    for note in notes:
        near = [
            place
            for place in free
            if marked[place][0] == note.mark and 0 <= note.page - marked[place][1] <= 1
        ]
        owner = next((place for place in near if marked[place][1] == note.page), next(iter(near), None))
        if owner is not None:
            free.remove(owner)
        result.append(owner)
    return result
