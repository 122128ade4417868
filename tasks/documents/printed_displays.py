"""Displayed equations of several lines: rows of boxes whose relation signs stand under each other become one formula.

The rows of `align`, `aligned`, `eqnarray` and of a system of equations share the place of a sign, to a fraction of a point. Rows
without a common sign (`gather`) stay formulas of their own, since print does not show whether they belong together; a row that begins
with a plus or minus (`multline`) continues the row above it (tasks.documents.printed_document).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from tasks.documents.printed_boxes import Box
from tasks.documents.printed_latex import formula

_RELATIONS: Final = frozenset(
    ["=", "<", ">", r"\le", r"\ge", r"\leq", r"\geq", r"\ne", r"\neq", r"\approx", r"\equiv", r"\sim", r"\simeq", r"\cong", r"\propto",
     r"\to", r"\rightarrow", r"\mapsto", r"\Rightarrow", r"\Leftrightarrow", r"\iff", r"\in", r"\subset", r"\subseteq", r"\supseteq"]
)  # fmt: skip
_SAME_PLACE: Final = 0.06  # difference of the places of two signs, in sizes of the font
_APART: Final = 2.5  # the largest space between two rows, in sizes of the font
_STOP: Final = re.compile(r"[.,;]\Z")


def begins_with_relation(row: Sequence[Box]) -> bool:
    """Return whether a row, from left to right, continues an equation above it."""
    return row[0].latex in _RELATIONS


def is_below(row: Sequence[Box], above: Sequence[Box]) -> bool:
    """Return whether a row stands so close below another that both may be of one display."""
    size = max(box.size for box in row)
    space = min(box.y0 for box in above) - max(box.y1 for box in row)
    return -0.8 * size < space < _APART * size


def common_sign(row: Sequence[Box], above: Sequence[Box], place: float | None) -> float | None:
    """Return the x of the sign under which a sign of the other row stands, the leftmost if there are several; None if there is
    none. `place` is the x that the rows above have in common."""
    for box in row:
        if box.latex not in _RELATIONS:
            continue
        near = _SAME_PLACE * box.size
        if place is not None and abs(box.x0 - place) < near:
            return place
        if place is None and any(
            other.latex in _RELATIONS and abs(other.x0 - box.x0) < near for other in above
        ):
            return box.x0
    return None


def aligned(rows: Sequence[Sequence[Box]], place: float, tags: Sequence[str | None]) -> str:
    """Return rows with a sign at `place` as LaTeX. tags: the number of each equation, None for one without."""
    lines = []
    for number, (row, tag) in enumerate(zip(rows, tags, strict=True)):
        near = _SAME_PLACE * max(box.size for box in row)
        left = [box for box in row if box.x0 < place - near]
        right = [box for box in row if box.x0 >= place - near]
        line = f"{formula(left)} &{formula(right)}".strip()
        if number == len(rows) - 1:
            line = _STOP.sub("", line)
        lines.append(line + (f" \\quad \\text{{({tag})}}" if tag else ""))
    return "\\begin{aligned} " + r" \\ ".join(lines) + " \\end{aligned}"
