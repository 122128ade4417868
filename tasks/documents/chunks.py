"""Chunks: passages of a document under their headings, up to a number of tokens, that never divide an exercise.

A hint, an answer, a solution or a proof is moved behind the exercise, example or theorem that it belongs to, wherever it is
printed, and keeps its own span. A chunk ends with its chapter or section, or before it would be over the maximum. Only a
paragraph is divided if it is over the maximum itself; an exercise with what is printed to it is one chunk whatever its length.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from storage.rows import DocumentBlock
from tasks.documents.document import Document, Element, Heading
from tasks.documents.matching import heading_path, section_of

MAX_TOKENS: Final = 2_048
SECTION: Final = 2  # a heading of this level or above ends a chunk
BETWEEN: Final = "\n\n"  # between the elements of a chunk
Count = Callable[[str], int]  # a text -> its tokens

_NAMES: Final = {
    "definition": "Definition", "theorem": "Theorem", "proof": "Proof", "example": "Example", "exercise": "Exercise", "hint": "Hint",
    "answer": "Answer", "solution": "Solution", "footnote": "Footnote",
}  # fmt: skip
_WIDE = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage: its headings from the chapter down, its elements in order, and its text as Markdown."""

    headings: tuple[str, ...]
    elements: tuple[Element, ...]
    text: str

    @property
    def blocks(self) -> list[DocumentBlock]:
        """The elements as they are stored in a row."""
        return [
            DocumentBlock(
                kind=one.kind, text=one.text, label=one.label, part=one.part, page=one.page, start=one.start, end=one.end
            )
            for one in self.elements
        ]  # fmt: skip


def approximate_tokens(text: str) -> int:
    """Return about how many tokens a text has: one per Chinese character, one per three and a half other characters."""
    wide = len(_WIDE.findall(text))
    return wide + round((len(text) - wide) / 3.5)


def chunks(
    document: Document,
    max_tokens: int = MAX_TOKENS,
    count: Count = approximate_tokens,
    *,
    section: int = SECTION,
) -> list[Chunk]:
    """Return the document as chunks, in its order. Headings of the level `section` or above end a chunk; 0: none does."""
    result: list[Chunk] = []
    units: list[list[Element]] = []
    shown: list[Heading] = []
    size = 0

    def end() -> None:
        nonlocal size
        if units:
            result.append(_chunk(document, [element for unit in units for element in unit]))
        units.clear()
        shown.clear()
        size = 0

    def above(path: list[Heading]) -> int:
        """Return the tokens of the headings that are not shown yet."""
        return sum(
            count(_line(heading) + BETWEEN) for heading in path if all(heading is not one for one in shown)
        )

    current: tuple[int, ...] | None = None
    for unit in _units(document):
        own = section_of(document, unit[0].heading, section)
        path = heading_path(document, unit[0].heading)
        room = max(max_tokens // 2, max_tokens - sum(count(_line(heading) + BETWEEN) for heading in path))
        for part in _divided(unit, room, count):
            tokens = sum(count(markdown(element) + BETWEEN) for element in part)
            if own != current or size + above(path) + tokens > max_tokens:
                end()
                current = own
            units.append(part)
            size += above(path) + tokens
            shown[:] = path
    end()
    return result


def markdown(element: Element) -> str:
    """Return an element as Markdown, with its name before its text."""
    if element.kind not in _NAMES:
        return (
            f"*{element.label}.* {element.text}"
            if element.kind == "caption" and element.label
            else element.text
        )
    name = _NAMES[element.kind]
    if element.kind in ("definition", "theorem", "example", "exercise"):
        name = element.label or name
    separator = "\n\n" if element.text.startswith(("(a)", "1.", "- ", "|", "\\[", "```")) else " "
    return f"**{name}.**{separator}{element.text}"


def _units(document: Document) -> list[list[Element]]:
    """Return the elements in groups that no chunk divides: each with what belongs to it."""
    attached: dict[int, list[Element]] = defaultdict(list)
    for element in document.elements:
        if element.of is not None:
            attached[element.of].append(element)
    units = []
    for place, element in enumerate(document.elements):
        if element.of is None:
            units.append([element, *attached.get(place, ())])
    return units


def _divided(unit: list[Element], most: int, count: Count) -> list[list[Element]]:
    """Return a unit, divided if it is a paragraph over the maximum. Each piece has the span of the whole."""
    attached = any(one.kind != "footnote" for one in unit[1:])
    if attached or unit[0].kind not in ("text", "code") or count(unit[0].text + BETWEEN) <= most:
        return [unit]
    pieces = [""]
    for paragraph in _pieces(unit[0].text, most, count):
        longer = f"{pieces[-1]}{paragraph}"
        if pieces[-1] and count(longer + BETWEEN) > most:
            pieces.append(paragraph.lstrip())
        else:
            pieces[-1] = longer
    parts = [[replace(unit[0], text=piece.strip())] for piece in pieces if piece.strip()]
    return [*parts[:-1], [*parts[-1], *unit[1:]]]


def _pieces(text: str, most: int, count: Count) -> list[str]:
    """Return a text in pieces of at most `most` tokens: lines, or sentences of lines, or as many characters as fit."""
    result: list[str] = []
    for line in text.splitlines(keepends=True):
        if count(line) <= most:
            result.append(line)
            continue
        for sentence in _SENTENCE.split(line):
            width = max(1, most)  # a token has at least one character
            if count(sentence) <= most:
                result.append(sentence + " ")
            else:
                result += [sentence[place : place + width] for place in range(0, len(sentence), width)]
    return result


def _chunk(document: Document, elements: list[Element]) -> Chunk:
    parts: list[str] = []
    shown: list[Heading] = []
    for element in elements:
        path = heading_path(document, element.heading) if element.of is None else shown
        new = [heading for heading in path if all(heading is not one for one in shown)]
        parts += map(_line, new)
        shown = path
        parts.append(markdown(element))
    first = heading_path(document, elements[0].heading)
    return Chunk(tuple(map(_titled, first)), tuple(elements), BETWEEN.join(parts))


def _line(heading: Heading) -> str:
    return f"{'#' * min(6, heading.level)} {_titled(heading)}"


def _titled(heading: Heading) -> str:
    return f"{heading.number} {heading.title}" if heading.number else heading.title
