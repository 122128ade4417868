"""The columns of a printed page, in the order in which they are read.

Two columns are recognised by a strip without text in the middle of the page; lines that cross it, such as titles, stand before
what is under them. Three columns and text around figures are not distinguished.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Final

from tasks.documents.printed_boxes import Box, runs_of

_LONG: Final = 8  # boxes of a run that counts as a line of text
_LEAST_LINES: Final = 5  # of each of two columns


def columns_of(boxes: list[Box]) -> list[list[Box]]:
    """Return the boxes of a page as parts that are read one after the other."""
    if not boxes:
        return []
    runs = [run for run in runs_of(boxes) if len(run.boxes) >= _LONG]
    gutter = _gutter([(run.x0, run.x1) for run in runs])
    if gutter is None:
        return [boxes]
    across = sorted(
        ((run.baseline - 0.35 * run.size, run.baseline + 0.95 * run.size) for run in runs if run.x0 < gutter - 3 and run.x1 > gutter + 3),
        reverse=True,
    )  # fmt: skip
    bands: list[tuple[float, float]] = []
    for low, high in across:
        if bands and bands[-1][0] - high < 0.6 * (high - low):
            bands[-1] = (min(low, bands[-1][0]), bands[-1][1])
        else:
            bands.append((low, high))
    columns: list[list[Box]] = [[] for _ in range(3 * len(bands) + 3)]
    for box in boxes:
        middle = (box.y0 + box.y1) / 2
        number = sum(middle < low for low, _ in bands)  # of the bands above
        if number < len(bands) and bands[number][0] <= middle <= bands[number][1]:
            columns[3 * number + 2].append(box)
        else:
            columns[3 * number + (box.center > gutter)].append(box)
    return [column for column in columns if column]


def _gutter(runs: Sequence[tuple[float, float]]) -> float | None:
    """Return the x of the strip between two columns, None if there is one column."""
    if len(runs) < 2 * _LEAST_LINES:
        return None
    left, right = min(x0 for x0, _ in runs), max(x1 for _, x1 in runs)
    middle = (left + right) / 2
    best: tuple[int, float] | None = None
    for step in range(35, 66):
        x = left + (right - left) * step / 100
        crossing = sum(x0 < x - 3 and x1 > x + 3 for x0, x1 in runs)
        if (
            best is None
            or crossing < best[0]
            or (crossing == best[0] and abs(x - middle) < abs(best[1] - middle))
        ):
            best = (crossing, x)
    assert best is not None
    crossing, x = best
    before = [x1 - x0 for x0, x1 in runs if x1 <= x + 3]
    after = [x1 - x0 for x0, x1 in runs if x0 >= x - 3]
    if min(len(before), len(after)) < _LEAST_LINES or crossing > 0.6 * (len(before) + len(after)):
        return None
    wide = 0.25 * (right - left)
    starts = sorted(x0 for x0, _ in runs if x0 >= x - 3)
    aligned = sum(abs(start - starts[len(starts) // 4]) < 12 for start in starts)
    return x if median(before) > wide and median(after) > wide and aligned >= 0.5 * len(starts) else None
