"""Hits of items in rows, which rules return."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tasks.dedup.jaccard import F64
from tasks.dedup.tokens import I64


@dataclass(frozen=True, slots=True)
class Hit:
    """Row number `row` holds item `item` ("gsm8k_test#17"); `overlap` is the share of the item found, 0..1."""

    row: int
    item: str
    overlap: float


def nearest_few(row: I64, item: I64, score: F64, count: int) -> npt.NDArray[np.bool_]:
    """Return the mask of the `count` pairs with the highest score per row, ties to the first item."""
    order = np.lexsort((item, -score, row))
    rows = row[order]
    rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
    mask = np.zeros(len(rows), dtype=bool)
    mask[order] = rank < count
    return mask


def strongest(row: I64, item: I64, overlap: F64, names: Sequence[str]) -> list[Hit]:
    """Return one hit per row: the largest overlap, ties to the first item."""
    order = np.lexsort((item, -overlap, row))
    rows = row[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = rows[1:] != rows[:-1]
    return [Hit(int(row[k]), names[int(item[k])], float(overlap[k])) for k in order[first]]
