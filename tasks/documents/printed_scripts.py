"""Scripts and limits: smaller boxes over, under and beside the box that they belong to, by their sizes and heights."""

from __future__ import annotations

import bisect
import re
from typing import Final

from tasks.documents.printed_boxes import Box, runs_of
from tasks.documents.printed_latex import formula

SCRIPT_GAP: Final = 0.35  # the largest gap in a script, in sizes of its font


def limited(boxes: list[Box]) -> list[Box]:
    """Attach what stands over and under an operator to it."""
    operators = [
        box
        for box in boxes
        if re.fullmatch(r"\\(?:sum|prod|int|oint|coprod|big[a-z]+)", box.latex)
        or box.text in ("∑", "∏", "⋃", "⋂")
    ]
    if not operators:
        return boxes
    gone: set[int] = set()
    for operator in operators:
        small = [
            box
            for box in boxes
            if box.size < 0.85 * operator.size and id(box) not in gone
            and operator.y0 - 1.4 * operator.size < box.baseline < operator.y1 + 0.6 * operator.size
            and operator.x0 - 3 * operator.size < box.center < operator.x1 + 3 * operator.size
        ]  # fmt: skip
        for run in runs_of(small, SCRIPT_GAP):
            if abs((run.x0 + run.x1) / 2 - operator.center) > 0.4 * operator.size:
                continue
            if min(box.y0 for box in run.boxes) >= operator.y1 - 0.1 * operator.size and not operator.upper:
                operator.upper = formula(run.boxes)
            elif (
                max(box.y1 for box in run.boxes) <= operator.y0 + 0.1 * operator.size
                and not operator.lower
                and not any(_is_power(run.x0, run.baseline, box) for box in boxes)
            ):
                operator.lower = formula(run.boxes)
            else:
                continue
            operator.math = True
            gone |= {id(box) for box in run.boxes}
    return [box for box in boxes if id(box) not in gone]


def _is_power(x0: float, baseline: float, box: Box) -> bool:
    """Return whether what begins at `x0` is a power of a box of the line below, not a limit of an operator above that line."""
    return 0 <= x0 - box.x1 < 0.15 * box.size and 0.2 * box.size < baseline - box.baseline < 0.6 * box.size


def scripted(boxes: list[Box]) -> list[Box]:
    """Attach runs of smaller boxes to the box on whose upper or lower right they stand; return the rest."""
    runs = runs_of(boxes, SCRIPT_GAP)
    levels = sorted(range(len(runs)), key=lambda number: runs[number].baseline)
    heights = [runs[number].baseline for number in levels]
    attached: set[int] = set()
    for number in sorted(range(len(runs)), key=lambda number: (runs[number].size, -runs[number].x0)):
        run = runs[number]
        size = run.size
        low = bisect.bisect_left(heights, run.baseline - 2.2 * size)
        high = bisect.bisect_right(heights, run.baseline + 2.2 * size)
        best: tuple[float, Box] | None = None
        for other in levels[low:high]:
            base = runs[other]
            if other == number or base.size < 1.15 * size or base.size > 3 * size or other in attached:
                continue
            for box in base.boxes:
                gap = run.x0 - box.edge
                slack = (
                    0.8 if box.latex in (r"\int", r"\oint") else 0.35
                )  # an integral leans over its lower limit
                if not -slack * box.size < gap < 0.3 * box.size or box.x0 >= run.x0:
                    continue
                raised = run.baseline - box.baseline
                # a tall box has its scripts at its corners
                most, least = (
                    max(0.75 * box.size, box.y1 - box.baseline),
                    min(-0.5 * box.size, box.y0 - box.baseline - 0.3 * size),
                )
                if least < raised < most and not -0.08 * box.size <= raised <= 0.15 * box.size:
                    score = abs(gap) + 0.1 * abs(raised)
                    if best is None or score < best[0]:
                        best = (score, box)
        if best is not None:
            box = best[1]
            latex = formula(run.boxes)
            if run.baseline > box.baseline + 0.1 * box.size:
                box.upper = f"{box.upper} {latex}".strip() if box.upper else latex
            else:
                box.lower = f"{box.lower} {latex}".strip() if box.lower else latex
            box.x1 = max(box.x1, run.x1)
            attached.add(number)
    return [box for number, run in enumerate(runs) if number not in attached for box in run.boxes]
