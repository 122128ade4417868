"""Passages become elements by the labels with which they begin: "Theorem 2.1", "Solution.", "例 3", or the number of an exercise.

What a label begins ends with its passage, the formulas after it and the passage that goes on after them, or that follows from them in a
solution or a proof; a proof ends with its sign where it has one; an item of a list of exercises or solutions ends with the next. Labels show no more: a second paragraph of
an example is a text of its own.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from tasks.documents.assembly import ATTACHED, Assembly
from tasks.documents.document import Document, ElementKind
from tasks.documents.printed_labels import QED, Label, item_number, label_of
from tasks.documents.sections import kind_below

ITEM: Final = re.compile(r"(?:[•●▪◦–*]|\(?[a-zA-Z0-9]{1,3}[.)]|\([ivx]+\))\s+\S")
_UNFINISHED: Final = re.compile(
    r"(?:[:,：，]|\b[A-Za-z][a-z]+)\s*\Z"
)  # a sentence goes on in the next passage
_WORKED: Final = frozenset(("solution", "proof"))
# how a sentence begins that follows from the formula before it
_CONCLUDES: Final = re.compile(
    r"(?:So|Thus|Therefore|Hence|Then|Since|Consequently|Finally|Substituting|Solving|Dividing|Multiplying|Adding|Subtracting|Simplifying|"
    r"It follows|We (?:get|obtain|find|have|see|conclude)|This (?:gives|yields|means|implies|shows|simplifies|equals|is)|"
    r"(?:It is|Now) (?:now )?(?:easy|we|add|subtract|reverse|solve|divide|multiply))\b(?! far)|所以|因此|于是|从而|故|解得|得"
)
_FORMULA: Final = re.compile(r"\\\((?:(?!\\\)).)*\\\)[.,;]?", re.DOTALL)  # in a paragraph of its own
_STOPPED: Final = re.compile(r"[.。](?:\\\))?\s*\Z")
_LONGEST_TITLE: Final = 60  # characters
_LONGEST_SHORT: Final = 120  # characters of an answer that stands beside others in one paragraph
_ENDED: Final = re.compile(r"[.?!,;。？！，；]\s*\Z")
_NEXT_ANSWER: Final = re.compile(r"(?<=\s)\(?(\d{1,3}(?:[.\-–]\d{1,3}){0,3})[.)]\s+(?=\S)")
_LEAST_SOLVED: Final = 2  # exercises with a footnote at their end, from which on these are solutions
_SHARE_SOLVED: Final = 0.6  # of the exercises with the same word
_SIGN_WITHIN: Final = 200  # passages after the beginning of a proof


@dataclass(frozen=True, slots=True)
class Footnote:
    """A footnote. own: its mark is in the passage that it is given with; at_end: at the end of that passage."""

    mark: str
    text: str
    page: int | None = None
    own: bool = True
    at_end: bool = False


@dataclass(frozen=True, slots=True)
class Passage:
    """A heading, a paragraph or a displayed formula, in reading order.

    level: of a heading, 0 for others. lead: the words at the beginning in another style than the rest. kind: of an element that is
    recognised by other means than a label. size: of its letters, 0 where it is not known. notes: its footnotes.
    unsure: the words that OCR is not sure of. goes_on: it is printed as the rest of the paragraph that the formula before it is in.
    """

    text: str
    level: int = 0
    number: str | None = None
    formula: bool = False
    lead: str = ""
    page: int | None = None
    kind: ElementKind | None = None
    size: float = 0.0
    notes: tuple[Footnote, ...] = ()
    unsure: tuple[str, ...] = ()
    goes_on: bool = False


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
    stopped: bool = True  # no formula in a paragraph of its own, without a stop, is its last part
    word: str = ""  # of its label
    notes: list[Footnote] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)

    def take(self, passage: Passage) -> None:
        """Add what is known of a passage whose text was added."""
        self.notes += passage.notes
        self.unsure += passage.unsure


class _Assembler:
    """Puts passages together to elements."""

    def __init__(self, title: str, format: str) -> None:
        self._assembly = Assembly(title, format)
        self._open: _Open | None = None
        self._list: ElementKind | None = None
        self._level = 0  # of the last heading that stands apart
        self._list_size = 0.0  # of the heading that began the list
        self._asked: dict[str, list[tuple[int, int | None]]] = defaultdict(
            list
        )  # word -> exercise, and the note at its end
        self._numbered: dict[str, list[int]] = defaultdict(list)
        self._before: dict[str, int] = {}  # kind -> index of the last element of it

    def document(self, passages: Sequence[Passage]) -> Document:
        """Return the document of the passages."""
        for place, passage in enumerate(passages):
            if passage.level:
                self._close()
                self._heading(passage)
            elif (
                passage.kind == "table"
                and self._open is not None
                and (self._open.items or self._is_announced())
            ):
                self._open.texts.append(passage.text)  # of an exercise or a solution
                self._open.formula = True  # as a formula it may be the last step but one
                self._open.take(passage)
            elif passage.kind is not None:
                self._close()
                self._put(passage.kind, passage)
            elif passage.formula:
                self._formula(passage)
            else:
                self._text(passage, passages[place + 1 :][:_SIGN_WITHIN])
        self._close()
        self._read_solutions_in_notes()
        return self._assembly.document

    def _heading(self, passage: Passage) -> None:
        self._assembly.heading(passage.text, passage.level, passage.number)
        self._add_notes(passage.notes, None)
        self._level = passage.level
        below = kind_below(passage.text)
        # smaller headings within a list of answers say of which chapter or section they are
        if below is not None or self._list not in ATTACHED or passage.size > 0.95 * self._list_size:
            self._list, self._list_size = below, passage.size

    def _put(self, kind: ElementKind, passage: Passage) -> None:
        """Add an element of one passage, with its footnotes."""
        index = self._assembly.add(kind, passage.text, page=passage.page, unsure=passage.unsure)
        self._add_notes(passage.notes, index)

    def _add_notes(self, notes: Sequence[Footnote], of: int | None) -> int | None:
        """Add footnotes behind the element that has their marks, and return the index of the one at its end."""
        last = None
        for note in notes:
            index = self._assembly.add(
                "footnote", note.text, label=note.mark or None, page=note.page, of=of if note.own else None
            )
            if note.at_end and note.own:
                last = index
        return last

    def _read_solutions_in_notes(self) -> None:
        """Make solutions of the footnotes at the end of exercises with one printed word, if nearly all of these have one: a book
        that solves its "Guided Practice" in footnotes does it throughout."""
        elements = self._assembly.document.elements
        for asked in self._asked.values():
            solved = [(exercise, note) for exercise, note in asked if note is not None]
            if len(solved) >= _LEAST_SOLVED and len(solved) >= _SHARE_SOLVED * len(asked):
                for exercise, note in solved:
                    elements[note] = replace(elements[note], kind="solution", label=elements[exercise].label)

    def _formula(self, passage: Passage) -> None:
        if self._open is None:
            self._put("formula", passage)
        else:
            self._open.texts.append(passage.text)
            self._open.formula = True
            self._open.take(passage)

    def _text(self, passage: Passage, following: Sequence[Passage]) -> None:
        text, page = passage.text, passage.page
        label = label_of(text, passage.lead)
        title, rest = _title_of_list(passage, label, following)
        if title:
            self._close()
            self._assembly.heading(title, self._level + 1)
            self._list, self._list_size = kind_below(title), passage.size
            if rest:
                self._put("text", replace(passage, text=rest))
        elif label is not None:
            self._close()
            rest = text[label.length :].strip()
            until_sign = label.kind == "proof" and _signed(text, following)
            self._open = _Open(
                label.kind,
                label.number,
                page,
                [rest] if rest else [],
                items=until_sign,
                word=label.word.lower(),
            )
        elif (
            self._list is not None
            and not self._is_asking()
            and (numbered := item_number(text, passage.lead)) is not None
        ):
            number, length = numbered
            short = self._list in ATTACHED
            parts = _answers_in_line(number, text[length:]) if short else [(number, text[length:])]
            for of, part in parts:
                self._close()
                self._open = _Open(self._list, of, page, [part], items=True)
        elif self._open is not None and self._continues(passage):
            self._open.texts.append(text)
            self._open.formula = _FORMULA.fullmatch(text) is not None or text.startswith("| ")
            self._open.stopped = not self._open.formula or _STOPPED.search(text) is not None
        else:
            self._close()
            self._put("text", passage)
        if self._open is not None:
            self._open.take(passage)
        if self._open is not None and QED.search(text):
            self._open.texts = (
                [*self._open.texts[:-1], QED.sub("", self._open.texts[-1]).rstrip()]
                if self._open.texts
                else []
            )
            self._close()

    def _is_asking(self) -> bool:
        """Return whether the open element is an exercise with a label of its own, of which numbered items are parts."""
        return self._open is not None and self._open.kind == "exercise" and self._open.word != ""

    def _is_announced(self) -> bool:
        """Return whether the open element's last sentence goes on in what follows."""
        return (
            self._open is not None
            and bool(self._open.texts)
            and _UNFINISHED.search(self._open.texts[-1]) is not None
        )

    def _continues(self, passage: Passage) -> bool:
        assert self._open is not None
        text = passage.text
        if self._open.items or not self._open.texts or self._is_announced():
            return True
        if self._open.kind == "solution" and not self._open.stopped:
            return True
        if self._open.kind in _WORKED and self._open.formula and _CONCLUDES.match(text):
            return True
        return (self._open.formula and (text[:1].islower() or passage.goes_on)) or ITEM.match(
            text
        ) is not None

    def _close(self) -> None:
        """Add the open element to the document."""
        one, self._open = self._open, None
        if one is None:
            return
        of = None
        if one.kind in ("solution", "answer", "hint"):
            numbered = self._numbered[one.label] if one.label else []
            of = (
                numbered[0] if len(numbered) == 1 else None
            )  # of several, tasks.documents.matching knows the nearest
            if of is None and not one.items:
                of = max(
                    (self._before[kind] for kind in ("exercise", "example") if kind in self._before),
                    default=None,
                )
        elif one.kind == "proof":
            of = self._before.get("theorem")
        index = self._assembly.add(
            one.kind, "\n\n".join(one.texts), label=one.label, page=one.page, of=of, unsure=one.unsure
        )
        note = self._add_notes(one.notes, index)
        if index is not None and one.kind == "exercise" and one.word:
            self._asked[one.word].append((index, note))
        if index is not None:
            self._before[one.kind] = index
            if one.kind == "exercise" and one.label:
                self._numbered[one.label].append(index)


