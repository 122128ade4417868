r"""References to formulas in Markdown and HTML: \label in a displayed formula, \eqref and \ref in a text, and links to a formula.

A formula that something refers to shows its number, as \tag. The number is that of its \tag, or else its place among the numbered rows of
the document, as MathJax counts them with `tags: "ams"`: equations of environments without a star, and others that have a label. What a
page shows where it is configured in another way, or where the label stands on another page, is not known; the latter reads as [??].
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from tasks.documents.assembly import UNKNOWN
from tasks.documents.document import Document, Element
from tasks.documents.references import Referent, resolve

LINK: Final = (
    "\0"  # before the anchor, between it and the text, and behind the text of a link, until it is resolved
)
NUMBERED: Final = frozenset({"equation", "align", "gather", "multline", "eqnarray", "alignat", "flalign"})
_DISPLAYED: Final = re.compile(r"\\\[(.*?)\\\]", re.DOTALL)
_LABEL: Final = re.compile(r"\s*\\label\s*\{([^{}]{1,100})\}\s*")
_TAG: Final = re.compile(r"\\tag\*?\s*\{([^{}]{1,40})\}")
_ENVIRONMENT: Final = re.compile(r"\s*\\begin\{(\w+)\}(.*)\\end\{\1\}\s*", re.DOTALL)
_ROW: Final = re.compile(r"\\begin\s*\{|\\end\s*\{|\\\\(?:\[[^\]]*\])?")
_UNNUMBERED: Final = re.compile(r"\\(?:nonumber|notag)(?![A-Za-z])")
_REFERENCE: Final = re.compile(
    r"\\\(\s*\\(?P<in_formula>eqref|ref)\s*\{(?P<formula_key>[^{}]{1,100})\}\s*\\\)"
    r"|\\(?P<macro>eqref|ref|autoref|cref|Cref)\s*\{(?P<key>[^{}]{1,100})\}"
    r"|\{(?:eq|math:numref)\}`(?P<role_key>[^`\n]{1,100})`|\[?(?<![\w@])@(?P<cross_key>eq[:-][\w:-]{1,100})\]?"
    r"|\0(?P<anchor>[^\0\n]{1,200})\0(?P<shown>[^\0]*)\0"
)
_ALONE: Final = re.compile(
    rf"\\\[.*?\\\]|\\\(.*?\\\)|(?P<alone>\\begin\{{(?P<name>(?:{'|'.join(sorted(NUMBERED))})\*?)\}}.*?\\end\{{(?P=name)\}})",
    re.DOTALL,
)
_SHOWN: Final = re.compile(
    r"\W*(?:eq(?:uation|n|\.)?\s*)?\(?(\d{1,4}(?:\.\d{1,4})*[a-z]?)\)?\W*", re.IGNORECASE
)
_WORD_BEFORE: Final = re.compile(r"\beq(?:uation|n)?s?\.?\s*\Z", re.IGNORECASE)
_ATTRIBUTE: Final = re.compile(
    r"\\\]\s*(?:\{#(?P<id>[\w:.-]{1,100})[^{}\n]*\}|\((?P<name>[A-Za-z][\w:.-]{0,100})\)[ \t]*(?=\n|\Z))"
)


@dataclass(slots=True)
class _Row:
    """A row of a displayed formula that has a number of its own."""

    text: str
    labels: tuple[str, ...]
    number: str | None
    tagged: bool


@dataclass(slots=True)
class _Displayed:
    """A displayed formula: its element, where it stands in the text of it, and its rows. environment: "" without one."""

    element: Element
    start: int
    end: int
    environment: str
    rows: list[_Row]
    shown: set[int] = field(default_factory=set)  # rows whose numbers are referred to

    def text(self) -> str:
        """Return the formula without labels, with the numbers that are referred to."""
        rows = [
            f"{row.text} \\tag{{{row.number}}}" if place in self.shown and not row.tagged else row.text
            for place, row in enumerate(self.rows)
        ]
        inner = r" \\ ".join(rows) if len(rows) > 1 else rows[0]
        return (
            rf"\[\begin{{{self.environment}}} {inner} \end{{{self.environment}}}\]"
            if self.environment
            else rf"\[{inner}\]"
        )


def labelled_formulas(text: str) -> str:
    """Return Markdown with the names that Quarto, pandoc-crossref and MyST write behind a displayed formula as labels in it."""
    return _ATTRIBUTE.sub(lambda match: rf"\label{{{match['id'] or match['name']}}}\]", text)


def with_environments(text: str) -> str:
    """Return a text of a page with the environments that MathJax displays, which need no signs around them, between \\[ and \\]."""
    return _ALONE.sub(lambda match: rf"\[{match['alone']}\]" if match["alone"] else match[0], text)


def resolve_labels(document: Document, anchors: Mapping[str, tuple[int, int]] | None = None) -> None:
    """Replace labels and references to formulas of a document. `anchors` are the spans in bytes of the elements of a page that links may
    name."""
    texts = [element.text for element in document.elements if element.kind != "code"]
    if not any(_REFERENCE.search(text) or _LABEL.search(text) for text in texts):
        return
    formulas = list(_formulas(document))
    by_label = {
        label: (formula, place)
        for formula in formulas
        for place, row in enumerate(formula.rows)
        for label in row.labels
    }
    named = {key: _at(formulas, *span) for key, span in (anchors or {}).items()}
    for text in texts:
        for match in _REFERENCE.finditer(text):
            if match["anchor"] is not None:
                _number_by_link(named.get(match["anchor"]), match["shown"])
            elif (one := by_label.get(_key(match))) is not None:
                one[0].shown.add(one[1])
    _write(formulas)

    def read(match: re.Match[str]) -> tuple[str, list[Referent]]:
        if match["anchor"] is not None:
            formula = named.get(match["anchor"])
            return match["shown"], [_referent(formula)] if formula is not None and _SHOWN.fullmatch(
                match["shown"]
            ) else []
        one = by_label.get(_key(match))
        bare = (match["macro"] or match["in_formula"]) == "ref"
        number = one[0].rows[one[1]].number if one is not None else None
        shown = UNKNOWN if number is None else number if bare else f"({number})"
        worded = match["macro"] in ("autoref", "cref", "Cref") or match["cross_key"]
        if worded and not _WORD_BEFORE.search(match.string[: match.start()][-20:]):
            shown = f"Equation {shown}"
        return shown, [_referent(one[0])] if one is not None else []

    resolve(document, _REFERENCE, read)


def _key(match: re.Match[str]) -> str:
    return next(
        match[name]
        for name in ("formula_key", "key", "role_key", "cross_key", "anchor")
        if match[name] is not None
    )


def _referent(formula: _Displayed) -> Referent:
    return Referent(formula.element.part, formula.element.start or 0, formula.text())


def _formulas(document: Document) -> Iterator[_Displayed]:
    numbers = itertools.count(1)
    for element in document.elements:
        if element.kind == "code":
            continue
        for match in _DISPLAYED.finditer(element.text):
            whole = _ENVIRONMENT.fullmatch(match[1])
            counted = whole is not None and whole[1] in NUMBERED
            several = counted and whole is not None and whole[1] not in ("equation", "multline")
            inner = whole[2] if whole is not None and counted else match[1]
            rows = [_row(one, counted, numbers) for one in (_rows(inner) if several else [inner])]
            yield _Displayed(element, match.start(), match.end(), whole[1] if whole and counted else "", rows)


def _row(text: str, counted: bool, numbers: Iterator[int]) -> _Row:
    labels = tuple(_LABEL.findall(text))
    tag = _TAG.search(text)
    if tag is not None:
        number: str | None = tag[1].strip("()")
    elif labels or (counted and not _UNNUMBERED.search(text)):
        number = str(next(numbers))
    else:
        number = None
    return _Row(_LABEL.sub(" ", text).strip(), labels, number, tag is not None)


def _rows(text: str) -> list[str]:
    """Return the rows of an environment; those of environments in it stay together."""
    rows, depth, begin = [], 0, 0
    for match in _ROW.finditer(text):
        if match[0].startswith(r"\begin"):
            depth += 1
        elif match[0].startswith(r"\end"):
            depth -= 1
        elif not depth:
            rows.append(text[begin : match.start()])
            begin = match.end()
    return [*rows, text[begin:]]


def _at(formulas: list[_Displayed], start: int, end: int) -> _Displayed | None:
    """Return the one formula in a span, or in the element that has the span."""
    inside = [one for one in formulas if one.element.start is not None and start <= one.element.start < end]
    around = [one for one in formulas if (one.element.start or 0) <= start and end <= (one.element.end or 0)]
    return inside[0] if len(inside) == 1 else around[0] if len(around) == 1 else None


def _number_by_link(formula: _Displayed | None, shown: str) -> None:
    """Number a formula as a link to it says."""
    number = _SHOWN.fullmatch(shown)
    if formula is not None and number is not None and len(formula.rows) == 1:
        row = formula.rows[0]
        row.number = row.number if row.tagged else number[1]
        formula.shown.add(0)


def _write(formulas: list[_Displayed]) -> None:
    """Put the formulas into the texts of their elements."""
    for _, own in itertools.groupby(formulas, key=lambda one: id(one.element)):
        element, pieces, end = None, [], 0
        for formula in own:
            element = formula.element
            pieces += [element.text[end : formula.start], formula.text()]
            end = formula.end
        if element is not None:
            element.text = "".join([*pieces, element.text[end:]])
