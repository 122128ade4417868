"""Printed lines become a document: running heads and page numbers are cut, lines are joined to paragraphs, headings and labels recognised.

A heading is recognised by the size of its letters, by bold letters with a number, or by the bookmarks of the file. What a printed label
begins ("Theorem 2.1", "Solution.", "例 3") ends with its paragraph, the formulas after it and the paragraph that goes on after
them; a proof ends with its sign where it has one; an item of a list of exercises or solutions ends with the next. Print shows no
more than that: a second paragraph of an example is a paragraph of its own. Footnotes stand behind the paragraph that has their mark.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Final

from tasks.documents.assembly import table
from tasks.documents.document import Document
from tasks.documents.labelled_passages import ITEM, Footnote, Passage, labelled_document
from tasks.documents.printed_heads import PrintedPage, cut_running_heads
from tasks.documents.printed_labels import item_number, label_of
from tasks.documents.printed_lines import PrintedLine
from tasks.documents.printed_notes import UNREAD_MARK, PrintedNote, owners_of, without_notes
from tasks.documents.printed_tables import is_in_columns

_HEADING_NUMBER: Final = re.compile(
    r"(?:(?P<word>chapter|part|appendix|section|第)\s*)?(?P<number>[A-Z]\.\d+(?:\.\d+)*|\d+(?:\.\d+)*|(?<=第)[一二三四五六七八九十百]+|[A-Z](?=\s)|(?<=appendix )[A-Z]\Z)"
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
_INDENTED: Final = 0.3  # share of the paragraphs from which on a document indents them
_LARGE: Final = 1.12  # sizes of the text from which on a line is a heading
MAX_HEADING: Final = 200  # characters


@dataclass(slots=True)
class _Paragraph:
    lines: list[PrintedLine]
    text: str = ""
    formula: bool = False
    table: bool = False
    level: int = 0  # of a heading
    number: str | None = None
    notes: list[Footnote] = field(default_factory=list)

    @property
    def first(self) -> PrintedLine:
        return self.lines[0]


def document_of_pages(
    pages: Iterable[PrintedPage], title: str, format: str, bookmarks: Sequence[tuple[str, int]] = ()
) -> Document:
    """Return the document of printed pages. `bookmarks` are (title, level from 1) in the order of the file."""
    kept = list(pages)
    cut_running_heads(kept)
    lines = [line for page in kept for line in page.lines if not _CONTENTS.search(line.text)]
    if not lines:
        return Document(title, format)
    body = _body_size(lines)
    lines, notes = without_notes(lines, body)
    lines = _with_rows_apart(lines)
    paragraphs = _paragraphs(lines, body)
    _give(notes, paragraphs)
    _mark_headings(paragraphs, body, bookmarks)
    every = [*lines, *(line for note in notes for line in note.lines)]
    words = Counter(word for line in every for word in _WORD.findall(line.text.lower()))
    for paragraph in paragraphs:
        paragraph.text = _rejoined(paragraph.text, words)
        paragraph.notes = [replace(one, text=_rejoined(one.text, words)) for one in paragraph.notes]
    flush = _flush_after_formulas(paragraphs)
    passages = [
        Passage(
            one.text,
            level=one.level,
            number=one.number,
            formula=one.formula,
            lead=one.first.lead,
            page=one.first.page,
            kind="table" if one.table else None,
            size=one.first.size,
            notes=tuple(one.notes),
            goes_on=id(one) in flush,
            unsure=tuple(word for line in one.lines for word in line.unsure),
        )
        for one in paragraphs
        if one.level >= 0
    ]
    return labelled_document(passages, title, format)


def _flush_after_formulas(paragraphs: Sequence[_Paragraph]) -> set[int]:
    """Return the ids of the paragraphs behind a displayed formula that are not indented, in a document that indents its paragraphs:
    they are the rest of the paragraph that the formula is in."""
    texts = [
        (one, before)
        for before, one in itertools.pairwise(paragraphs)
        if not (one.formula or one.table or one.level or before.level)
    ]
    starts = [_is_indented(one.first) for one, before in texts if not before.formula]
    if sum(starts) < _INDENTED * max(1, len(starts)):
        return set()
    return {
        id(one)
        for one, before in texts
        if before.formula and not _is_indented(one.first) and one.first.page - before.first.page <= 1
    }


def _is_indented(line: PrintedLine) -> bool:
    return line.x0 - line.left > 0.8 * line.size


def _give(notes: Sequence[PrintedNote], paragraphs: Sequence[_Paragraph]) -> None:
    """Give each footnote to the paragraph with its mark; one whose mark is not seen to the last paragraph of its page."""
    places = [
        (mark, line.page, paragraph, line is paragraph.lines[-1] and at >= len(line.text.rstrip()))
        for paragraph in paragraphs
        for line in paragraph.lines
        for mark, at in line.marks
    ]
    owners = owners_of(notes, [(mark, page) for mark, page, _, _ in places])
    for note, owner in zip(notes, owners, strict=True):
        text = _joined([line.text for line in note.lines])
        mark = "" if note.mark == UNREAD_MARK else note.mark
        if owner is not None:
            _, _, paragraph, at_end = places[owner]
            paragraph.notes.append(Footnote(mark, text, note.page, own=True, at_end=at_end))
        elif before := [one for one in paragraphs if one.first.page <= note.page]:
            before[-1].notes.append(Footnote(mark, text, note.page, own=False))


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
        if (
            last is None
            or shown
            or line.table
            or last.formula
            or last.table
            or _begins(last, line, leading, body)
        ):
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


def _begins(last: _Paragraph, line: PrintedLine, leading: float, body: float) -> bool:
    """Return whether a line begins a paragraph. leading, body: the space between baselines and the size of the text."""
    before, first = last.lines[-1], last.first
    if abs(line.size - before.size) > 0.08 * max(line.size, before.size) or (
        line.bold != before.bold and (line.bold or (len(last.lines) == 1 and before.bold))
    ):
        return True
    indented = line.x0 - line.left > 0.8 * line.size
    large = line.size > _LARGE * body and before.page == line.page  # the next line of a title
    if (
        not large
        and label_of(line.text, line.lead) is not None
        and (line.lead or indented or _SENTENCE_END.search(before.text))
    ):
        return True
    same = before.page == line.page and abs(before.left - line.left) < 1 and before.baseline > line.baseline
    ended = _SENTENCE_END.search(before.text) is not None
    short = before.x1 < before.right - 0.15 * (before.right - before.left)
    item = ITEM.match(first.text) is not None or item_number(first.text, first.lead) is not None
    heads = label_of(before.text, before.lead) if len(last.lines) == 1 else None
    headed = heads is not None and heads.plural and heads.length >= len(before.text)
    if (
        (ITEM.match(line.text) or item_number(line.text, line.lead))
        and (ended or short or headed)
        and line.x0 <= first.x0 + 2.5 * line.size
    ):
        return True
    if not same:
        return (ended and (short or indented)) or (short and line.text[:1].isupper() and ended)
    if before.baseline - line.baseline > 1.4 * leading * max(1.0, line.size / body):
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
        {round(one.first.size) for one in paragraphs if _may_be_heading(one) and one.first.size > _LARGE * body}, reverse=True
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
        large = paragraph.first.size > _LARGE * body
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
