"""Running heads, running feet and page numbers: what stands at the edges of pages and is no part of the text.

A line is one of them if it repeats at its height on pages near by, read by OCR with some other letters or not; if it states the number
of its page; if it stands alone over a rule as wide as the page, or alone at the height of the heads of other pages.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Final

from rapidfuzz import fuzz

from tasks.documents.assembly import flat
from tasks.documents.printed_labels import label_of
from tasks.documents.printed_lines import PrintedLine

_ZONE: Final = (
    0.2  # part of the height of a page, at its top and bottom, that has running heads and page numbers
)
_REPEATED: Final = 3  # pages on which a running head stands that is not set apart from the text
_NEAR: Final = 6  # pages on which the head of a page may be repeated; left and right pages have their own
_SAME_HEIGHT: Final = 8.0  # points; a scanned page is not placed exactly
_SAME_PLACE: Final = 2.0  # points: of two heads with other words
_SIMILAR: Final = 85.0  # percent of the letters; OCR reads some of them otherwise on each page
_LEAST_LETTERS: Final = 6  # of a head that is compared by similarity
_SET_APART: Final = 1.6  # space between the baselines of a head and the text, in sizes of the font
_LARGE: Final = 1.12  # sizes of the text from which on a line is a heading
_PAGE_NUMBER: Final = re.compile(
    r"[\s\-–—|]*(?:(?:page|第)\s*)?(?:\d{1,4}|[ivxlc]{1,8})(?:\s*页)?(?:\s*(?:of|/)\s*\d{1,4})?[\s\-–—|]*",
    re.IGNORECASE,
)
_FIRST_OR_LAST: Final = re.compile(r"\A\d{1,4}(?=\s)|(?<=\s)\d{1,4}\Z|\A\d{1,4}\Z")
_NUMBERS: Final = re.compile(r"\d+")


@dataclass(slots=True)
class PrintedPage:
    """The lines of a page in reading order. height: of the page in points. rules: the heights of lines drawn over its width."""

    number: int
    height: float
    lines: list[PrintedLine]
    rules: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Edge:
    """One of the outer lines of a page. depth: 0 for the outermost. apart: space to the line inside of it, in its size. labelled:
    it begins with a label such as "Problem 2", so that another number makes it another line."""

    line: PrintedLine
    key: str
    labelled: bool
    top: bool
    depth: int
    apart: float


def cut_running_heads(pages: list[PrintedPage]) -> None:
    """Remove running heads, running feet and page numbers from the pages."""
    edges = {page.number: _edges(page) for page in pages}
    body = _body_size(pages)
    gone = {id(line) for line in [*_numbered(pages), *_titles_in_capitals(pages)]}
    gone |= {id(edge.line) for edge in _repeated(edges)}
    gone |= {id(line) for page in pages for line in _at_edges(page) if _PAGE_NUMBER.fullmatch(line.text)}
    gone |= {id(line) for page in pages for line in _over_a_rule(page, body)}
    heads = [edge for own in edges.values() for edge in own if id(edge.line) in gone]
    gone |= {id(edge.line) for edge in _at_place_of_heads(edges, heads, body) if id(edge.line) not in gone}
    for page in pages:
        page.lines = [line for line in page.lines if id(line) not in gone]


def _body_size(pages: list[PrintedPage]) -> float:
    weights: Counter[float] = Counter()
    for page in pages:
        for line in page.lines:
            weights[round(line.size, 1)] += len(line.text)
    return max(weights, key=lambda size: (weights[size], size), default=0.0)


def _edges(page: PrintedPage) -> list[_Edge]:
    """Return the three highest and the three lowest lines, if they stand in the zones of running heads."""
    ordered = sorted(page.lines, key=lambda line: -line.baseline)
    edges: list[_Edge] = []
    for top, lines in ((True, ordered), (False, ordered[::-1])):
        for depth, line in enumerate(lines[:3]):
            inside = line.baseline > (1 - _ZONE) * page.height if top else line.baseline < _ZONE * page.height
            if inside and all(line is not edge.line for edge in edges):
                below = next(
                    (
                        one
                        for one in lines[depth + 1 :]
                        if abs(one.baseline - line.baseline) > 0.5 * line.size
                    ),
                    None,
                )
                space = abs(below.baseline - line.baseline) if below else float("inf")
                label = label_of(line.text, line.lead)
                labelled = label is not None and label.number is not None
                text = flat(line.text).lower()
                key = text if labelled else _NUMBERS.sub("#", text)
                edges.append(_Edge(line, key, labelled, top, depth, space / max(line.size, 1.0)))
    return edges


def _at_edges(page: PrintedPage) -> list[PrintedLine]:
    return [edge.line for edge in _edges(page)]


def _repeated(edges: dict[int, list[_Edge]]) -> list[_Edge]:
    """Return the lines that repeat at their height: on three pages, or on two where they are set apart from the text."""
    same: dict[tuple[str, int], set[int]] = defaultdict(set)  # (text, height) -> pages
    for number, own in edges.items():
        for edge in own:
            height = round(edge.line.baseline / 4)
            for near in (-1, 0, 1):
                same[edge.key, height + near].add(number)
    result = []
    for number, own in edges.items():
        for edge in own:
            pages = set(same[edge.key, round(edge.line.baseline / 4)])
            if len(pages) < _REPEATED:
                others = [one for one in range(number - _NEAR, number + _NEAR + 1) if one != number]
                pages |= {one for one in others if any(_is_same(edge, other) for other in edges.get(one, ()))}
                pages.add(number)
            apart = edge.depth == 0 and edge.apart > _SET_APART and len(edge.key) >= _LEAST_LETTERS
            if len(pages) >= (2 if apart else _REPEATED):
                result.append(edge)
    return result


def _is_same(one: _Edge, other: _Edge) -> bool:
    """Return whether two lines of different pages are one running head, of which OCR may have read some letters otherwise."""
    if one.top != other.top or abs(one.line.baseline - other.line.baseline) > _SAME_HEIGHT:
        return False
    if one.labelled or other.labelled or min(len(one.key), len(other.key)) < _LEAST_LETTERS:
        return one.key == other.key
    return fuzz.ratio(one.key, other.key, score_cutoff=_SIMILAR) > 0


def _over_a_rule(page: PrintedPage, body: float) -> list[PrintedLine]:
    """Return the one line between the edge of a page and a rule over the width of the page, in the size of the text."""
    ordered = sorted(page.lines, key=lambda line: -line.baseline)
    result = []
    for lines, high in ((ordered, True), (ordered[::-1], False)):
        if (
            len(lines) < 2
            or lines[0].size > _LARGE * body
            or not any(lines[0] is one for one in _at_edges(page))
        ):
            continue
        outer, inner = lines[0], lines[1]
        rules = [y for y in page.rules if (y < outer.baseline if high else y > outer.baseline)]
        beyond = len(page.rules) - len(rules)  # a line between two rules is the head of a table
        between = [y for y in rules if (inner.y1 <= y if high else y <= inner.y0)]
        if between and not beyond and abs(inner.baseline - outer.baseline) > 1.2 * outer.size:
            result.append(outer)
    return result


def _at_place_of_heads(edges: dict[int, list[_Edge]], heads: list[_Edge], body: float) -> list[_Edge]:
    """Return the outermost lines that are set apart and stand where at least two other pages have their running heads."""
    places = Counter((head.top, round(head.line.baseline)) for head in heads)
    reach = round(_SAME_PLACE)
    return [
        edge
        for own in edges.values()
        for edge in own
        if edge.depth == 0
        and edge.apart > _SET_APART
        and edge.line.size < _LARGE * body
        and sum(places[edge.top, round(edge.line.baseline) + near] for near in range(-reach, reach + 1)) >= 2
    ]


def _numbered(pages: list[PrintedPage]) -> list[PrintedLine]:
    """Return the outermost lines that begin or end with the number of their page, which counts with the pages."""
    outermost = []
    for page in pages:
        edges = _at_edges(page)
        for line in edges[:1] + edges[-1:]:
            nearest = min(
                (abs(line.baseline - other.baseline) for other in page.lines if other is not line),
                default=float("inf"),
            )
            if nearest < 1.5 * line.size:
                continue  # a line of a paragraph
            numbers = {int(number) for number in _FIRST_OR_LAST.findall(line.text)}
            outermost.append((line, {number - page.number for number in numbers}))
    pages_of = Counter(shift for _, shifts in outermost for shift in shifts)
    shift, count = max(pages_of.items(), key=lambda item: (item[1], -abs(item[0])), default=(0, 0))
    if count < 2:
        return []
    numbered = [line for line, shifts in outermost if shift in shifts]
    bare = {
        line.page for line in numbered if _PAGE_NUMBER.fullmatch(line.text)
    }  # the page has its number, "2 Changes" is none
    return [line for line in numbered if line.page not in bare or _PAGE_NUMBER.fullmatch(line.text)]


def _titles_in_capitals(pages: list[PrintedPage]) -> list[PrintedLine]:
    """Return the highest lines that repeat, in capitals, a line of the document, as the running heads of LaTeX repeat a title."""
    lines = {_letters(line.text).lower() for page in pages for line in page.lines if not line.text.isupper()}
    heads = [line for page in pages for line in _at_edges(page)[:1] if line.text.isupper()]
    return [
        line
        for line in heads
        if (title := _letters(line.text).lower().removeprefix("chapter")) and title in lines
    ]


def _letters(text: str) -> str:
    return re.sub(r"[\W\d_]+", "", text)
