"""The one structure that every format of a document is read into: headings, and elements in reading order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, get_args

ElementKind = Literal[
    "text",  # a paragraph, a list or a quotation
    "formula",  # a displayed formula, as LaTeX between \[ and \]
    "definition",
    "theorem",  # also a lemma, a proposition, a corollary, an axiom
    "proof",
    "example",  # a worked example, with its solution unless that is an element of its own
    "exercise",
    "hint",  # of the exercise that comes before it, or that it names by its label
    "answer",  # the printed final answer of an exercise
    "solution",  # the printed solution of an exercise or an example
    "table",  # as a Markdown table
    "caption",  # of a figure or a table
    "footnote",  # of the element that has its mark; `label` is the mark
    "code",
]
KINDS: Final[tuple[str, ...]] = get_args(ElementKind)


@dataclass(slots=True)
class Heading:
    """A heading. `level` is 1 for a chapter, 2 for a section, and so on; `number` is the printed number ("3.2"), if any."""

    title: str
    level: int
    number: str | None = None


@dataclass(slots=True)
class Element:
    """A piece of a document that is not divided further. For `label`, `part`, `page`, `start` and `end` see
    storage.rows.DocumentBlock.

    `heading` is an index into Document.headings, None before the first heading. `of` is the index of the element that a hint,
    an answer, a solution, a proof or a footnote belongs to, None where it is not known. `refers` names what the text refers to and lacks, in
    its own words ("equation (3.2)"): without it nobody can answer an exercise. `unsure` are the words that OCR is not sure of: mostly formulas.
    `open_ended`: the format does not mark where a solution ends, so that a remark behind it may be in it.
    """

    kind: ElementKind
    text: str
    heading: int | None = None
    label: str | None = None
    part: str | None = None
    page: int | None = None
    start: int | None = None
    end: int | None = None
    of: int | None = None
    refers: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()
    open_ended: bool = False


@dataclass(slots=True)
class Document:
    """A document as it was read. `format` is a module of tasks/documents/formats; `license` is what the document itself
    states, None if it states none; `language` is the one that it states, None if it states none. `missing` names what it
    refers to and that was not read: files that are not there, exercises of a problem bank."""

    title: str
    format: str
    headings: list[Heading] = field(default_factory=list)
    elements: list[Element] = field(default_factory=list)
    language: str | None = None
    license: str | None = None
    missing: list[str] = field(default_factory=list)
