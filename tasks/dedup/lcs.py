"""ROUGE-L novelty: the longest common subsequence of tokens, as self-instruct filters with it
(Wang et al. 2022: a new instruction stays if its ROUGE-L with everything kept is at most 0.7).

Decisions are those of rouge_score's rougeL F-measure with its default tokenizer, found without the
quadratic scan: LCS <= multiset overlap <= (m + n - hamming) / 2 of parity bitmaps, so a FAISS binary
index a band of lengths finds every pair that can pass, and RapidFuzz decides the rest exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt
from rapidfuzz import process
from rapidfuzz.distance import LCSseq

from tasks.dedup.jaccard import F64, Pairs, parity_bitmaps
from tasks.dedup.tokens import I64, U64, Bools, Ragged, concatenate, mix, rouge_tokens, sort_rows

Comparable = Callable[[I64, I64], Bools]
"""Given (rows of texts, rows of pool + texts), which pairs count."""

_BAND = 1.12  # ratio of the longest to the shortest text of a band
_BLOCK = 4096  # texts judged against the same state of the pool
_QUERIES = 256  # bounds the answer of one index search
_TOKENS = (
    1 << 20
)  # tokens verified together; every distinct one is a code point, of which there are 1.1 million


def novel(
    texts: Sequence[str],
    pool_texts: Sequence[str],
    *,
    threshold: float = 0.7,
    languages: Sequence[str] | None = None,
    pool_languages: Sequence[str] | None = None,
    comparable: Comparable | None = None,
) -> list[tuple[int, float] | None]:
    """Judge the texts in order: None where a text's ROUGE-L F-measure is <= threshold with the whole
    pool and with every earlier text that was kept; else (index, score) of one that it is too close to
    (of the pool where there is one, the closest): index < len(pool_texts) for the pool,
    len(pool_texts) + j for the earlier text j."""
    pool = rouge_tokens(pool_texts, pool_languages)
    return novel_tokens(rouge_tokens(texts, languages), pool, threshold=threshold, comparable=comparable)


def novel_tokens(
    own: Ragged, pool: Ragged, *, threshold: float, comparable: Comparable | None = None
) -> list[tuple[int, float] | None]:
    """As `novel`, on token hashes."""
    _check(threshold)
    everything = concatenate([pool, own])
    bitmaps = _multiset_bitmaps(everything)
    index = _Bands(everything.lengths, bitmaps, threshold)
    index.add(np.arange(len(pool)))
    found: list[tuple[int, float] | None] = [None] * len(own)

    def passing(rows: I64, pairs: Iterator[tuple[I64, I64]]) -> Pairs:
        return _verified(everything, pairs, threshold, len(pool), comparable)

    for begin in range(0, len(own), _BLOCK):
        rows = np.arange(begin, min(begin + _BLOCK, len(own))) + len(pool)
        hits = passing(rows, index.search(rows))
        for row, other, score in _best(hits):
            found[row - len(pool)] = (other, score)
        rest = np.array([row for row in rows if found[row - len(pool)] is None], dtype=np.int64)
        fresh = _Bands(everything.lengths, bitmaps, threshold)
        fresh.add(rest)
        inner = passing(rest, fresh.search(rest))
        inner = inner.where(inner.right < inner.left)
        # in order: an earlier text counts only if it was itself kept
        order = np.lexsort((inner.right, -inner.score, inner.left))
        for k in order:
            row, other = int(inner.left[k]), int(inner.right[k])
            if found[row - len(pool)] is None and found[other - len(pool)] is None:
                found[row - len(pool)] = (other, float(inner.score[k]))
        index.add(np.array([row for row in rest if found[row - len(pool)] is None], dtype=np.int64))
    return found


def similar_pairs(
    texts: Sequence[str],
    languages: Sequence[str] | None = None,
    *,
    threshold: float = 0.7,
    against: tuple[Sequence[str], Sequence[str] | None] | None = None,
) -> Pairs:
    """Every pair with ROUGE-L F-measure > threshold: within `texts` (left < right), or across to
    `against` = (texts, languages)."""
    _check(threshold)
    own = rouge_tokens(texts, languages)
    other = rouge_tokens(*against) if against is not None else None
    everything = own if other is None else concatenate([other, own])
    shift = 0 if other is None else len(other)
    index = _Bands(everything.lengths, _multiset_bitmaps(everything), threshold)
    index.add(np.arange(len(own) if other is None else shift))
    rows = np.arange(len(own)) + shift
    found = _verified(everything, index.search(rows), threshold, shift, None)
    if other is None:
        found = found.where(found.left < found.right)
    left = found.left - shift
    order = np.lexsort((found.right, left))
    return Pairs(left[order], found.right[order], found.score[order])


def rouge_l(left: Sequence[str], right: Sequence[str], languages: Sequence[str] | None = None) -> F64:
    """ROUGE-L F-measure of left[k] with right[k]: the float that rouge_score gives, bit for bit."""
    if len(left) != len(right):
        raise ValueError(f"{len(left)} texts on the left but {len(right)} on the right")
    both = concatenate([rouge_tokens(left, languages), rouge_tokens(right, languages)])
    rows = np.arange(len(left), dtype=np.int64)
    return _f_measure(both, rows, rows + len(left))


def _check(threshold: float) -> None:
    if not 0 < threshold <= 1:
        raise ValueError(f"the ROUGE-L threshold must lie in (0, 1], got {threshold}")


def _best(hits: Pairs) -> Iterator[tuple[int, int, float]]:
    """For each left row its most similar right row; ties to the earliest."""
    order = np.lexsort((hits.right, -hits.score, hits.left))
    rows = hits.left[order]
    first = np.ones(len(rows), dtype=bool)
    first[1:] = rows[1:] != rows[:-1]
    for k in order[first]:
        yield int(hits.left[k]), int(hits.right[k]), float(hits.score[k])


def _verified(
    everything: Ragged,
    candidates: Iterator[tuple[I64, I64]],
    threshold: float,
    shift: int,
    comparable: Comparable | None,
) -> Pairs:
    """The candidates whose F-measure is above the threshold; left rows are numbered in `everything`."""
    lefts, rights, scores = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)]
    for left, right in candidates:
        if comparable is not None and len(left):
            allowed = comparable(left - shift, right)
            left, right = left[allowed], right[allowed]
        score = _f_measure(everything, left, right)
        good = score > threshold
        lefts.append(left[good])
        rights.append(right[good])
        scores.append(score[good])
    return Pairs(np.concatenate(lefts), np.concatenate(rights), np.concatenate(scores))


def _f_measure(everything: Ragged, left: I64, right: I64) -> F64:
    lengths = everything.lengths
    m, n = lengths[left], lengths[right]
    shared = _lcs_lengths(everything, left, right)
    # the same operations in the same order as rouge_score: a borderline 0.7 must round alike
    precision = shared / np.maximum(m, 1)
    recall = shared / np.maximum(n, 1)
    total = precision + recall
    return np.divide(2 * precision * recall, total, out=np.zeros(len(left)), where=total > 0)


def _lcs_lengths(everything: Ragged, left: I64, right: I64) -> I64:
    found = np.zeros(len(left), dtype=np.int64)
    lengths = everything.lengths
    cost = np.cumsum(lengths[left] + lengths[right])
    begin = 0
    while begin < len(left):
        done = int(cost[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(cost, done + _TOKENS, side="right")))
        a, b = left[begin:end], right[begin:end]
        rows, inverse = np.unique(np.concatenate([a, b]), return_inverse=True)
        words = _as_strings(everything.take(rows))
        first = [words[k] for k in inverse[: len(a)]]
        second = [words[k] for k in inverse[len(a) :]]
        found[begin:end] = process.cpdist(first, second, scorer=LCSseq.similarity, dtype=np.int64, workers=-1)
        begin = end
    return found


def _as_strings(rows: Ragged) -> list[str]:
    """Token sequences as strings of one code point a token: RapidFuzz's fastest input."""
    distinct, codes = np.unique(rows.values, return_inverse=True)
    if len(distinct) > 0x10FFFF - 0x800:
        longest = int(rows.lengths.max())
        raise ValueError(f"a text of {longest} tokens is too long for the LCS comparison: split it")
    points = codes.astype("<u4")
    points[points >= 0xD800] += 0x800  # over the surrogates
    text = points.tobytes().decode("utf-32-le")
    return [text[a:b] for a, b in zip(rows.offsets[:-1].tolist(), rows.offsets[1:].tolist(), strict=True)]


