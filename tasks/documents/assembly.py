"""Puts a document together: headings, elements in reading order, and what a hint, an answer, a solution or a proof belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from tasks.documents.document import Document, Element, ElementKind, Heading

ATTACHED: Final[frozenset[str]] = frozenset({"hint", "answer", "solution", "proof"})
NAMES: Final[dict[str, str]] = {
    "theorem": "Theorem",
    "definition": "Definition",
    "example": "Example",
    "exercise": "Exercise",
}
# what stands for a reference whose target is in no file that was given, as LaTeX prints it; and for a picture without a description
UNKNOWN: Final = "[??]"
PICTURE: Final = "[Figure]"
_BLANK_LINES = re.compile(r"\n{3,}")
_SPACES = re.compile(r"[ \t]+")
_INLINE = re.compile(r"\\\((.*?)\\\)", re.DOTALL)


class Assembly:
    """A document that a reader builds. Texts are tidied, and elements without text are left out."""

    def __init__(self, title: str, format: str) -> None:
        self.document = Document(title, format)
        self._heading: int | None = None
        self.part: str | None = None  # of elements that name none

    def heading(self, title: str, level: int, number: str | None = None) -> None:
        """Begin a chapter, a section and so on."""
        self.document.headings.append(Heading(flat(title), level, number))
        self._heading = len(self.document.headings) - 1

    def add(
        self,
        kind: ElementKind,
        text: str,
        *,
        label: str | None = None,
        part: str | None = None,
        page: int | None = None,
        start: int | None = None,
        end: int | None = None,
        of: int | None = None,
        unsure: Iterable[str] = (),
    ) -> int | None:
        """Add an element, and return its index; None if it has no text."""
        text = text.replace("\r\n", "\n").strip() if kind == "code" else tidy(text)
        if not text:
            return None
        element = Element(
            kind, text, self._heading, label, part or self.part, page, start, end, of, unsure=tuple(unsure)
        )
        self.document.elements.append(element)
        return len(self.document.elements) - 1

    def missing(self, what: str) -> None:
        """Record something that the document refers to and that was not read, once."""
        if what not in self.document.missing:
            self.document.missing.append(what)


def flat(text: str) -> str:
    """Return a text in one line with single spaces."""
    return " ".join(text.split())


def tidy(text: str) -> str:
    """Return a text without blanks at the ends of lines, with single blank lines and, inside lines, single spaces.

    Blanks at the beginning of a line are kept: they nest lists.
    """
    lines: list[str] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        bare = line.lstrip(" \t")
        indent = line[: len(line) - len(bare)].replace("\t", "    ")
        lines.append((indent + _SPACES.sub(" ", bare)).rstrip())
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()


def indented(text: str, width: int) -> str:
    """Return a text whose lines after the first are indented, as the content of an item of a list is."""
    return text.replace("\n", "\n" + " " * width)


def letter(number: int) -> str:
    """Return the letter that counts a part: 1 is a, 26 is z, 27 is aa."""
    letters = ""
    while number > 0:
        number, rest = divmod(number - 1, 26)
        letters = chr(97 + rest) + letters
    return letters


def roman(number: int) -> str:
    """Return a number from 1 on in small Roman numerals."""
    numerals = ((10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))
    text = ""
    for value, sign in numerals:
        while number >= value:
            text += sign
            number -= value
    return text


def table(rows: list[list[str]]) -> str:
    """Return rows of cells as a Markdown table; the first row is its head."""
    width = max((len(row) for row in rows), default=0)
    if not width:
        return ""
    cells = [[_cell(cell) for cell in row] + [""] * (width - len(row)) for row in rows]
    lines = ["| " + " | ".join(row) + " |" for row in cells]
    return "\n".join([lines[0], "|" + " --- |" * width, *lines[1:]])


def _cell(text: str) -> str:
    """Return the text of a cell. A bar would end it, and has another name in a formula than in words."""
    bars = _INLINE.sub(
        lambda formula: formula[0].replace("\\|", "\\Vert ").replace("|", "\\vert "), flat(text)
    )
    return bars.replace("|", "\\|")
