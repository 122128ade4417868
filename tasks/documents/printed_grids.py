"""What stands between tall brackets in several rows: binomials, matrices, and cases behind a brace that is not closed.

Tall brackets are often put together from pieces."""

from __future__ import annotations

import re
from typing import Final

from tasks.documents.glyphs import PIECES
from tasks.documents.printed_boxes import AXIS, Box, replaced
from tasks.documents.printed_latex import formula
from tasks.documents.printed_scripts import scripted

_TOPS: Final = frozenset("⎛⎞⎡⎤⎧⎫")  # the highest pieces of brackets
_TALL_SIGNS: Final = frozenset(["(", "[", "|", ")", "]", r"\{"])
_NUMBER: Final = re.compile(r"\(\d+(?:\.\d+)*[a-z]?\)")  # of an equation
_BRACKETS: Final = {"(": (")", "pmatrix"), "[": ("]", "bmatrix"), "|": ("|", "vmatrix")}
_GRID_BOXES: Final = 200  # boxes between two brackets that are looked at as a matrix


def whole_brackets(boxes: list[Box]) -> list[Box]:
    """Put brackets together from their pieces, which stand on each other."""
    pieces = sorted((box for box in boxes if box.text in PIECES), key=lambda box: box.x0)
    columns: list[list[Box]] = []
    for box in pieces:
        if columns and box.x0 - columns[-1][0].x0 < 0.2 * box.size:
            columns[-1].append(box)
        else:
            columns.append([box])
    brackets: list[list[Box]] = []
    for column in columns:
        for number, box in enumerate(sorted(column, key=lambda box: -box.y1)):
            if number and box.text not in _TOPS and brackets[-1][-1].y0 - box.y1 < box.size:
                brackets[-1].append(box)
            else:
                brackets.append([box])
    gone = {id(box) for box in pieces}
    return [*(box for box in boxes if id(box) not in gone), *(_bracket(parts) for parts in brackets)]


def _bracket(parts: list[Box]) -> Box:
    latex = next((sign for box in parts if (sign := PIECES[box.text or ""])), r"\{")
    size = parts[0].size
    low, high = min(box.y0 for box in parts), max(box.y1 for box in parts)
    return Box(
        latex, None, min(box.x0 for box in parts), low, max(box.x1 for box in parts), high,
        (low + high) / 2 - AXIS * size, size, True,
    )  # fmt: skip


def gridded(boxes: list[Box]) -> list[Box]:
    """Read two rows or more between tall brackets as a binomial or a matrix, and behind an open brace as cases."""
    tall = [box for box in boxes if box.y1 - box.y0 > 1.1 * box.size and box.latex in _TALL_SIGNS]
    for opening in sorted(tall, key=lambda box: -box.x0):
        if opening.latex not in _BRACKETS:
            continue
        sign, name = _BRACKETS[opening.latex]
        closing = min(
            (
                box
                for box in tall
                if box is not opening and box.latex == sign and box.x0 >= opening.x1 and abs(box.y0 - opening.y0) < 0.1 * box.size
                and abs(box.y1 - opening.y1) < 0.1 * box.size and any(box is other for other in boxes)
            ),
            key=lambda box: box.x0,
            default=None,
        )  # fmt: skip
        if closing is None or not any(opening is other for other in boxes):
            continue
        inside = [
            box
            for box in boxes
            if box is not opening and box is not closing and box.x0 >= opening.x1 - 1 and box.x1 <= closing.x0 + 1
            and opening.y0 - 1 <= (box.y0 + box.y1) / 2 <= opening.y1 + 1
        ]  # fmt: skip
        if 2 <= len(inside) <= _GRID_BOXES and (latex := _grid(inside, name, opening)):
            boxes = replaced(boxes, [opening, closing, *inside], latex, opening.baseline, opening.size)
    for opening in sorted(tall, key=lambda box: -box.x0):
        if opening.latex == r"\{" and any(opening is box for box in boxes):
            boxes = _cases(boxes, opening)
    return boxes


def _cases(boxes: list[Box], opening: Box) -> list[Box]:
    """Read the rows behind a tall brace as cases, if nothing of its height closes it."""
    behind = [
        box
        for box in boxes
        if box is not opening and box.x0 >= opening.x1 - 1 and opening.y0 - 1 <= (box.y0 + box.y1) / 2 <= opening.y1 + 1
    ]  # fmt: skip
    closed = any(
        box.latex == r"\}" and abs(box.y0 - opening.y0) < 0.2 * box.size and abs(box.y1 - opening.y1) < 0.2 * box.size
        for box in behind
    )  # fmt: skip
    inside = behind if closed else _without_number(behind, opening)
    if closed or not 2 <= len(inside) <= _GRID_BOXES or not (latex := _grid(inside, "cases", opening)):
        return boxes
    return replaced(boxes, [opening, *inside], latex, opening.baseline, opening.size)


def _without_number(behind: list[Box], opening: Box) -> list[Box]:
    """Return the boxes behind a brace without the number of the equation at the end of the line."""
    level = sorted(
        (box for box in behind if abs(box.baseline - opening.baseline) < 0.2 * box.size),
        key=lambda box: box.x0,
    )
    for number in range(len(level) - 1, -1, -1):
        if number == 0 or level[number].x0 - level[number - 1].x1 > 1.8 * level[number].size:
            last = level[number:]
            text = "".join(box.text or "" for box in last)
            others = [box for box in behind if not any(box is one for one in last)]
            apart = not others or last[0].x0 - max(box.x1 for box in others) > opening.size
            return others if _NUMBER.fullmatch(text) and apart else behind
    return behind


def _grid(inside: list[Box], name: str, opening: Box) -> str | None:
    rows: list[list[Box]] = []
    for box in sorted(scripted(inside), key=lambda box: -box.baseline):
        if rows and abs(rows[-1][0].baseline - box.baseline) < 0.3 * box.size:
            rows[-1].append(box)
        else:
            rows.append([box])
    if len(rows) < 2 or (
        any(abs(row[0].baseline - opening.baseline) < 0.25 * opening.size for row in rows) and len(rows) == 2
    ):
        return None
    cells = [_cells(sorted(row, key=lambda box: box.x0)) for row in rows]
    if name != "cases" and len({len(row) for row in cells}) != 1:
        return None
    size = max(box.size for row in rows for box in row)
    apart = rows[0][0].baseline - rows[-1][0].baseline
    if (
        len(rows) == 2
        and len(cells[0]) == 1
        and name == "pmatrix"
        and (size < 0.85 * opening.size or apart > 1.3 * size)
    ):
        return f"\\binom{{{cells[0][0]}}}{{{cells[1][0]}}}"
    return f"\\begin{{{name}}} " + r" \\ ".join(" & ".join(row) for row in cells) + f" \\end{{{name}}}"


def _cells(row: list[Box]) -> list[str]:
    cells: list[list[Box]] = []
    for box in row:
        if cells and box.x0 - cells[-1][-1].x1 < 0.85 * box.size:
            cells[-1].append(box)
        else:
            cells.append([box])
    return [formula(cell) for cell in cells]
