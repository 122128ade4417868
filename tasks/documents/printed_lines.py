"""The lines of a printed page in reading order, each with its place and with its formulas between \\( and \\).

Columns are read one after the other (printed_columns.py). The rows of a table, and those of a displayed equation of several lines,
are one line. The words in a line are put together in printed_tokens.py, and its formulas are recognised in printed_formulas.py.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from tasks.documents.glyphs import Rule
from tasks.documents.printed_boxes import Box
from tasks.documents.printed_columns import columns_of
from tasks.documents.printed_displays import aligned, begins_with_relation, common_sign, is_below
from tasks.documents.printed_formulas import formulas_in
from tasks.documents.printed_latex import formula
from tasks.documents.printed_marks import take_marks
from tasks.documents.printed_math import composed
from tasks.documents.printed_tables import (
    LEAST_ROWS,
    PrintedTable,
    cells_of,
    ruled_parts,
    sides,
    table_of,
    unruled_tables,
)
from tasks.documents.printed_tokens import WORD_GAP, PrintedToken, note_of, tokens_of

_SAME_LINE: Final = (
    0.25  # difference of baselines in a line, in sizes of its largest letter; the E of TeX is lowered by 0.22
)
_EQUATION_NUMBER = re.compile(r"\(?\d+(?:\.\d+)*[a-z]?\)?")
_SHORT_RULE: Final = (
    0.15,
    0.6,
)  # of the width of a column: the least and the greatest length of a rule over footnotes
_AT_THE_LEFT: Final = 2.0  # points
_LEAN: Final = 0.2  # by which letters beside each other may overlap, in sizes of the font


@dataclass(slots=True)
class PrintedLine:
    """A line. Places are in points from the lower left corner of the page.

    text: with formulas between \\( and \\). latex: the whole line as a formula. share: the part of its width that is formulas.
    tag: the number of an equation at its right end. lead: the words at its beginning that are printed in another style than the rest.
    left, right: the edges of its column. table: it is a table, and its text is Markdown. cells: left side, right side and text of
    what stands apart in one of the first lines of a column; of a table the sides of its columns. note: the raised mark at its beginning,
    which a footnote has. marks: the marks of footnotes in it, each with its place in the text. ruled: a short rule at the left edge
    stands over it, as over footnotes. unsure: the words that OCR is not sure of.
    """

    text: str
    x0: float
    x1: float
    y0: float
    y1: float
    baseline: float
    size: float
    page: int
    left: float
    right: float
    latex: str = ""
    share: float = 0.0
    tag: str | None = None
    lead: str = ""
    bold: bool = False
    italic: bool = False
    table: bool = False
    cells: Sequence[tuple[float, float, str]] = ()
    note: str = ""
    marks: Sequence[tuple[str, int]] = ()
    ruled: bool = False
    unsure: Sequence[str] = ()


def lines_of(boxes: list[Box], rules: Sequence[Rule], page: int) -> list[PrintedLine]:
    """Return the lines of a page in reading order. `page` counts from 1."""
    columns: list[_Column] = []
    for column in columns_of(boxes):
        x0, x1 = min(box.x0 for box in column), max(box.x1 for box in column)
        y0, y1 = min(box.y0 for box in column), max(box.y1 for box in column)
        inside = [
            rule for rule in rules if x0 - 5 <= rule.x0 and rule.x1 <= x1 + 5 and y0 <= rule.y <= y1 + 5
        ]
        parts, rest, rules_left = ruled_parts(column, inside)
        tables = [_rows(composed(part.boxes, part.rules)) for part in parts]
        columns.append(_Column(x0, x1, tables, _rows(composed(rest, rules_left)), rules_left))
    take_marks([row for column in columns for row in column.rows])
    return [line for column in columns for line in _lines_of_column(column, page) if line.text or line.latex]


@dataclass(frozen=True, slots=True)
class _Column:
    """What is composed of a column from `left` to `right`: the rows between rules that may be tables, and all others."""

    left: float
    right: float
    tables: Sequence[list[list[Box]]]
    rows: list[list[Box]]
    rules: Sequence[Rule]  # that belong to no table


def _lines_of_column(column: _Column, page: int) -> list[PrintedLine]:
    printed: list[PrintedLine] = []
    for rows in column.tables:
        ruled = table_of(rows)
        printed += (
            [_table(ruled, page, column.left, column.right)]
            if ruled
            else _lines(rows, page, column.left, column.right)
        )
    printed += _lines(column.rows, page, column.left, column.right)
    if column.tables:
        printed.sort(key=lambda line: -line.baseline)
    _mark_ruled(printed, column.rules, column.right - column.left)
    return printed


def _mark_ruled(lines: Sequence[PrintedLine], rules: Sequence[Rule], width: float) -> None:
    """Mark the first line under a short rule that begins at the left edge of the column and stands between two lines."""
    for above, line in itertools.pairwise(lines):
        line.ruled = any(
            abs(rule.x0 - line.left) < _AT_THE_LEFT
            and _SHORT_RULE[0] * width < rule.x1 - rule.x0 < _SHORT_RULE[1] * width
            and line.y1 - 1 < rule.y < above.y0 + 1
            for rule in rules
        )


def _lines(rows: list[list[Box]], page: int, left: float, right: float) -> list[PrintedLine]:
    """Return rows from top to bottom as lines; those of a table, or of one display, as one."""
    lines: list[PrintedLine] = []
    single = [_line(row, page, left, right) for row in rows]
    for line, row in zip(single[:LEAST_ROWS], rows, strict=False):  # they may be the last rows of a table
        cells = cells_of(row)
        if len(cells) > 1:
            line.cells = [(*sides(cell), _line(cell, page, left, right).text) for cell in cells]
    tables = {first: (stop, one) for first, stop, one in unruled_tables(rows)}
    number = 0
    while number < len(rows):
        stop, table = tables.get(number, (0, None))
        if table is not None and not _is_shown(single[number], rows[number]):
            lines.append(_table(table, page, left, right))
            number = stop
            continue
        display, stop = _display(rows, single, number)
        lines.append(display or single[number])
        number = stop if display else number + 1
    return lines


def _is_shown(line: PrintedLine, row: list[Box]) -> bool:
    """Return whether a line may be one of a displayed equation."""
    mathematical = line.share > 0.5 or begins_with_relation(row)
    return mathematical and line.x0 - line.left > 1.2 * line.size


def _display(rows: list[list[Box]], lines: list[PrintedLine], first: int) -> tuple[PrintedLine | None, int]:
    """Return the displayed equation of several rows that begins with a row, None if there is none, and the row after it. `lines`
    are the rows as single lines."""
    parts: list[list[Box]] = []
    tags: list[str | None] = []
    whole_tag: str | None = None  # of all rows; it stands between two of them
    place: float | None = None
    number, stop = first, first
    while number < len(rows):
        line = lines[number]
        alone = _EQUATION_NUMBER.fullmatch(line.text) if parts else None
        if alone and line.text.startswith("(") and whole_tag is None and is_below(rows[number], parts[-1]):
            whole_tag, number = line.text[1:-1], number + 1
            continue
        if not _is_shown(line, rows[number]):
            break
        tag, row = _tag(rows[number], line.size)
        if parts:
            at = common_sign(row, parts[-1], place)
            if at is None or not is_below(row, parts[-1]):
                break
            place = at
        parts.append(row)
        tags.append(tag)
        number += 1
        stop = number
    if len(parts) < 2 or place is None:
        return None, first + 1
    boxes = [box for row in parts for box in row]
    size = _size(boxes)
    latex = aligned(parts, place, tags)
    line = lines[first]
    return PrintedLine(
        f"\\({latex}\\)", min(box.x0 for box in boxes), max(box.x1 for box in boxes), min(box.y0 for box in boxes),
        max(box.y1 for box in boxes), _baseline(parts[0]), size, line.page, line.left, line.right, latex, 1.0, whole_tag,
    ), stop  # fmt: skip


def _table(table: PrintedTable, page: int, left: float, right: float) -> PrintedLine:
    boxes = [box for row in table.rows for box in row]
    text = table.markdown(lambda cell: _line(cell, page, left, right).text)
    return PrintedLine(
        text, min(box.x0 for box in boxes), max(box.x1 for box in boxes), min(box.y0 for box in boxes),
        max(box.y1 for box in boxes), _baseline(table.rows[0]), _size(boxes), page, left, right, table=True,
        cells=[(*column, "") for column in table.columns],
    )  # fmt: skip


def _rows(boxes: list[Box]) -> list[list[Box]]:
    """Return the boxes of a column by lines, from top to bottom."""
    rows: list[list[Box]] = []
    largest: list[Box] = []  # of each row
    for box in sorted(boxes, key=lambda box: (-box.baseline, box.x0)):
        if rows and abs(largest[-1].baseline - box.baseline) < _SAME_LINE * max(box.size, largest[-1].size):
            rows[-1].append(box)
            if box.size > largest[-1].size:
                largest[-1] = box
        else:
            rows.append([box])
            largest.append(box)
    rows = [sorted(row, key=lambda box: box.x0) for row in rows]
    joined: list[list[Box]] = []
    for number, row in enumerate(rows):
        around = [
            other
            for other in (
                joined[-1] if joined else None,
                rows[number + 1] if number + 1 < len(rows) else None,
            )
            if other
        ]
        host = next((other for other in around if len(row) <= 3 < len(other) and _fits(row, other)), None)
        if host is None:
            joined.append(row)
        else:
            host.extend(row)
            host.sort(key=lambda box: box.x0)
    return joined


def _fits(row: list[Box], line: list[Box]) -> bool:
    """Return whether the few boxes of a row stand in a gap of a line: a raised mark, an operator between tall brackets."""
    low, high = min(box.y0 for box in line), max(box.y1 for box in line)
    return all(
        low - 1 <= (box.y0 + box.y1) / 2 <= high + 1
        and not any(
            box.x0 < other.x1 - _LEAN * box.size and other.x0 < box.x1 - _LEAN * box.size for other in line
        )
        for box in row
    )


def _line(row: list[Box], page: int, left: float, right: float) -> PrintedLine:
    size = _size(row)
    letters = [box for box in row if box.text and box.text.isalpha() and not box.math]
    italic = sum(box.italic for box in letters) > 0.6 * len(letters)
    tag, row = _tag(row, size)
    note, row = note_of(row, size)
    tokens = tokens_of(row, italic)
    parts = formulas_in(tokens)
    text, inside, marks = _text(tokens, parts)
    width = sum(box.x1 - box.x0 for box in row) or 1.0
    return PrintedLine(
        text, row[0].x0, max(box.x1 for box in row), min(box.y0 for box in row), max(box.y1 for box in row), _baseline(row),
        size, page, left, right, formula(row), inside / width, tag, _lead(row),
        bool(letters) and all(box.bold for box in letters), italic, note=note, marks=marks,
    )  # fmt: skip


def _size(row: list[Box]) -> float:
    """Return the size of most boxes, the larger of two."""
    counts = Counter(box.size for box in row)
    return max(counts, key=lambda size: (counts[size], size))


def _baseline(row: list[Box]) -> float:
    return median(box.baseline for box in row)


def _tag(row: list[Box], size: float) -> tuple[str | None, list[Box]]:
    """Return the number of an equation that stands at the right end of a line, and the rest of the line."""
    for number in range(len(row) - 1, 0, -1):
        if row[number].x0 - row[number - 1].x1 > 1.8 * size:
            text = "".join(box.text or "" for box in row[number:])
            if len(text) > 2 and text[0] == "(" and text[-1] == ")" and _EQUATION_NUMBER.fullmatch(text):
                return text[1:-1], row[:number]
            return None, row
    return None, row


def _lead(row: list[Box]) -> str:
    """Return the words at the beginning that are bold or italic where the rest is not."""
    first = row[0]
    if not (first.bold or first.italic) or first.math:
        return ""
    text, before = "", first
    for box in row:
        if box.text is None or ((box.bold, box.italic) != (first.bold, first.italic) and box.text.isalnum()):
            return text
        text += (" " if box.x0 - before.x1 > WORD_GAP * box.size else "") + box.text
        before = box
    return text


def _text(
    tokens: list[PrintedToken], parts: list[tuple[int, int]]
) -> tuple[str, float, list[tuple[str, int]]]:
    """Return the text of a line, the width of its formulas, and the marks of footnotes with their places in the text."""
    text, width, number = "", 0.0, 0
    marks: list[tuple[str, int]] = []
    starts = dict(parts)
    while number < len(tokens):
        token = tokens[number]
        text += " " if token.apart and text else ""
        if number in starts:
            boxes = [box for one in tokens[number : starts[number]] for box in one.boxes]
            text += f"\\({formula(boxes)}\\)"
            width += sum(box.x1 - box.x0 for box in boxes)
            marks += [(one.mark, len(text)) for one in tokens[number : starts[number]] if one.mark]
            number = starts[number]
        else:
            text += token.text
            marks += [(token.mark, len(text))] if token.mark else []
            number += 1
    return text.strip(), width, marks
