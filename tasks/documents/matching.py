"""Matches printed hints, answers and solutions to their exercises by number: from the back of a book, or from a file of their own.

What stands in or directly below its exercise belongs to it already, as its reader says. Numbers begin anew in each chapter or
section of most books, so that of several exercises with a number the one is taken under the same heading, and else the next in
the order of the book.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from tasks.documents.document import Document, Element, Heading
from tasks.documents.sections import kind_below, number_of

PRINTED = ("hint", "answer", "solution")
_ODD = re.compile(r"\bodd\b|_odd|odd_", re.IGNORECASE)
_MARK = re.compile(r"(?:(?<=\s)|\A)\(([a-z])\)(?=\s)")
_MENTIONED = re.compile(r"(?:parts?|and|or|in|of|from|to|see|by)\s$", re.IGNORECASE)
_SECOND = re.compile(r"^\s*\(b\)\s", re.MULTILINE)


def joined(document: Document, others: Iterable[tuple[str, Document]]) -> Document:
    """Return a document with others added to its end, each with the path of its file, which becomes the `part` of its elements."""
    result = replace(
        document,
        headings=list(document.headings),
        elements=list(document.elements),
        missing=list(document.missing),
    )
    for path, other in others:
        first_heading, first = len(result.headings), len(result.elements)
        result.headings += other.headings
        result.elements += [
            replace(
                element,
                part=element.part or path,
                heading=None if element.heading is None else element.heading + first_heading,
                of=None if element.of is None else element.of + first,
            )
            for element in other.elements
        ]
        result.missing += [one for one in other.missing if one not in result.missing]
    return result


def match_printed(document: Document) -> None:
    """Set `of` of the hints, answers and solutions that belong to an exercise by their number."""
    elements = document.elements
    _number_unnumbered(document)
    taken = {(element.kind, element.of) for element in elements if element.of is not None}
    exercises: dict[str, list[int]] = defaultdict(list)
    for place, element in enumerate(elements):
        number = number_of(element.label)
        if element.kind == "exercise" and number is not None:
            exercises[number].append(place)
    after: dict[str, int] = defaultdict(int)  # kind -> the exercise that the one before belongs to
    for element in elements:
        number = number_of(element.label)
        if element.kind not in PRINTED or element.of is not None or number is None:
            continue
        every = exercises.get(number) or exercises.get(
            number.rstrip("abcdefghijklmnopqrstuvwxyz").rstrip("."), []
        )
        free = [place for place in every if (element.kind, place) not in taken]
        if not free:
            continue
        place = _nearest(document, element, free, after[element.kind])
        element.of = place
        after[element.kind] = place
        if "(" not in (element.label or ""):  # a part of an exercise leaves room for the next
            taken.add((element.kind, place))
    for element in elements:
        if element.kind in PRINTED and element.of is not None and _SECOND.search(elements[element.of].text):
            element.text = parts_on_lines(element.text)


def parts_on_lines(text: str) -> str:
    """Return a text that begins with (a) and goes on with (b), (c) and so on, with each of them at the beginning of a line."""
    starts: list[int] = []
    for match in _MARK.finditer(text):
        if ord(match[1]) - ord("a") == len(starts) and not _MENTIONED.search(text[: match.start()][-12:]):
            starts.append(match.start())
    if len(starts) < 2 or starts[0] != 0:
        return text
    parts = [text[start:end].strip() for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
    return "\n".join(re.sub(r"\A(\([a-z]\))\s+", r"\1 ", part) for part in parts)


def _nearest(document: Document, element: Element, places: Sequence[int], after: int) -> int:
    """Return which of the exercises of a number an answer belongs to."""
    own = _titles(document, element)
    shared = [len(own & _titles(document, document.elements[place])) for place in places]
    best = [place for place, count in zip(places, shared, strict=True) if count == max(shared)]
    # books number the exercises within the text apart from those at the end of a section, and print answers to the latter
    below = [place for place in best if _below_exercises(document, document.elements[place])]
    best = below or best
    return next((place for place in best if place > after), best[0])


def _below_exercises(document: Document, element: Element) -> bool:
    return element.heading is not None and kind_below(document.headings[element.heading].title) == "exercise"


def _titles(document: Document, element: Element) -> set[str]:
    """Return the titles and numbers of the headings that an element is under, without those that only say "Exercises"."""
    titles: set[str] = set()
    for heading in heading_path(document, element.heading):
        plain = re.sub(r"^[\d.]+\s*", "", heading.title).casefold().strip()
        plain = re.sub(r"^(?:chapter|section|answers to|solutions to|hints to)\b[\s\d.:]*", "", plain).strip()
        if plain and kind_below(plain) is None:
            titles.add(plain)
        number = heading.number or number_of(heading.title)
        if number is not None:
            titles.add(f"#{number}")
    return titles


def heading_path(document: Document, index: int | None) -> list[Heading]:
    """Return the headings from the chapter down to a heading."""
    path: list[Heading] = []
    level: int | None = None
    while index is not None and index >= 0:
        heading = document.headings[index]
        if level is None or heading.level < level:
            path.append(heading)
            level = heading.level
        if level <= 1:
            break
        index -= 1
    return path[::-1]


def section_of(document: Document, heading: int | None, deepest: int) -> tuple[int, ...]:
    """Return the places of the headings, down to the level `deepest`, that a heading is in."""
    places: list[int] = []
    level: int | None = None
    while heading is not None and heading >= 0:
        one = document.headings[heading]
        if level is None or one.level < level:
            level = one.level
            if level <= deepest:
                places.append(heading)
        if level <= 1:
            break
        heading -= 1
    return tuple(places)


def _number_unnumbered(document: Document) -> None:
    """Number the solutions of a list of solutions that states no numbers: they are of all exercises, or of every other one."""
    alone = [
        element
        for element in document.elements
        if element.kind in PRINTED and element.of is None and number_of(element.label) is None
    ]
    solved = {element.of for element in document.elements if element.of is not None}
    numbers = [
        number_of(element.label)
        for place, element in enumerate(document.elements)
        if element.kind == "exercise" and place not in solved
    ]
    if not alone or None in numbers:
        return
    parts = {element.part or "" for element in alone}
    odd = any(_ODD.search(part) for part in parts) or any(_ODD.search(h.title) for h in document.headings)
    if not odd and len(alone) == len(numbers):
        chosen = numbers
    elif len(alone) == len(numbers[::2]):
        chosen = numbers[::2]
    else:
        return
    for element, number in zip(alone, chosen, strict=True):
        element.label = f"Exercise {number}"
