"""Printed lines become a document: running heads and page numbers are cut, lines are joined to paragraphs, headings and labels recognised.

A heading is recognised by the size of its letters, by bold letters with a number, or by the bookmarks of the file. What a printed label
begins ("Theorem 2.1", "Solution.", "例 3") ends with its paragraph, the formulas after it and the paragraph that goes on after
them; a proof ends with its sign where it has one; an item of a list of exercises or solutions ends with the next. Print shows no
more than that: a second paragraph of an example is a paragraph of its own. Footnotes stand where they are printed.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Final

from tasks.documents.assembly import flat, table
from tasks.documents.document import Document
from tasks.documents.labelled_passages import ITEM, Passage, labelled_document
from tasks.documents.printed_labels import item_number, label_of
from tasks.documents.printed_lines import PrintedLine
from tasks.documents.printed_tables import is_in_columns

_ZONE: Final = (
    0.2  # part of the height of a page, at its top and bottom, that has running heads and page numbers
)
_REPEATED: Final = 3  # pages on which a running head stands
_PAGE_NUMBER: Final = re.compile(
    r"[\s\-–—|]*(?:(?:page|第)\s*)?(?:\d{1,4}|[ivxlc]{1,8})(?:\s*页)?(?:\s*(?:of|/)\s*\d{1,4})?[\s\-–—|]*",
    re.IGNORECASE,
)
_FIRST_OR_LAST: Final = re.compile(r"\A\d{1,4}(?=\s)|(?<=\s)\d{1,4}\Z|\A\d{1,4}\Z")
_NUMBERS: Final = re.compile(r"\d+")
_HEADING_NUMBER: Final = re.compile(
    r"(?:(?P<word>chapter|part|appendix|section|第)\s*)?(?P<number>[A-Z]\.\d+(?:\.\d+)*|\d+(?:\.\d+)*|(?<=第)[一二三四五六七八九十百]+|[A-Z](?=\s))"
    r"(?:\s*[章节])?[.:：]?(?:\s+|\Z)",
    re.IGNORECASE,
)
_CONTENTS: Final = re.compile(r"(?:\.\s?){4,}\s*(?:\d+|[ivxlc]+)\s*\Z")
_SENTENCE_END: Final = re.compile(r"[.!?:;。！？：；)）\]]\s*\Z")
_HYPHEN: Final = re.compile(r"([^\W\d_]{2,})-\Z")
_WORD: Final = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_BREAK: Final = (
    "\ue000"  # stands for a hyphen at the end of a line, until all words of the document are known
)
_BROKEN: Final = re.compile(rf"([^\W\d_]+){_BREAK}([^\W\d_]+)")
_OPEN_END: Final = re.compile(
    r"(?:[=+\-<>]|\\(?:le|ge|cdot|times|in|cup|cap|to|pm))\s*\\\)\Z"
)  # a formula that goes on
_SIDE: Final = re.compile(r"\d+(?:[.,]\d+)*!?(?=[\s,.;:)]|\Z)")
_WORDS: Final = re.compile(r"[^\W\d_]{3}|[\u2e80-\u9fff]{2}")  # without which a line is no heading
_CJK: Final = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]")
_ALIGNED: Final = re.compile(r"\\\[\\begin\{aligned\} (.*) \\end\{aligned\}\\\]", re.DOTALL)
_CONTINUES: Final = re.compile(r"(?:[+\-]|\\(?:times|cdot|pm|mp)\b)")  # the second row of a sum or a product
_AT_THE_EDGE: Final = re.compile(
    r"\s*\((\d{1,3}(?:\.\d{1,3})*)\)\s*\Z"
)  # the number of an equation behind its last row
_BETWEEN: Final = re.compile(r"\|(?: --- \|)+")  # a Markdown table's head and its rows
_STOP: Final = re.compile(r"[.,;]\Z")
MAX_HEADING: Final = 200  # characters


@dataclass(slots=True)
class PrintedPage:
    """The lines of a page in reading order. height: of the page in points."""

    number: int
    height: float
    lines: list[PrintedLine]


@dataclass(slots=True)
class _Paragraph:
    lines: list[PrintedLine]
    text: str = ""
    formula: bool = False
    table: bool = False
    level: int = 0  # of a heading
    number: str | None = None

    @property
    def first(self) -> PrintedLine:
        return self.lines[0]


def document_of_pages(
    pages: Iterable[PrintedPage], title: str, format: str, bookmarks: Sequence[tuple[str, int]] = ()
) -> Document:
    """Return the document of printed pages. `bookmarks` are (title, level from 1) in the order of the file."""
    kept = list(pages)
    _cut_repeated(kept)
    lines = [line for page in kept for line in page.lines if not _CONTENTS.search(line.text)]
    if not lines:
        return Document(title, format)
    lines = _with_rows_apart(lines)
    body = _body_size(lines)
    paragraphs = _paragraphs(lines, body)
    _mark_headings(paragraphs, body, bookmarks)
    words = Counter(word for line in lines for word in _WORD.findall(line.text.lower()))
    for paragraph in paragraphs:
        paragraph.text = _rejoined(paragraph.text, words)
    passages = [
        Passage(
            one.text,
            level=one.level,
            number=one.number,
            formula=one.formula,
            lead=one.first.lead,
            page=one.first.page,
            kind="table" if one.table else None,
        )
        for one in paragraphs
        if one.level >= 0
    ]
    return labelled_document(passages, title, format)


def _with_rows_apart(lines: Sequence[PrintedLine]) -> list[PrintedLine]:
    """Return the lines, with the rows of a table that are lines of their own put to it: a head between rules, and the last rows,
    which are too few to be a table on the next page."""
    result: list[PrintedLine] = []
    last: PrintedLine | None = None  # the table to which rows may still come
    for line in lines:
        above = result[-1] if result else None
        if line.table:
            last = replace(line)
            if above is not None and _is_own_head(above, line):
                rows = [row for row in line.text.splitlines() if not _BETWEEN.fullmatch(row)]
                last.text = "\n".join([table([[text for _, _, text in above.cells]]), *rows])
                result.pop()
            result.append(last)
        elif last and line.page == last.page + 1 and (places := _places(line, last)):
            row = [""] * len(last.cells)
            for place, (_, _, text) in zip(places, line.cells, strict=True):
                row[place] = text
            written = table([row]).splitlines()[0]
            if written != last.text.splitlines()[0]:  # the head, repeated
                last.text += f"\n{written}"
        else:
            result.append(line)
            last = None
    return result


def _places(line: PrintedLine, above: PrintedLine) -> list[int] | None:
    """Return in which columns of a table the cells of a line stand, None if it is no row of it."""
    return is_in_columns([(x0, x1) for x0, x1, _ in line.cells], [(x0, x1) for x0, x1, _ in above.cells])


def _is_own_head(line: PrintedLine, below: PrintedLine) -> bool:
    """Return whether a line is the head of the table below it: it stands close to it, and a cell over each of its columns."""
    near = line.page == below.page and 0 < line.baseline - below.baseline < 2.5 * line.size
    return not line.table and near and _places(line, below) == list(range(len(below.cells)))


def _cut_repeated(pages: list[PrintedPage]) -> None:
    """Remove running heads and feet, which repeat at one height on several pages, and page numbers."""
    candidates: dict[tuple[str, int], set[int]] = defaultdict(set)
    places: list[tuple[PrintedPage, PrintedLine, tuple[str, int]]] = []
    for page in pages:
        for line in _at_edges(page):
            key = (_NUMBERS.sub("#", flat(line.text).lower()), round(line.baseline / 4))
            places.append((page, line, key))
            for near in (-1, 0, 1):
                candidates[key[0], key[1] + near].add(page.number)
    gone = {id(line) for line in [*_numbered(pages), *_titles_in_capitals(pages)]}
    for _, line, key in places:
        if len(candidates[key]) >= _REPEATED or _PAGE_NUMBER.fullmatch(line.text):
            gone.add(id(line))
    for page in pages:
        page.lines = [line for line in page.lines if id(line) not in gone]


def _numbered(pages: list[PrintedPage]) -> list[PrintedLine]:
    """Return the outermost lines that begin or end with the number of their page, which counts with the pages."""
    outermost = []
    for page in pages:
        edges = _at_edges(page)
        for line in edges[:1] + edges[-1:]:
            if (
                min(
                    (abs(line.baseline - other.baseline) for other in page.lines if other is not line),
                    default=0.0,
                )
                < 1.5 * line.size
            ):
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


def _at_edges(page: PrintedPage) -> list[PrintedLine]:
    """Return the two highest and the two lowest lines, if they stand in the zones of running heads."""
    ordered = sorted(page.lines, key=lambda line: -line.baseline)
    top = [line for line in ordered[:3] if line.baseline > (1 - _ZONE) * page.height]
    bottom = [line for line in ordered[-3:] if line.baseline < _ZONE * page.height]
    return top + [line for line in bottom if all(line is not other for other in top)]


def _body_size(lines: Sequence[PrintedLine]) -> float:
    weights: Counter[float] = Counter()
    for line in lines:
        weights[round(line.size, 1)] += len(line.text)
    return max(weights, key=lambda size: (weights[size], size))


def _paragraphs(lines: Sequence[PrintedLine], body: float) -> list[_Paragraph]:
    gaps = [
        before.baseline - line.baseline
        for before, line in itertools.pairwise(lines)
        if before.page == line.page and abs(line.size - body) < 0.06 * body and 0 < before.baseline - line.baseline < 2.5 * body
    ]  # fmt: skip
    leading = median(gaps) if gaps else 1.2 * body
    paragraphs: list[_Paragraph] = []
    for line in lines:
        shown = _is_display(line, body)
        last = paragraphs[-1] if paragraphs else None
        if last is None or shown or line.table or last.formula or last.table or _begins(last, line, leading):
            paragraphs.append(_Paragraph([line], formula=shown, table=line.table))
        else:
            last.lines.append(line)
    for paragraph in paragraphs:
        paragraph.text = (
            _display(paragraph.first)
            if paragraph.formula
            else _joined([line.text for line in paragraph.lines])
        )
    return _continued(paragraphs)


def _continued(paragraphs: Sequence[_Paragraph]) -> list[_Paragraph]:
    """Return the paragraphs, with the rows of a formula or of a table that stand behind it, or on the next page, joined to it."""
    joined: list[_Paragraph] = []
    for paragraph in paragraphs:
        last = joined[-1] if joined else None
        if last is not None and len(joined) > 1 and _is_head(joined[-2], last, paragraph):
            head = "\n".join(paragraph.text.splitlines()[:2])
            last.text = "\n".join(
                [head, *(row for row in last.text.splitlines() if not _BETWEEN.fullmatch(row))]
            )
            del joined[-2]
        text = _whole(last, paragraph) if last is not None else None
        if last is None or text is None:
            joined.append(paragraph)
        else:
            last.text, last.formula = text, paragraph.formula
            last.lines += paragraph.lines
    return joined


def _is_head(line: _Paragraph, part: _Paragraph, more: _Paragraph) -> bool:
    """Return whether a line is the head of the part of a table below it, between rules of its own, as the next page repeats it."""
    if not (part.table and more.table and more.first.page == part.lines[-1].page + 1) or line.table:
        return False
    head = more.text.splitlines()[0].strip("| ").replace(" | ", " ")
    return line.text == head and line.first.page == part.first.page


def _whole(last: _Paragraph, one: _Paragraph) -> str | None:
    """Return what two paragraphs are together, None if the second does not continue the first."""
    before, line = last.lines[-1], one.first
    over = line.page == before.page + 1
    if last.table and one.table:
        rows, more = last.text.splitlines(), one.text.splitlines()
        same = rows[0] == more[0]
        places = (abs(before.x0 - line.x0) < 1 and abs(before.x1 - line.x1) < 1) or (
            _places(line, before) == list(range(len(before.cells)))
        )
        if over and (same or places) and rows[1] == more[1]:
            return "\n".join([*rows, *(more[2:] if same else [more[0], *more[2:]])])
        return None
    if not one.formula:
        return None
    if last.formula and over:
        first, second = _ALIGNED.fullmatch(last.text), _ALIGNED.fullmatch(one.text)
        return (
            rf"\[\begin{{aligned}} {first[1]} \\ {second[1]} \end{{aligned}}\]" if first and second else None
        )
    below = line.page == before.page and 0 < before.baseline - line.baseline < 2.5 * line.size
    if (
        below
        and _CONTINUES.match(line.latex)
        and all(each.share > 0.8 and each.tag is None for each in last.lines)
    ):
        latex = " ".join(each.latex for each in [*last.lines, line])
        number = _AT_THE_EDGE.search(latex) if line.right - line.x1 < line.size else None
        tag = line.tag or (number[1] if number else None)
        latex = latex[: number.start()] if number and not line.tag else latex
        return rf"\[{_STOP.sub('', latex)}" + (rf" \tag{{{tag}}}\]" if tag else r"\]")
    return None


def _is_display(line: PrintedLine, body: float) -> bool:
    """Return whether a line is a displayed formula: nearly all of it is mathematics, and it does not begin at the edge."""
    if line.table:
        return False
    if line.tag is not None and line.share > 0.5:
        return True
    return (
        line.share > 0.8
        and line.x0 - line.left > 1.2 * body
        and len(line.latex) > 2
        and not ITEM.match(line.text)
    )


def _display(line: PrintedLine) -> str:
    latex = _STOP.sub("", line.latex)
    tag = f" \\tag{{{line.tag}}}" if line.tag else ""
    return f"\\[{latex}{tag}\\]"


def _begins(last: _Paragraph, line: PrintedLine, leading: float) -> bool:
    """Return whether a line begins a paragraph."""
    before, first = last.lines[-1], last.first
    if abs(line.size - before.size) > 0.08 * max(line.size, before.size) or (
        line.bold != before.bold and (line.bold or (len(last.lines) == 1 and before.bold))
    ):
        return True
    indented = line.x0 - line.left > 0.8 * line.size
    if label_of(line.text, line.lead) is not None and (
        line.lead or indented or _SENTENCE_END.search(before.text)
    ):
        return True
    same = before.page == line.page and abs(before.left - line.left) < 1 and before.baseline > line.baseline
    ended = _SENTENCE_END.search(before.text) is not None
    short = before.x1 < before.right - 0.15 * (before.right - before.left)
    item = ITEM.match(first.text) is not None or item_number(first.text) is not None
    if (
        (ITEM.match(line.text) or item_number(line.text))
        and (ended or short)
        and line.x0 <= first.x0 + 2.5 * line.size
    ):
        return True
    if not same:
        return (ended and (short or indented)) or (short and line.text[:1].isupper() and ended)
    if before.baseline - line.baseline > 1.4 * leading * max(1.0, line.size / max(first.size, 1.0)):
        return True
    if indented and line.x0 - before.x0 > 0.8 * line.size:
        return not (item and len(last.lines) == 1) and (ended or short)
    return (
        short
        and ended
        and line.text[:1].isupper()
        and before.x1 < before.right - 0.4 * (before.right - before.left)
    )


def _joined(texts: Sequence[str]) -> str:
    """Join the lines of a paragraph; a hyphen at the end of a line becomes _BREAK."""
    whole = ""
    for text in texts:
        if not whole:
            whole = text
        elif _HYPHEN.search(whole) and text[:1].islower():
            whole = whole[:-1] + _BREAK + text
        elif _OPEN_END.search(whole) and (side := _SIDE.match(text)):
            whole = f"{whole[:-2]} {side[0]}\\){text[side.end() :]}"
        elif _CJK.match(whole[-1]) and _CJK.match(text[:1]):
            whole += text
        elif whole.endswith("\\)") and text.startswith("\\(") and _goes_on(whole, text):
            whole = f"{whole[:-2]} {text[2:]}"
        else:
            whole += " " + text
    return whole


def _goes_on(before: str, after: str) -> bool:
    """Return whether a formula is broken between two lines: at a sign that needs two sides."""
    return _OPEN_END.search(before) is not None or re.match(
        r"\\\((?:[=+<>]|\\(?:le|ge|cdot|times|in|cup|cap|to|pm)\b)", after
    ) is not None  # fmt: skip


def _rejoined(text: str, words: Mapping[str, int]) -> str:
    """Decide on each hyphen at the end of a line by the other words of the document."""

    def whole(match: re.Match[str]) -> str:
        head, tail = match[1], match[2]
        hyphened = words.get(f"{head}-{tail}".lower(), 0)
        return f"{head}-{tail}" if hyphened > words.get(f"{head}{tail}".lower(), 0) else head + tail

    return _BROKEN.sub(whole, text).replace(_BREAK, "-")


def _mark_headings(paragraphs: list[_Paragraph], body: float, bookmarks: Sequence[tuple[str, int]]) -> None:
    known: dict[str, int] = {_key(title): level for title, level in reversed(bookmarks)}
    sizes = sorted(
        {round(one.first.size) for one in paragraphs if _may_be_heading(one) and one.first.size > 1.12 * body}, reverse=True
    )  # fmt: skip
    levels: dict[int, int] = {}  # size -> level of the first numbered heading in that size
    waiting: _Paragraph | None = None  # "Chapter 3", whose title follows
    for paragraph in paragraphs:
        if not _may_be_heading(paragraph):
            waiting = None
            continue
        match = _HEADING_NUMBER.match(paragraph.text)
        number = match["number"] if match else None
        title = paragraph.text[match.end() :] if match else paragraph.text
        level = known.get(_key(paragraph.text)) or (known.get(_key(title)) if match else None)
        large = paragraph.first.size > 1.12 * body
        if level is None and not large and not (paragraph.first.bold and (number or _alone(paragraph))):
            waiting = None
            continue
        if label_of(paragraph.text, paragraph.first.lead) and not large and level is None:
            waiting = None
            continue
        if waiting is not None and not match:
            paragraph.number, paragraph.level = waiting.number, waiting.level
            waiting.level = -1  # joined to its title
            waiting = None
            continue
        if level is None:
            if number and not (match and match["word"]):
                level = number.count(".") + 1
            elif match and match["word"]:
                level = 1
            else:
                size = round(paragraph.first.size)
                rank = sizes.index(size) + 1 if size in sizes else len(sizes) + 1
                level = levels.get(size) or min(rank, 5)
        if number and large:
            levels.setdefault(round(paragraph.first.size), level)
        paragraph.level, paragraph.number = level, number
        waiting = paragraph if match and not title.strip() else None
        if title.strip():
            paragraph.text = title


def _key(title: str) -> str:
    return re.sub(r"\W+", "", title).lower()


def _may_be_heading(paragraph: _Paragraph) -> bool:
    text = paragraph.text
    return (
        not (paragraph.formula or paragraph.table)
        and len(paragraph.lines) <= 3
        and len(text) <= MAX_HEADING
        and _WORDS.search(text) is not None
        and sum(character.isalpha() for character in text)
        >= 0.5 * sum(not character.isspace() for character in text)
        and not text.endswith((".", ",", ";", "。", "，"))
        and paragraph.first.share < 0.5
    )


def _alone(paragraph: _Paragraph) -> bool:
    return len(paragraph.lines) == 1 and len(paragraph.text) < 80 and paragraph.text[:1].isupper()
