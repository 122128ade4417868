"""References of a document to its own parts, as they are printed: "(3)" for a formula.

A question has to say what it refers to. The formula, table, theorem or definition that an exercise refers to is put before its text
where it stands in the same section, and what is elsewhere, or is a figure or another exercise, is named in `Element.refers`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tasks.documents.document import Document, Element
from tasks.documents.matching import section_of

SECTION: Final = 2  # the level of the headings under which a reference is near
LONGEST: Final = 3_000  # characters that are put before a question
BETWEEN: Final = "\n\n"
_WORD_BEFORE = re.compile(r"[^\W\d_][\w.’'-]*[ \n]+\Z")
_ASKING: Final = frozenset({"exercise", "example"})
_STATED: Final = frozenset({"table", "theorem", "definition"})
_PRINTED: Final = frozenset({"solution", "answer", "hint"})


@dataclass(frozen=True, slots=True)
class Referent:
    """What a reference is to, and where it stands: in a file, at a byte.

    formula: a displayed formula, without which a solution cannot be followed either. name: of something else that is not
    an element of its own, such as "Table 2".
    """

    part: str | None
    start: int
    formula: str = ""
    name: str = ""


Read = Callable[[re.Match[str]], tuple[str, list[Referent]]]


def resolve(document: Document, mark: re.Pattern[str], read: Read) -> None:
    """Replace the marks of references in a document, and set `refers` of its elements. `read` returns (what a reference is
    printed as, what it is to); parts of the document that nobody has to look at to understand a question, such as a section, are
    no targets."""
    referring: dict[int, list[tuple[str, Referent]]] = {}
    for place, element in enumerate(document.elements):
        if element.kind == "code" or not mark.search(element.text):
            continue
        pieces: list[str] = []
        end = 0
        for match in mark.finditer(element.text):
            shown, targets = read(match)
            pieces.append(element.text[end : match.start()])
            before = None if shown[:1].isalpha() else _WORD_BEFORE.search("".join(pieces[-2:])[-40:])
            named = " ".join(f"{before[0] if before else ''}{shown}".split())
            referring.setdefault(place, []).extend((named, target) for target in targets)
            pieces.append(shown)
            end = match.end()
        element.text = "".join([*pieces, element.text[end:]])
    for place, references in referring.items():
        _complete(document, document.elements[place], references)


def _complete(document: Document, element: Element, references: list[tuple[str, Referent]]) -> None:
    owner = document.elements[element.of] if element.of is not None else None
    own = [element] if owner is None else [element, owner]
    joined: list[str] = []
    for named, target in references:
        if element.kind not in _ASKING and not (element.kind in _PRINTED and target.formula):
            continue
        if any(_holds(one, target) or (target.formula and target.formula in one.text) for one in own):
            continue
        text = _near(document, element, target)
        if text:
            joined += [text] if text not in joined else []
        elif named not in element.refers:
            element.refers = (*element.refers, named)
    element.text = BETWEEN.join([*joined, element.text])


def _near(document: Document, element: Element, target: Referent) -> str | None:
    """Return the text of a target that stands in the section of an element; None for another, or one without a text."""
    holder = next((one for one in document.elements if _holds(one, target)), None)
    if holder is None:
        return None
    if section_of(document, holder.heading, SECTION) != section_of(document, element.heading, SECTION):
        return None
    if target.formula:
        return target.formula
    if holder.kind not in _STATED or len(holder.text) > LONGEST:
        return None
    return f"**{target.name or holder.label}.**{BETWEEN if holder.kind == 'table' else ' '}{holder.text}"


def _holds(element: Element, target: Referent) -> bool:
    return (
        element.part == target.part
        and element.start is not None
        and element.end is not None
        and element.start <= target.start < element.end
    )