def _multiset_bitmaps(rows: Ragged) -> U64:
    """Parity bitmaps of (token, how many times it came before): sets that stand for multisets."""
    ordered = sort_rows(rows)
    row = rows.row_of_value
    position = np.arange(len(ordered))
    fresh = np.ones(len(ordered), dtype=bool)
    fresh[1:] = (ordered[1:] != ordered[:-1]) | (row[1:] != row[:-1])
    run = position - np.maximum.accumulate(np.where(fresh, position, 0))
    return parity_bitmaps(Ragged(rows.offsets, mix(ordered + run.astype(np.uint64))))


class _Bands:
    """FAISS binary indexes, one a band of text lengths."""

    def __init__(self, lengths: I64, bitmaps: U64, threshold: float) -> None:
        self._lengths = lengths
        self._codes = bitmaps.view(np.uint8).reshape(len(bitmaps), bitmaps.shape[1] * 8)
        self._slack = 1 - threshold
        self._band = np.floor(np.log(np.maximum(lengths, 1)) / np.log(_BAND)).astype(np.int64)
        self._ids: dict[int, list[I64]] = {}
        self._index: dict[int, Any] = {}

    def add(self, rows: npt.NDArray[Any]) -> None:
        rows = rows[self._lengths[rows] > 0]
        for band in np.unique(self._band[rows]).tolist():
            some = rows[self._band[rows] == band]
            if band not in self._index:
                self._index[band] = faiss.IndexBinaryFlat(self._codes.shape[1] * 8)
                self._ids[band] = []
            self._index[band].add(np.ascontiguousarray(self._codes[some]))
            self._ids[band].append(some)

    def search(self, rows: I64) -> Iterator[tuple[I64, I64]]:
        """Blocks of (row, indexed row) whose bound on the LCS allows the threshold; never (row, row)."""
        rows = rows[self._lengths[rows] > 0]
        lengths = self._lengths
        members = {band: np.concatenate(parts) for band, parts in self._ids.items()}
        spans_of = {band: (lengths[ids].min(), lengths[ids].max()) for band, ids in members.items()}
        for band in np.unique(self._band[rows]).tolist():
            mine = rows[self._band[rows] == band]
            low, high = int(lengths[mine].min()), int(lengths[mine].max())
            for other, (least, most) in spans_of.items():
                # LCS <= the shorter: 2 * min / (m + n) bounds the score
                gap = max(int(least) - high, low - int(most), 0)
                if gap > self._slack * (
                    max(low, int(least)) + min(high, int(most))
                ) + 1e-9 and gap > self._slack * (high + int(most)):
                    continue
                radius = int(np.floor(self._slack * (high + int(most)) + 1e-9)) + 1
                for begin in range(0, len(mine), _QUERIES):
                    some = mine[begin : begin + _QUERIES]
                    yield self._near(some, other, members[other], radius)

    def _near(self, rows: I64, band: int, members: I64, radius: int) -> tuple[I64, I64]:
        limits, distance, found = self._index[band].range_search(
            np.ascontiguousarray(self._codes[rows]), radius
        )
        left = np.repeat(rows, np.diff(limits.astype(np.int64)))
        right = members[found]
        together = self._lengths[left] + self._lengths[right]
        good = (distance <= self._slack * together + 1e-9) & (left != right)
        return left[good], right[good]
