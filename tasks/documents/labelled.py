"""Exercises, theorems and the like in formats that do not mark them: by printed labels, headings and numbered items.

"**Theorem 3 (Euler).** ..." and "Solution: ..." begin an element; so does a heading "Exercise 3", and, below a heading such as
"Exercises" or "Answers to selected problems", each numbered item. What follows belongs to it until the next label or heading; a
theorem, a definition or an example is over with its paragraph and the formulas and lists behind it.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from tasks.documents.assembly import ATTACHED, Assembly
from tasks.documents.document import Document, ElementKind
from tasks.documents.printed_labels import QED, Label, item_number, label_of
from tasks.documents.sections import kind_below, number_of

BlockKind = Literal["text", "list", "formula", "table", "code", "caption"]

_GOES_ON = re.compile(r"[:：,，;]\s*$|\\\]\s*$")
_LONG: Final = frozenset({"exercise", "hint", "answer", "solution"})


class LabelledAssembly:
    """A document that is put together from headings and blocks in reading order."""

    def __init__(self, title: str, format: str) -> None:
        self.out = Assembly(title, format)
        self.below: ElementKind | None = None
        self._below_level = 0
        self._level = 0  # of the last heading that the format marks
        self._open: tuple[ElementKind, str | None] | None = None
        self._asking = False  # whether the open element is an exercise with a label of its own, of which numbered items are parts
        self._pieces: list[str] = []
        self._start: int | None = None
        self._end: int | None = None
        self._whole = False  # whether the open element ends with the next heading only
        self.last: dict[str, int] = {}  # the last element of each kind

    def heading(self, title: str, level: int, start: int | None = None, end: int | None = None) -> None:
        """Begin a chapter or section, or, if the heading is a label such as "Exercise 3", an element."""
        self.close()
        self._level = level
        label = label_of(title)
        if label is not None and not title[label.length :].strip() and not _is_plural(title):
            self._begin(label, start, end, whole=True)
            return
        below = kind_below(title)
        if below is not None or level <= self._below_level or self.below is None:
            self.below, self._below_level = below, level
        self.out.heading(title, level)

    def block(self, kind: BlockKind, text: str, start: int | None, end: int | None) -> None:
        """Add a paragraph, a list, a formula, a table, code or a caption."""
        if not text.strip():
            return
        label = label_of(text) if kind == "text" else None
        if label is not None and label.plural and not text[label.length :].strip() and not self._whole:
            above = self._level
            self.heading(text.strip().strip("*_.:# "), above + 1, start, end)
            self._level = above
            return
        if label is not None and not self._belongs_to_whole(label.kind):
            self.close()
            self._begin(label, start, end)
            self._put(text[label.length :], start, end)
            return
        numbered = item_number(text) if kind == "text" and self.below is not None else None
        if numbered is not None and not self._whole and not self._asking:
            number, length = numbered
            self.item(number, text[length:], start, end)
            return
        if self._open is not None and self._goes_on(kind, text):
            self._put(text, start, end)
            return
        self.close()
        self.out.add("text" if kind == "list" else kind, text, start=start, end=end)

    def item(self, number: str, text: str, start: int | None, end: int | None) -> None:
        """Add an item of a numbered list: an exercise or an answer below such a heading, and else a part of a text."""
        if self.below is None or self._whole or self._asking:
            self.block("list", f"{number}. {text}", start, end)
            return
        self.close()
        self._open = (self.below, f"Exercise {number}")
        self._put(text, start, end)

    def element(
        self, kind: ElementKind, text: str, label: str | None, start: int | None, end: int | None, of: int | None = None
    ) -> int | None:  # fmt: skip
        """Add an element that the format marks, and return its index."""
        self.close()
        return self._add(kind, text, label, start, end, of)

    def close(self) -> None:
        """End the open element."""
        if self._open is None:
            return
        kind, label = self._open
        self._open = None
        count = len(self._pieces)
        text, self._pieces = "\n\n".join(self._pieces), []
        place = self._add(kind, text, label, self._start, self._end)
        if place is not None and kind == "solution" and count > 1 and self.below is None and not self._whole:
            self.out.document.elements[place].open_ended = True
        self._start = self._end = None
        self._whole = self._asking = False

    def document(self) -> Document:
        """Return the document."""
        self.close()
        document = self.out.document
        document.title = document.title or (document.headings[0].title if document.headings else "")
        return document

    def _begin(self, label: Label, start: int | None, end: int | None, *, whole: bool = False) -> None:
        self._open = (label.kind, label.text)
        self._start, self._end, self._whole = start, end, whole
        self._asking = label.kind == "exercise"

    def _put(self, text: str, start: int | None, end: int | None) -> None:
        if text.strip():
            self._pieces.append(text)
        self._start = start if self._start is None else self._start
        self._end = end if end is not None else self._end

    def _belongs_to_whole(self, kind: ElementKind) -> bool:
        """Return whether a label inside an element that a heading began is a part of it: a proof in a solution."""
        return self._whole and self._open is not None and self._open[0] == "solution" and kind not in _LONG

    def _goes_on(self, kind: BlockKind, text: str) -> bool:
        assert self._open is not None
        if self._whole or self._open[0] in _LONG:
            return True
        last = self._pieces[-1] if self._pieces else ""
        if not last:
            return True
        if QED.search(last):
            return False
        return kind in ("list", "formula") or _GOES_ON.search(last) is not None or text[:1].islower()

    def _add(
        self, kind: ElementKind, text: str, label: str | None, start: int | None, end: int | None, of: int | None = None
    ) -> int | None:  # fmt: skip
        if of is None and kind in ATTACHED and (number_of(label) is None or kind == "proof"):
            kinds = ("theorem",) if kind == "proof" else ("exercise", "example")
            of = max((self.last[one] for one in kinds if one in self.last), default=None)
            if of is not None and kind != "proof":
                label = self.out.document.elements[of].label
        place = self.out.add(kind, text, label=label, start=start, end=end, of=of)
        if place is not None:
            self.last[kind] = place
        return place


def _is_plural(title: str) -> bool:
    return (
        re.search(
            r"(?:exercises|problems|questions|solutions|answers|hints|proofs|examples)\b",
            title,
            re.IGNORECASE,
        )
        is not None
    )


def without_dollars(text: str) -> str:
    r"""Return Markdown with formulas between $ and $$ as \( \) and \[ \]; a sum of money keeps its sign."""
    return _DOLLARS.sub(_formula, text)


_DOLLARS = re.compile(
    r"(?P<code>`+)(?:(?!(?P=code)).)*(?P=code)|(?P<escaped>\\\$)"
    r"|\$\$(?P<displayed>(?:[^$\\]|\\.)+)\$\$|\$(?=[^\s$])(?P<inline>(?:[^$\\\n]|\\.|\n(?!\s*\n))+?)(?<![\s\\])\$(?!\d)",
    re.DOTALL,
)


def _formula(match: re.Match[str]) -> str:
    if match["escaped"]:
        return "$"
    if match["displayed"] is not None:
        return rf"\[{match['displayed'].strip()}\]"
    return rf"\({match['inline'].strip()}\)" if match["inline"] is not None else match[0]
