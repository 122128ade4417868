"""An index of token sequences by length and parity bitmap, which finds every pair whose LCS may pass a
threshold.

LCS <= overlap of the multisets <= (m + n - hamming) / 2, so ROUGE-L F > t needs hamming < (1 - t) * (m +
n). Sequences are ordered by length and divided into bands, which are searched with FAISS's Hamming range search on bitmaps
as narrow as the length allows. The arrays can be memory-mapped, and nothing is copied into an index.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from tasks.dedup.prefix import parity_bitmaps
from tasks.dedup.tokens import I64, U64, Ragged, mix, sort_rows

_RATIO = 1.12  # longest to shortest sequence of a band
_QUERIES = 1024  # sequences per search, which bounds the size of its result
_WIDTHS = ((24, 2), (60, 4), (160, 8), (640, 32), (1 << 62, 128))
"""(up to this many tokens, 64-bit words of a bitmap): unrelated texts stay far outside the radius."""


@dataclass(frozen=True, slots=True)
class Bands:
    """`rows` ordered by length; `codes`: their bitmaps in that order, each as wide as its length requires."""

    rows: I64
    lengths: I64
    codes: U64

    @classmethod
    def of(cls, sequences: Ragged, rows: I64 | None = None) -> Bands:
        """Index the given rows (None: all), under their numbers in `sequences`."""
        chosen = np.arange(len(sequences)) if rows is None else rows
        lengths = sequences.lengths[chosen]
        order = np.argsort(lengths, kind="stable")
        order = order[lengths[order] > 0]
        chosen, lengths = chosen[order], lengths[order]
        sets = multisets(sequences.take(chosen))
        width = _words(lengths)
        parts = [
            parity_bitmaps(sets.take(np.flatnonzero(width == words)), words).ravel()
            for words in np.unique(width).tolist()
        ]
        codes = np.concatenate(parts) if parts else np.zeros(0, np.uint64)
        return cls(chosen.astype(np.int64), lengths, codes)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"rows": self.rows, "lengths": self.lengths, "codes": self.codes}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Bands:
        return cls(arrays["rows"], arrays["lengths"], arrays["codes"])

    def slices(self) -> list[tuple[int, int, int, U64]]:
        """Return (begin, end, words, bitmaps) of each band."""
        if not len(self.rows):
            return []
        width = _words(self.lengths)
        band = np.floor(np.log(self.lengths) / np.log(_RATIO)).astype(np.int64)
        edges = np.flatnonzero((band[1:] != band[:-1]) | (width[1:] != width[:-1])) + 1
        at = np.concatenate([[0], np.cumsum(width)])
        slices = []
        for begin, end in zip([0, *edges.tolist()], [*edges.tolist(), len(self.rows)], strict=True):
            words = int(width[begin])
            slices.append((begin, end, words, self.codes[at[begin] : at[end]].reshape(end - begin, words)))
        return slices


def candidates(
    own: Ragged, rows: I64, indexes: list[Bands], threshold: float
) -> Iterator[tuple[int, I64, I64]]:
    """Yield (number of the index, rows of own, rows indexed) for every pair that may have ROUGE-L F >
    threshold.
    """
    # one FAISS thread per search and several searches at once: FAISS's own threads wait for each other after
    # every search, which on a busy machine takes ten times as long as the search. The number is a property
    # of the calling thread, so no other thread is affected.
    workers = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(workers, initializer=faiss.omp_set_num_threads, initargs=(1,)) as threads:
        yield from threads.map(_near, _searches(own, rows, indexes, 1 - threshold))


@dataclass(frozen=True, slots=True)
class _Search:
    index: int
    rows: I64
    lengths: I64
    codes: U64
    their_rows: I64
    their_lengths: I64
    their_codes: U64
    slack: float


def _searches(own: Ragged, rows: I64, indexes: list[Bands], slack: float) -> Iterator[_Search]:
    """Yield one search per pair of bands whose lengths are close enough."""
    queries = Bands.of(own, rows)
    sets = multisets(own.take(queries.rows))
    parts = [(number, index, part) for number, index in enumerate(indexes) for part in index.slices()]
    for begin, end, _, _ in queries.slices():
        low, high = int(queries.lengths[begin]), int(queries.lengths[end - 1])
        codes: dict[int, U64] = {}
        for number, index, (first, last, words, bitmaps) in parts:
            least, most = int(index.lengths[first]), int(index.lengths[last - 1])
            # the score is at most 2 * shorter / (m + n)
            short, long = (high, least) if high < least else (most, low) if most < low else (1, 1)
            if long - short > slack * (long + short) + 1e-9:
                continue
            if words not in codes:
                codes[words] = parity_bitmaps(sets.take(np.arange(begin, end)), words)
            for start in range(begin, end, _QUERIES):
                stop = min(start + _QUERIES, end)
                yield _Search(
                    number,
                    queries.rows[start:stop],
                    queries.lengths[start:stop],
                    codes[words][start - begin : stop - begin],
                    index.rows[first:last],
                    index.lengths[first:last],
                    bitmaps,
                    slack,
                )


def _near(job: _Search) -> tuple[int, I64, I64]:
    own, other = np.ascontiguousarray(job.codes), np.ascontiguousarray(job.their_codes)
    radius = int(job.slack * (int(job.lengths[-1]) + int(job.their_lengths[-1])) + 1e-9) + 1
    result = faiss.RangeSearchResult(len(own))
    faiss.hamming_range_search(  # type: ignore[attr-defined]  # its stubs leave it out
        faiss.swig_ptr(own.view(np.uint8)),
        faiss.swig_ptr(other.view(np.uint8)),
        len(own),
        len(other),
        radius,
        own.shape[1] * 8,
        result,
    )
    limits = faiss.rev_swig_ptr(result.lims, len(own) + 1).astype(np.int64)
    total = int(limits[-1])
    right = faiss.rev_swig_ptr(result.labels, total).copy() if total else np.zeros(0, np.int64)
    distance = faiss.rev_swig_ptr(result.distances, total).copy() if total else np.zeros(0)
    left = np.repeat(np.arange(len(own)), np.diff(limits))
    within = distance <= job.slack * (job.lengths[left] + job.their_lengths[right]) + 1e-9
    return job.index, job.rows[left[within]], job.their_rows[right[within]]


def multisets(sequences: Ragged) -> Ragged:
    """Return multisets as sets of (token, how many times it came before)."""
    ordered = sort_rows(sequences)
    row = sequences.row_of_value
    position = np.arange(len(ordered))
    fresh = np.ones(len(ordered), dtype=bool)
    fresh[1:] = (ordered[1:] != ordered[:-1]) | (row[1:] != row[:-1])
    run = position - np.maximum.accumulate(np.where(fresh, position, 0))
    return Ragged(sequences.offsets, mix(ordered + run.astype(np.uint64)))


def _words(lengths: I64) -> I64:
    limits = np.array([longest for longest, _ in _WIDTHS])
    return np.array([words for _, words in _WIDTHS])[np.searchsorted(limits, lengths)]
