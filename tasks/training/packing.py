"""Pack rows into blocks: best fit, longest first (Ding et al. 2024, arXiv:2404.10830). No row is cut."""

from __future__ import annotations

from bisect import bisect_left, insort

import numpy as np
import numpy.typing as npt


def pack(lengths: npt.NDArray[np.int32], capacity: int) -> list[list[int]]:
    """Return blocks of row numbers; the lengths of the rows of a block add up to at most `capacity` tokens.

    Raises ValueError if a row is longer than `capacity`.
    """
    if len(lengths) and int(lengths.max()) > capacity:
        raise ValueError(f"a row of {int(lengths.max())} tokens does not fit a block of {capacity}")
    blocks: list[list[int]] = []
    room: list[tuple[int, int]] = []  # (tokens left, block), ascending
    for row in np.argsort(-lengths.astype(np.int64), kind="stable").tolist():
        size = int(lengths[row])
        at = bisect_left(room, (size, -1))
        if at < len(room):
            left, block = room.pop(at)
            blocks[block].append(row)
        else:
            left, block = capacity, len(blocks)
            blocks.append([row])
        if left > size:
            insort(room, (left - size, block))
    return blocks
