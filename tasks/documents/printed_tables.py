"""Tables of a printed page: between horizontal rules of one width, or by the places of their cells.

A ruled table is what stands between the first and the last of two rules or more that begin and end at the same places. A table
without rules is three rows or more, of the same number of cells, whose columns share their left sides, their middles or their
right sides; numbered items, numbered lines of a program and notes beside running text are none. A cell that spans columns stands in
the first of them. A cell of several lines becomes several rows. The parts of a table on two pages are joined in
tasks.documents.printed_document; one or two rows without rules are a part if their cells stand in the columns of the table before.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tasks.documents.assembly import table
from tasks.documents.glyphs import Rule
from tasks.documents.printed_boxes import Box

BoxRow = list[Box]
_CELL_GAP: Final = 0.8  # the least space between two cells, in sizes of the font
_SAME_EDGE: Final = 2.0  # points
_LEAST_WIDTH: Final = 30.0  # points, of a ruled table
_MOST: Final = 50  # parts of a page that are looked at as ruled tables
LEAST_ROWS: Final = 3  # of a table without rules
_WIDEST: Final = 0.55  # part of the width of the page's text that a cell of it has at most
_MARK: Final = re.compile(r"[•●▪◦–*]|[(\[]?\w{1,3}[.)\]]")  # of an item of a list


@dataclass(frozen=True, slots=True)
class PrintedTable:
    """A table: its rows of cells from top to bottom, each cell the boxes of it."""

    rows: list[BoxRow]
    cells: list[list[BoxRow]]

    @property
    def columns(self) -> list[tuple[float, float]]:
        """The left and right side of each column."""
        return [
            (min(box.x0 for box in boxes), max(box.x1 for box in boxes)) if boxes else (0.0, 0.0)
            for column in zip(*self.cells, strict=True)
            for boxes in [[box for cell in column for box in cell]]
        ]

    def markdown(self, text_of: Callable[[BoxRow], str]) -> str:
        """Return the table as Markdown. `text_of` is given the boxes of a cell."""
        return table([[text_of(cell) if cell else "" for cell in row] for row in self.cells])


@dataclass(frozen=True, slots=True)
class RuledPart:
    """The part of a page between two rules: the boxes and the rules in it."""

    boxes: list[Box]
    rules: list[Rule]


def ruled_parts(boxes: list[Box], rules: Sequence[Rule]) -> tuple[list[RuledPart], list[Box], list[Rule]]:
    """Return the parts of a column that may be ruled tables, and the boxes and rules that are in none of them."""
    parts: list[RuledPart] = []
    left = list(rules)
    looked_at = 0
    for first in sorted(rules, key=lambda rule: -rule.y):
        if not any(first is rule for rule in left) or first.x1 - first.x0 < _LEAST_WIDTH:
            continue
        same = [rule for rule in left if _alike(rule, first)]
        if len(same) < 2 or looked_at >= _MOST:
            continue
        looked_at += 1
        top, bottom = first.y, min(rule.y for rule in same)
        beside = [box for box in boxes if bottom < (box.y0 + box.y1) / 2 < top]
        inside = [box for box in beside if box.x0 >= first.x0 - 1 and box.x1 <= first.x1 + 1]
        if len(inside) < 4 or len(inside) < len(beside):
            continue
        within = [rule for rule in left if bottom - 1 <= rule.y <= top + 1]
        lines = [rule for rule in within if _separates(rule, inside, first)]
        parts.append(RuledPart(inside, [rule for rule in within if not any(rule is line for line in lines)]))
        taken = {id(box) for box in inside}
        boxes = [box for box in boxes if id(box) not in taken]
        left = [rule for rule in left if not any(rule is one for one in within)]
    return parts, boxes, left


def _alike(rule: Rule, other: Rule) -> bool:
    return abs(rule.x0 - other.x0) < _SAME_EDGE and abs(rule.x1 - other.x1) < _SAME_EDGE


def _separates(rule: Rule, boxes: Sequence[Box], whole: Rule) -> bool:
    """Return whether a rule in a table is a line between its rows, and no bar of a fraction."""
    if _alike(rule, whole):
        return True
    over = [box for box in boxes if box.x0 < rule.x1 and box.x1 > rule.x0 and 0 <= box.y0 - rule.y < 3]
    return not over


def table_of(rows: list[BoxRow]) -> PrintedTable | None:
    """Return the rows between two rules as a table, None if they are not of several cells."""
    cells = [cells_of(row) for row in rows]
    most = max((len(row) for row in cells), default=0)
    if len(rows) < 2 or most < 2:
        return None
    columns = _columns([row for row in cells if len(row) == most])
    return PrintedTable(rows, [_placed(row, columns) for row in cells])


def unruled_tables(rows: list[BoxRow]) -> list[tuple[int, int, PrintedTable]]:
    """Return (first row, row after the last, table) of the tables without rules among the rows of a column."""
    cells = [cells_of(row) for row in rows]
    width = max((row[-1].x1 for row in rows), default=0.0) - min((row[0].x0 for row in rows), default=0.0)
    tables: list[tuple[int, int, PrintedTable]] = []
    first = 0
    while first < len(rows):
        stop = first + 1
        while (
            stop < len(rows)
            and len(cells[stop]) == len(cells[first]) > 1
            and _is_next(rows[stop], rows[stop - 1])
            and _have_columns(cells[first : stop + 1])
        ):
            stop += 1
        if stop - first >= LEAST_ROWS and not _is_list(cells[first:stop], width):
            tables.append((first, stop, PrintedTable(rows[first:stop], cells[first:stop])))
        first = stop
    return tables


def _is_list(rows: Sequence[Sequence[BoxRow]], width: float) -> bool:
    """Return whether rows are items with their marks, numbered lines, or lines of running text with something beside them."""
    if any(cell[-1].x1 - cell[0].x0 > _WIDEST * width for row in rows for cell in row):
        return True
    first = ["".join(box.text or "" for box in row[0]) for row in rows]
    if all(_MARK.fullmatch(text) for text in first):
        return True
    numbered = all(text.isdecimal() for text in first) and len(rows[0]) == 2
    return numbered and all(int(after) == int(before) + 1 for before, after in itertools.pairwise(first))


def _is_next(row: BoxRow, above: BoxRow) -> bool:
    size = max(box.size for box in row)
    return 0 < above[0].baseline - row[0].baseline < 2.2 * size


def _have_columns(rows: Sequence[Sequence[BoxRow]]) -> bool:
    """Return whether the cells of each column share their left sides, their middles or their right sides."""
    for column in zip(*rows, strict=True):
        edges = [(cell[0].x0, (cell[0].x0 + cell[-1].x1) / 2, cell[-1].x1) for cell in column]
        if not any(max(side) - min(side) < _SAME_EDGE for side in zip(*edges, strict=True)):
            return False
    return True


def sides(cell: BoxRow) -> tuple[float, float]:
    """Return the left and right side of a cell."""
    return cell[0].x0, max(box.x1 for box in cell)


def is_in_columns(
    cells: Sequence[tuple[float, float]], columns: Sequence[tuple[float, float]]
) -> list[int] | None:
    """Return in which column each of two cells or more stands; None if one shares neither a side nor the middle with a column, or
    two are in one. Both are given by their sides."""
    places: list[int] = []
    for x0, x1 in cells:
        same = [
            place
            for place, (left, right) in enumerate(columns)
            if min(abs(x0 - left), abs(x1 - right), abs(x0 + x1 - left - right) / 2) < _SAME_EDGE
        ]
        if not same or (places and same[0] <= places[-1]):
            return None
        places.append(same[0])
    return places if len(places) > 1 else None


def cells_of(row: BoxRow) -> list[BoxRow]:
    """Return the parts of a row that stand apart."""
    cells: list[BoxRow] = []
    for box in row:
        if cells and box.x0 - max(one.x1 for one in cells[-1]) < _CELL_GAP * box.size:
            cells[-1].append(box)
        else:
            cells.append([box])
    return cells


def _columns(rows: Sequence[Sequence[BoxRow]]) -> list[tuple[float, float]]:
    """Return the left and right side of each column, out of rows with a cell in each."""
    return [
        (min(cell[0].x0 for cell in column), max(cell[-1].x1 for cell in column))
        for column in zip(*rows, strict=True)
    ]


def _placed(row: Sequence[BoxRow], columns: Sequence[tuple[float, float]]) -> list[BoxRow]:
    """Return the cells of a row by columns, an empty one where it has none."""
    placed: list[BoxRow] = [[] for _ in columns]
    for cell in row:
        x0, x1 = cell[0].x0, cell[-1].x1
        overlaps = [min(x1, right) - max(x0, left) for left, right in columns]
        number = next((place for place, one in enumerate(overlaps) if one > 0), overlaps.index(max(overlaps)))
        placed[number].extend(cell)
    return placed
