"""Printed mathematics as LaTeX: from the places and sizes of glyphs on a page.

Fractions are read by their bars, roots and overlines by theirs, scripts by size and height, limits by their place over and under
an operator, binomials and matrices between tall brackets by their rows, cases by the rows behind a tall brace that is not closed. Tall
brackets are often put together from pieces. What the place does not tell is left as it is printed, one line per row: commutative
diagrams, accents over several letters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tasks.documents.glyphs import Rule
from tasks.documents.printed_boxes import AXIS, Box, replaced
from tasks.documents.printed_grids import gridded, whole_brackets
from tasks.documents.printed_latex import formula
from tasks.documents.printed_scripts import limited, scripted

_ACCENTS: Final = {
    "ˆ": "hat",
    "¯": "bar",
    "˜": "tilde",
    "˙": "dot",
    "¨": "ddot",
    "⃗": "vec",
    "ˇ": "check",
    "˘": "breve",
}
_LINE_GAP: Final = 0.6  # the largest gap to the next letter of a line of text, in sizes of its font


def composed(boxes: list[Box], rules: Sequence[Rule]) -> list[Box]:
    """Return the boxes of a column with fractions, roots, overlines, accents, limits, matrices, cases and scripts put together."""
    boxes = whole_brackets(boxes)
    for rule in sorted(rules, key=lambda one: one.x1 - one.x0):
        boxes = _with_rule(boxes, rule)
    boxes = _accented(boxes)
    boxes = gridded(boxes)
    boxes = limited(boxes)
    return scripted(boxes)


def _with_rule(boxes: list[Box], rule: Rule) -> list[Box]:
    near = [
        box
        for box in boxes
        if box.x0 < rule.x1 + 1 and box.x1 > rule.x0 - 25 and abs((box.y0 + box.y1) / 2 - rule.y) < 60
    ]
    within = [box for box in near if box.x0 >= rule.x0 - 1.5 and box.x1 <= rule.x1 + 1.5]
    if not within:
        return boxes
    size = max(box.size for box in within)
    root = next(
        (
            box
            for box in near
            if box.text == "√"
            and abs(box.x1 - rule.x0) < 0.2 * box.size
            and abs(box.y1 - rule.y) < 0.2 * box.size
        ),
        None,
    )
    if root is not None:
        inside = [
            box
            for box in within
            if box is not root and box.y1 <= rule.y + 1 and box.y0 >= root.y0 - 0.3 * size
        ]
        if not inside:
            return boxes
        index = [
            box
            for box in near
            if box is not root and box.size < 0.8 * size and root.x0 - 0.6 * size < box.center < root.x0 + 0.45 * size
            and box.y0 > (root.y0 + root.y1) / 2 - 0.1 * size and box.y1 < root.y1 + 0.3 * size
        ]  # fmt: skip
        order = f"[{formula(scripted(index))}]" if index else ""
        latex = f"\\sqrt{order}{{{formula(composed(inside, []))}}}"
        return replaced(boxes, [root, *inside, *index], latex, _main_baseline(inside), size)
    within = _without_words(within, boxes, rule)
    above = _stack(within, rule.y, size, up=True)
    below = _stack(within, rule.y, size, up=False)
    slack = 0.3 * size
    width = rule.x1 - rule.x0
    if above and below and abs(width - max(_width(above), _width(below))) <= slack:
        latex = f"\\frac{{{formula(composed(above, []))}}}{{{formula(composed(below, []))}}}"
        return replaced(boxes, above + below, latex, rule.y - AXIS * size, size)
    if (
        below
        and not above
        and abs(width - _width(below)) <= slack
        and rule.y - max(box.y1 for box in below) < 0.3 * size
    ):
        command = "bar" if len(below) == 1 else "overline"
        latex = f"\\{command}{{{formula(composed(below, []))}}}"
        return replaced(boxes, below, latex, _main_baseline(below), size)
    return boxes


def _without_words(within: list[Box], boxes: list[Box], rule: Rule) -> list[Box]:
    """Return the boxes over and under a rule without those that belong to a line of text that runs on beside it."""
    beside: dict[float, list[Box]] = {}  # baseline -> letters near the ends of the rule
    for box in boxes:
        reach = _LINE_GAP * box.size
        if (
            box.text
            and box.text.isalpha()
            and not box.math
            and abs(box.baseline - rule.y) < 2 * box.size
            and (rule.x0 - reach < box.x1 <= rule.x0 + 1 or rule.x1 - 1 <= box.x0 < rule.x1 + reach)
        ):
            beside.setdefault(round(box.baseline, 1), []).append(box)
    if not beside:
        return within
    levels = [
        box
        for box in within
        if any(
            abs(level - box.baseline) < 0.05 * box.size
            and any(abs(other.size - box.size) < 0.05 * box.size for other in others)
            for level, others in beside.items()
        )
    ]
    return [box for box in within if not any(box is one for one in levels)]


def _stack(within: list[Box], y: float, size: float, *, up: bool) -> list[Box]:
    """Return the boxes that stand on a rule (or hang from it), the nearest row and what overlaps it upwards (downwards)."""
    if up:
        rest = sorted((box for box in within if box.y0 >= y - 0.08 * size), key=lambda box: box.y0)
    else:
        rest = sorted((box for box in within if box.y1 <= y + 0.08 * size), key=lambda box: -box.y1)
    taken: list[Box] = []
    reach = y + 0.6 * size if up else y - 0.6 * size
    for box in rest:
        edge = box.y0 if up else box.y1
        if edge > reach if up else edge < reach:
            break
        taken.append(box)
        reach = max(reach, box.y1 - 0.05 * size) if up else min(reach, box.y0 + 0.05 * size)
    return taken


def _width(boxes: list[Box]) -> float:
    return max(box.x1 for box in boxes) - min(box.x0 for box in boxes)


def _main_baseline(boxes: list[Box]) -> float:
    """Return the baseline of the leftmost of the largest boxes."""
    size = max(box.size for box in boxes)
    return min((box for box in boxes if box.size > 0.9 * size), key=lambda box: box.x0).baseline


def _accented(boxes: list[Box]) -> list[Box]:
    """Put accents on the letter under them."""
    accents = [box for box in boxes if box.text in _ACCENTS]
    if not accents:
        return boxes
    gone = set()
    for accent in accents:
        under = [
            box
            for box in boxes
            if box is not accent and box.text and box.text.isalpha() and abs(box.center - accent.center) < 0.3 * box.size
            and 0 <= accent.y0 - box.y0 < 1.1 * box.size
        ]  # fmt: skip
        if under:
            base = min(under, key=lambda box: abs(box.center - accent.center))
            base.latex, base.math = f"\\{_ACCENTS[accent.text or '']}{{{base.latex}}}", True
            base.text = None
            gone.add(id(accent))
    return [box for box in boxes if id(box) not in gone]
