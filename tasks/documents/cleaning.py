"""Cleaning that no page is needed for: mojibake, ligatures, and parts that are no text to learn from.

Tables of contents, indexes and bibliographies are cut by their headings, and by their lines, which end in page numbers.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

import ftfy

from tasks.documents.document import Document, Element
from tasks.documents.sections import is_cut
from tasks.text.cleaning import cleaned as without_invisible

_CONFIG: Final = ftfy.TextFixerConfig(
    unescape_html=False,
    uncurl_quotes=False,
    fix_latin_ligatures=True,
    fix_character_width=False,
    explain=False,
)
_LISTED = re.compile(
    r"(?:\.\s?){4,}\s*\d{1,4}\s*$|…\s*\d{1,4}\s*$|[\w)]\s*,\s*\d{1,4}(?:\s*[,–-]\s*\d{1,4})*\s*$"
)
_SHARE: Final = 0.7  # of the lines of a table of contents or an index
_LEAST: Final = 4  # lines
_END: Final = 100  # characters at the end of a line that are looked at


def cleaned(document: Document) -> Document:
    """Return a document with its texts repaired and without contents, index and bibliography. Spans stay as they are."""
    cut = _cut_headings(document)
    places: dict[int, int] = {}
    elements: list[Element] = []
    for place, element in enumerate(document.elements):
        if element.heading in cut or (element.kind == "text" and _is_listing(element.text)):
            continue
        text = repaired(element.text)
        if text:
            places[place] = len(elements)
            label = repaired(element.label) if element.label else None
            refers = tuple(map(repaired, element.refers))
            elements.append(replace(element, text=text, label=label, refers=refers))
    for element in elements:
        element.of = None if element.of is None else places.get(element.of)
    headings = [replace(heading, title=repaired(heading.title)) for heading in document.headings]
    return replace(document, title=repaired(document.title), headings=headings, elements=elements)


def repaired(text: str) -> str:
    """Return a text with mojibake and ligatures repaired, and without invisible characters."""
    if text.isascii():
        return without_invisible(text)[0]
    return without_invisible(ftfy.fix_text(text, _CONFIG))[0]


def _cut_headings(document: Document) -> set[int | None]:
    """Return the places of the headings that are cut, with those below them."""
    cut: set[int | None] = set()
    level: int | None = None
    for place, heading in enumerate(document.headings):
        if level is not None and heading.level <= level:
            level = None
        if level is None and is_cut(heading.title):
            level = heading.level
        if level is not None:
            cut.add(place)
    return cut


def _is_listing(text: str) -> bool:
    """Return whether a text is a table of contents or an index: most of its lines end in page numbers."""
    lines = [line for line in text.splitlines() if line.strip()]
    return len(lines) >= _LEAST and sum(bool(_LISTED.search(line[-_END:])) for line in lines) >= _SHARE * len(
        lines
    )
