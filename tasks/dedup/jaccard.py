"""Finds all pairs of texts whose n-gram sets have a Jaccard similarity of at least a threshold, exactly.

tasks.dedup.prefix yields every pair that can have it, and this module compares them. For short texts this is as fast as the
fastest sketch and misses no pair; for long texts see tasks.dedup.lsh.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tasks.dedup.normalise import Texts, folded_array
from tasks.dedup.prefix import PrefixIndex, pairs_within, within_bound
from tasks.dedup.tokens import (
    I64,
    Ragged,
    offsets_of,
    shingle_sets,
    sort_rows,
    spans,
    tokens,
    unique_in_rows,
)

F64 = npt.NDArray[np.float64]

_BLOCK = 1 << 16  # pairs that are compared together


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs (left[k], right[k]) of row numbers with their similarity in score[k]."""

    left: I64
    right: I64
    score: F64

    def __len__(self) -> int:
        return len(self.left)

    def where(self, mask: npt.NDArray[np.bool_]) -> Pairs:
        return Pairs(self.left[mask], self.right[mask], self.score[mask])


def similar_pairs(
    texts: Texts,
    languages: Sequence[str] | None,
    *,
    threshold: float = 0.7,
    n: int = 3,
    against: tuple[Texts, Sequence[str] | None] | None = None,
) -> Pairs:
    """Return every pair of texts whose word (Chinese: character) n-gram sets have Jaccard >= threshold, by
    (left, right).

    Without `against`, pairs are within `texts` with left < right. With `against` = (texts, languages) of a
    second collection, pairs are only across: left in `texts`, right in the second. Texts without any token
    match nothing. Raises ValueError if the threshold is outside (0, 1].
    """
    own = sets_of(texts, languages, n)
    other = sets_of(*against, n) if against is not None else None
    return join(own, other, threshold=threshold)


def sets_of(texts: Texts, languages: Sequence[str] | None, n: int) -> Ragged:
    """Return the n-gram set of each text's canonical form."""
    return shingle_sets(tokens(folded_array(texts), languages), n)


def join(own: Ragged, other: Ragged | None = None, *, threshold: float) -> Pairs:
    """Find pairs as `similar_pairs` does, on given sets (rows without repeats)."""
    if not 0 < threshold <= 1:
        raise ValueError(f"the Jaccard threshold must lie in (0, 1], got {threshold}")
    right = own if other is None else other
    blocks = pairs_within(own, threshold) if other is None else PrefixIndex.of(right, threshold).search(own)
    if other is None:
        blocks = ((np.minimum(a, b), np.maximum(a, b)) for a, b in blocks)
    first, second = distinct(blocks, len(right))
    score = jaccard_of(own, right, first, second)
    return Pairs(first, second, score).where(score >= threshold)


def distinct(blocks: Iterable[tuple[I64, I64]], width: int) -> tuple[I64, I64]:
    """Return every pair of the blocks once, by (left, right); right < width.

    A pair can meet in several elements of its prefixes, or in several bands.
    """
    scale = np.int64(max(width, 1))
    keys = [np.zeros(0, np.int64), *(np.unique(a * scale + b) for a, b in blocks)]
    first, second = np.divmod(np.unique(np.concatenate(keys)), scale)
    return first, second


def verified(own: Ragged, other: Ragged, candidates: Iterable[tuple[I64, I64]], threshold: float) -> Pairs:
    """Return the candidate pairs that have the similarity, each once, by (left, right).

    Rows may repeat elements: only those of candidates are made into sets.
    """
    left, right = distinct(candidates, len(other))
    left_rows, a = np.unique(left, return_inverse=True)
    right_rows, b = np.unique(right, return_inverse=True)
    own_sets, other_sets = unique_in_rows(own.take(left_rows)), unique_in_rows(other.take(right_rows))
    possible = within_bound(own_sets, other_sets, a, b, threshold)
    left, right, a, b = left[possible], right[possible], a[possible], b[possible]
    score = jaccard_of(own_sets, other_sets, a, b)
    return Pairs(left, right, score).where(score >= threshold)


def jaccard_of(own: Ragged, other: Ragged, left: I64, right: I64) -> F64:
    """Return the exact similarity of the given pairs of sets; blocks bound the memory."""
    score = np.zeros(len(left))
    own_sizes, other_sizes = own.lengths, other.lengths
    for begin in range(0, len(left), _BLOCK):
        a, b = left[begin : begin + _BLOCK], right[begin : begin + _BLOCK]
        shared = _intersections(own, other, a, b)
        union = own_sizes[a] + other_sizes[b] - shared
        score[begin : begin + _BLOCK] = shared / np.maximum(union, 1)
    return score


def _intersections(own: Ragged, other: Ragged, left: I64, right: I64) -> I64:
    """Return the sizes of the intersections: both sets of a pair are sorted together and neighbours
    compared.
    """
    a, b = own.lengths[left], other.lengths[right]
    offsets = offsets_of(a + b)
    both = np.empty(offsets[-1], dtype=np.uint64)
    both[spans(offsets[:-1], a)] = own.values[spans(own.offsets[:-1][left], a)]
    both[spans(offsets[:-1] + a, b)] = other.values[spans(other.offsets[:-1][right], b)]
    ordered = sort_rows(Ragged(offsets, both))
    same = np.zeros(len(ordered) + 1, dtype=np.int64)
    same[2:] = np.cumsum(ordered[1:] == ordered[:-1])
    # the first element of a row has no neighbour in the same row
    inside = np.minimum(offsets[:-1] + 1, offsets[1:])
    sizes: I64 = same[offsets[1:]] - same[inside]
    return sizes
