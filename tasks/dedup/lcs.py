"""ROUGE-L novelty: the filter of self-instruct by the longest common subsequence of tokens.

As in Wang et al. 2022, a new instruction is kept if its ROUGE-L with every kept one is at most 0.7. Decisions
are those of rouge_score's rougeL F-measure with its default tokenizer, without the quadratic scan:
tasks.dedup.bands yields every pair that can pass, and RapidFuzz decides exactly. Guards only remove pairs:
`comparable` decides which pairs are compared at all, `confirmed` which of those above the threshold count. Without both,
decisions equal those of rouge_score.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from tasks.dedup.bands import Bands, candidates
from tasks.dedup.jaccard import Pairs
from tasks.dedup.rouge import f_measure, rouge_l
from tasks.dedup.tokens import I64, Bools, Ragged, rouge_tokens

__all__ = ["novel", "passing", "rouge_l", "sequential", "similar_pairs"]

Comparable = Callable[[I64, I64], Bools]
"""Which pairs (left rows, right rows) count."""

_BLOCK = 4096  # texts that are compared with the same set of kept texts
_PAIRS = 1 << 20  # candidate pairs that are collected before they are verified


def novel(
    texts: Sequence[str],
    pool_texts: Sequence[str],
    *,
    threshold: float = 0.7,
    languages: Sequence[str] | None = None,
    pool_languages: Sequence[str] | None = None,
    comparable: Comparable | None = None,
) -> list[tuple[int, float] | None]:
    """Judge the texts in order: None for a text that is kept, or else (index, score) of one that it is too
    similar to.

    A text is kept if its ROUGE-L F-measure is <= threshold with the whole pool and with every earlier text
    that was kept. index < len(pool_texts) is a text of the pool (the most similar one), len(pool_texts) + j
    the earlier text j. `comparable` takes rows of texts and indexes of this numbering.
    """
    _check(threshold)
    own, pool = rouge_tokens(texts, languages), rouge_tokens(pool_texts, pool_languages)
    closest: list[tuple[int, float] | None] = [None] * len(own)
    rows = np.arange(len(own), dtype=np.int64)
    pairs = candidates(own, rows, [Bands.of(pool)], threshold)
    for row, other, score in strongest(
        passing(own, pool, ((a, b) for _, a, b in pairs), threshold, comparable)
    ):
        closest[row] = (other, score)
    rest = np.array([row for row in rows.tolist() if closest[row] is None], dtype=np.int64)
    shifted = None if comparable is None else lambda left, right: comparable(left, right + len(pool))
    for row, other, score in sequential(own, rest, threshold, shifted):
        closest[row] = (len(pool) + other, score)
    return closest


def sequential(
    own: Ragged,
    rows: I64,
    threshold: float,
    comparable: Comparable | None = None,
    confirmed: Comparable | None = None,
) -> list[tuple[int, int, float]]:
    """Apply self-instruct's filter to the given rows in their order.

    Returns (row that is dropped, kept row that it is too similar to, F-measure). A dropped row drops no
    other.
    """
    gone: dict[int, tuple[int, float]] = {}
    kept: list[Bands] = []
    turn = np.empty(len(own), dtype=np.int64)
    turn[rows] = np.arange(len(rows))
    for begin in range(0, len(rows), _BLOCK):
        block = rows[begin : begin + _BLOCK]
        earlier = ((a, b) for _, a, b in candidates(own, block, kept, threshold))
        for row, other, score in strongest(passing(own, own, earlier, threshold, comparable, confirmed)):
            gone[row] = (other, score)
        block = np.array([row for row in block.tolist() if row not in gone], dtype=np.int64)
        within = ((a, b) for _, a, b in candidates(own, block, [Bands.of(own, block)], threshold))
        forward = ((a[turn[b] < turn[a]], b[turn[b] < turn[a]]) for a, b in within)
        pairs = passing(own, own, forward, threshold, comparable, confirmed)
        # in order, because an earlier row counts only if it was kept
        for k in np.lexsort((pairs.right, -pairs.score, turn[pairs.left])).tolist():
            row, other = int(pairs.left[k]), int(pairs.right[k])
            if row not in gone and other not in gone:
                gone[row] = (other, float(pairs.score[k]))
        kept.append(
            Bands.of(own, np.array([row for row in block.tolist() if row not in gone], dtype=np.int64))
        )
    return [(row, other, score) for row, (other, score) in gone.items()]


def similar_pairs(
    texts: Sequence[str],
    languages: Sequence[str] | None = None,
    *,
    threshold: float = 0.7,
    against: tuple[Sequence[str], Sequence[str] | None] | None = None,
) -> Pairs:
    """Return every pair with ROUGE-L F-measure > threshold.

    Pairs are within `texts` (left < right), or across to `against` = (texts, languages).
    """
    _check(threshold)
    own = rouge_tokens(texts, languages)
    other = own if against is None else rouge_tokens(*against)
    pairs = ((a, b) for _, a, b in candidates(own, np.arange(len(own)), [Bands.of(other)], threshold))
    if against is None:
        pairs = ((a[a < b], b[a < b]) for a, b in pairs)
    similar = passing(own, other, pairs, threshold)
    order = np.lexsort((similar.right, similar.left))
    return Pairs(similar.left[order], similar.right[order], similar.score[order])


def passing(
    own: Ragged,
    other: Ragged,
    pairs: Iterable[tuple[I64, I64]],
    threshold: float,
    comparable: Comparable | None = None,
    confirmed: Comparable | None = None,
) -> Pairs:
    """Return the candidate pairs (rows of own, rows of other) whose F-measure is above the threshold.

    `confirmed` costs more than `comparable`, so it is only called on pairs above the threshold.
    """
    nothing = np.zeros(0, np.int64)
    parts = [Pairs(nothing, nothing, np.zeros(0))]
    waiting: list[tuple[I64, I64]] = []

    def verify() -> None:
        left, right = (np.concatenate(side) for side in zip(*waiting, strict=True))
        waiting.clear()
        score = f_measure(own, other, left, right)
        pairs = Pairs(left, right, score).where(score > threshold)
        if confirmed is not None and len(pairs):
            pairs = pairs.where(confirmed(pairs.left, pairs.right))
        parts.append(pairs)

    held = 0
    for left, right in pairs:
        if comparable is not None and len(left):
            allowed = comparable(left, right)
            left, right = left[allowed], right[allowed]
        waiting.append((left, right))
        held += len(left)
        if held >= _PAIRS:
            verify()
            held = 0
    if waiting:
        verify()
    return Pairs(
        np.concatenate([part.left for part in parts]),
        np.concatenate([part.right for part in parts]),
        np.concatenate([part.score for part in parts]),
    )


def strongest(pairs: Pairs) -> list[tuple[int, int, float]]:
    """Return (left, right, score) for each left row with its most similar right row, ties to the smallest."""
    order = np.lexsort((pairs.right, -pairs.score, pairs.left))
    rows = pairs.left[order]
    first = np.ones(len(rows), dtype=bool)
    first[1:] = rows[1:] != rows[:-1]
    chosen = order[first]
    return list(
        zip(
            pairs.left[chosen].tolist(),
            pairs.right[chosen].tolist(),
            pairs.score[chosen].tolist(),
            strict=True,
        )
    )


def _check(threshold: float) -> None:
    if not 0 < threshold <= 1:
        raise ValueError(f"the ROUGE-L threshold must lie in (0, 1], got {threshold}")
