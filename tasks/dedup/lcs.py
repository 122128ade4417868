"""ROUGE-L novelty: the longest common subsequence of tokens, as self-instruct filters with it
(Wang et al. 2022: a new instruction stays if its ROUGE-L with everything kept is at most 0.7).

Decisions are those of rouge_score's rougeL F-measure with its default tokenizer, found without the
quadratic scan: LCS <= multiset overlap <= (m + n - hamming) / 2 of parity bitmaps, so a FAISS binary
index a band of lengths finds every pair that can pass, and RapidFuzz decides the rest exactly.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt
from rapidfuzz import process
from rapidfuzz.distance import LCSseq

from tasks.dedup.jaccard import F64, Pairs, parity_bitmaps
from tasks.dedup.tokens import I64, Bools, Ragged, concatenate, mix, rouge_tokens, sort_rows

Comparable = Callable[[I64, I64], Bools]
"""Given (rows of texts, rows of pool + texts), which pairs count."""

_BAND = 1.12  # ratio of the longest to the shortest text of a band
_BLOCK = 4096  # texts judged against the same state of the pool
_QUERIES = 1024  # bounds the answer of one index search
_PAIRS = 1 << 17  # pairs given to RapidFuzz together: it starts its threads anew each time
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
    index = _Bands(everything, threshold)
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
        fresh = index.emptied()
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
    index = _Bands(everything, threshold)
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
    nothing = np.zeros(0, np.int64)
    found = [Pairs(nothing, nothing, np.zeros(0))]
    waiting: list[tuple[I64, I64]] = []

    def verify() -> None:
        left, right = (np.concatenate(side) for side in zip(*waiting, strict=True))
        waiting.clear()
        score = _f_measure(everything, left, right)
        found.append(Pairs(left, right, score).where(score > threshold))

    for left, right in candidates:
        if comparable is not None and len(left):
            allowed = comparable(left - shift, right)
            left, right = left[allowed], right[allowed]
        waiting.append((left, right))
        if sum(len(some) for some, _ in waiting) >= _PAIRS:
            verify()
    if waiting:
        verify()
    return Pairs(
        np.concatenate([part.left for part in found]),
        np.concatenate([part.right for part in found]),
        np.concatenate([part.score for part in found]),
    )


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


def _multisets(rows: Ragged) -> Ragged:
    """(token, how many times it came before): sets that stand for multisets."""
    ordered = sort_rows(rows)
    row = rows.row_of_value
    position = np.arange(len(ordered))
    fresh = np.ones(len(ordered), dtype=bool)
    fresh[1:] = (ordered[1:] != ordered[:-1]) | (row[1:] != row[:-1])
    run = position - np.maximum.accumulate(np.where(fresh, position, 0))
    return Ragged(rows.offsets, mix(ordered + run.astype(np.uint64)))


def _words_for(length: int) -> int:
    """64-bit words of a bitmap that keeps unrelated texts of this length far outside the radius."""
    return next(
        (words for longest, words in ((24, 2), (60, 4), (160, 8), (640, 32)) if length <= longest), 128
    )


class _Bands:
    """FAISS binary indexes, one a band of text lengths."""

    def __init__(self, rows: Ragged, threshold: float) -> None:
        self._lengths = rows.lengths
        self._sets = _multisets(rows)
        self._slack = 1 - threshold
        self._band = np.floor(np.log(np.maximum(self._lengths, 1)) / np.log(_BAND)).astype(np.int64)
        self._index: dict[int, Any] = {}
        self._members: dict[int, list[I64]] = {}

    def emptied(self) -> _Bands:
        """The same rows, none of them indexed."""
        other = copy.copy(self)
        other._index, other._members = {}, {}
        return other

    def add(self, rows: npt.NDArray[Any]) -> None:
        rows = rows[self._lengths[rows] > 0]
        for band in np.unique(self._band[rows]).tolist():
            some = rows[self._band[rows] == band]
            words = self._words(band)
            if band not in self._index:
                self._index[band] = faiss.IndexBinaryFlat(words * 64)
                self._members[band] = []
            self._index[band].add(self._codes(some, words))
            self._members[band].append(some)

    def search(self, rows: I64) -> Iterator[tuple[I64, I64]]:
        """Blocks of (row, indexed row) whose bound on the LCS allows the threshold; never (row, row)."""
        # one FAISS thread a search and several searches at once: its own threads wait for each other after
        # every search, which on a busy machine takes ten times as long as searching. The number of
        # OpenMP threads is a property of the calling thread, so nobody else is concerned.
        workers = len(os.sched_getaffinity(0))
        with ThreadPoolExecutor(workers, initializer=faiss.omp_set_num_threads, initargs=(1,)) as threads:
            yield from threads.map(lambda job: self._near(*job), self._searches(rows))

    def _searches(self, rows: I64) -> Iterator[tuple[I64, npt.NDArray[np.uint8], int, I64, int]]:
        """(rows, their codes, band to search, its members, radius): only bands near enough in length."""
        rows = rows[self._lengths[rows] > 0]
        members = {band: np.concatenate(parts) for band, parts in self._members.items()}
        for band in np.unique(self._band[rows]).tolist():
            mine = rows[self._band[rows] == band]
            low, high = int(self._lengths[mine].min()), int(self._lengths[mine].max())
            codes: dict[int, npt.NDArray[np.uint8]] = {}
            for other, theirs in members.items():
                least, most = int(self._lengths[theirs].min()), int(self._lengths[theirs].max())
                # the score is at most 2 * min / (m + n)
                short, long = (high, least) if high < least else (most, low) if most < low else (1, 1)
                if long - short > self._slack * (long + short) + 1e-9:
                    continue
                words = self._words(other)
                if words not in codes:
                    codes[words] = self._codes(mine, words)
                radius = int(self._slack * (high + most) + 1e-9) + 1
                for begin in range(0, len(mine), _QUERIES):
                    some = slice(begin, begin + _QUERIES)
                    yield mine[some], codes[words][some], other, theirs, radius

    def _near(
        self, rows: I64, codes: npt.NDArray[np.uint8], band: int, members: I64, radius: int
    ) -> tuple[I64, I64]:
        limits, distance, found = self._index[band].range_search(codes, radius)
        left = np.repeat(rows, np.diff(limits.astype(np.int64)))
        right = members[found]
        together = self._lengths[left] + self._lengths[right]
        good = (distance <= self._slack * together + 1e-9) & (left != right)
        return left[good], right[good]

    def _words(self, band: int) -> int:
        return _words_for(int(_BAND ** (band + 1)))

    def _codes(self, rows: npt.NDArray[Any], words: int) -> npt.NDArray[np.uint8]:
        return parity_bitmaps(self._sets.take(rows), words).view(np.uint8).reshape(len(rows), words * 8)