def _title_of_list(passage: Passage, label: Label | None, following: Sequence[Passage]) -> tuple[str, str]:
    """Return the title of a list of exercises or answers that a passage in the letters of the text is ("EXERCISES", "Review
    Questions"), and the text behind it; two empty texts if it is none. The passage after it has to begin with a number."""
    after = next((one for one in following if not one.formula), None)
    numbered = item_number(after.text, after.lead) if after is not None and not after.level else None
    if numbered is None:
        return "", ""
    text = passage.text
    if label is not None:
        return (
            (text[: label.length].strip(" .:*_"), text[label.length :].strip()) if label.plural else ("", "")
        )
    first = re.split(r"[.\-–]", numbered[0])[-1] in ("1", "1a")
    short = len(text) <= _LONGEST_TITLE and not _ENDED.search(text) and text[:1].isupper()
    return (text, "") if first and short and kind_below(text) is not None else ("", "")


def _answers_in_line(number: str, text: str) -> list[tuple[str, str]]:
    """Return (number, text) of each of the short answers that one paragraph lists: "1. 9 cm. 2. Yes. 3. 12", or every other one."""
    places: list[tuple[str, int, int]] = [(number, 0, 0)]
    for match in _NEXT_ANSWER.finditer(text):
        before, after = (re.split(r"(?<=[.\-–])", one) for one in (places[-1][0], match[1]))
        counted = before[:-1] == after[:-1] and before[-1].isdigit() and after[-1].isdigit()
        if counted and int(after[-1]) - int(before[-1]) in (1, 2):
            places.append((match[1], match.start(), match.end()))
    ends = [*(start for _, start, _ in places[1:]), len(text)]
    parts = [(one, text[begin:end].strip()) for (one, _, begin), end in zip(places, ends, strict=True)]
    whole = len(parts) > 1 and all(0 < len(part) <= _LONGEST_SHORT for _, part in parts)
    return parts if whole else [(number, text)]


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
