"""Passages become elements by the labels with which they begin: "Theorem 2.1", "Solution.", "例 3", or the number of an exercise.

What a label begins ends with its passage, the formulas after it and the passage that goes on after them; a proof ends with its sign
where it has one; an item of a list of exercises or solutions ends with the next. Labels show no more: a second paragraph of
an example is a text of its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tasks.documents.assembly import Assembly
from tasks.documents.document import Document, ElementKind
from tasks.documents.printed_labels import QED, item_number, label_of
from tasks.documents.sections import kind_below

ITEM: Final = re.compile(r"(?:[•●▪◦–*]|\(?[a-zA-Z0-9]{1,3}[.)]|\([ivx]+\))\s+\S")
_SIGN_WITHIN: Final = 200  # passages after the beginning of a proof


@dataclass(frozen=True, slots=True)
class Passage:
    """A heading, a paragraph or a displayed formula, in reading order.

    level: of a heading, 0 for others. lead: the words at the beginning in another style than the rest. kind: of an element that is
    recognised by other means than a label.
    """

    text: str
    level: int = 0
    number: str | None = None
    formula: bool = False
    lead: str = ""
    page: int | None = None
    kind: ElementKind | None = None


def labelled_document(passages: Sequence[Passage], title: str, format: str) -> Document:
    """Return the document of passages."""
    return _Assembler(title, format).document(passages)


@dataclass(slots=True)
class _Open:
    """An element to which passages are still added."""

    kind: ElementKind
    label: str | None
    page: int | None
    texts: list[str] = field(default_factory=list)
    items: bool = False  # an item of a list, which ends with the next
    formula: bool = False  # its last part is a formula


class _Assembler:
    """Puts passages together to elements."""

    def __init__(self, title: str, format: str) -> None:
        self._assembly = Assembly(title, format)
        self._open: _Open | None = None
        self._list: ElementKind | None = None
        self._numbered: dict[str, int] = {}
        self._before: dict[str, int] = {}  # kind -> index of the last element of it

    def document(self, passages: Sequence[Passage]) -> Document:
        """Return the document of the passages."""
        for place, passage in enumerate(passages):
            if passage.level:
                self._close()
                self._assembly.heading(passage.text, passage.level, passage.number)
                self._list = kind_below(passage.text)
            elif passage.kind == "table" and self._open is not None and self._open.items:
                self._open.texts.append(passage.text)  # of an exercise or a solution
            elif passage.kind is not None:
                self._close()
                self._assembly.add(passage.kind, passage.text, page=passage.page)
            elif passage.formula:
                self._formula(passage)
            else:
                self._text(passage, passages[place + 1 :][:_SIGN_WITHIN])
        self._close()
        return self._assembly.document

    def _formula(self, passage: Passage) -> None:
        if self._open is None:
            self._assembly.add("formula", passage.text, page=passage.page)
        else:
            self._open.texts.append(passage.text)
            self._open.formula = True

    def _text(self, passage: Passage, following: Sequence[Passage]) -> None:
        text, page = passage.text, passage.page
        label = label_of(text, passage.lead)
        if label is not None:
            self._close()
            rest = text[label.length :].strip()
            until_sign = label.kind == "proof" and _signed(text, following)
            self._open = _Open(label.kind, label.number, page, [rest] if rest else [], items=until_sign)
        elif self._list is not None and (numbered := item_number(text)) is not None:
            self._close()
            number, length = numbered
            self._open = _Open(self._list, number, page, [text[length:]], items=True)
        elif self._open is not None and self._continues(text):
            self._open.texts.append(text)
            self._open.formula = False
        else:
            self._close()
            self._assembly.add("text", text, page=page)
        if self._open is not None and QED.search(text):
            self._open.texts = (
                [*self._open.texts[:-1], QED.sub("", self._open.texts[-1]).rstrip()]
                if self._open.texts
                else []
            )
            self._close()

    def _continues(self, text: str) -> bool:
        assert self._open is not None
        if self._open.items or not self._open.texts:
            return True
        return (self._open.formula and text[:1].islower()) or ITEM.match(text) is not None

    def _close(self) -> None:
        """Add the open element to the document."""
        one, self._open = self._open, None
        if one is None:
            return
        of = None
        if one.kind in ("solution", "answer", "hint"):
            of = self._numbered.get(one.label) if one.label else None
            if of is None and not one.items:
                of = max(
                    (self._before[kind] for kind in ("exercise", "example") if kind in self._before),
                    default=None,
                )
        elif one.kind == "proof":
            of = self._before.get("theorem")
        index = self._assembly.add(one.kind, "\n\n".join(one.texts), label=one.label, page=one.page, of=of)
        if index is not None:
            self._before[one.kind] = index
            if one.kind == "exercise" and one.label:
                self._numbered[one.label] = index


def _signed(text: str, following: Sequence[Passage]) -> bool:
    """Return whether the sign at the end of a proof stands before the next label or heading."""
    if QED.search(text):
        return True
    for passage in following:
        if passage.level or label_of(passage.text, passage.lead):
            return False
        if QED.search(passage.text):
            return True
    return False
