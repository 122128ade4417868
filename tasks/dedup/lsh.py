"""Pairs of similar sets by MinHash and LSH bands: for long texts, and where bands are joined out of core.

Two sets whose signatures agree in all values of a band are candidates (Broder 1997; Leskovec, Rajaraman and Ullman,
Mining of Massive Datasets, 3.4). Candidates are compared exactly, so nothing is a duplicate by
chance; what can be missed is the S-curve: a pair at the threshold is found with the probability asked for, a closer
one with more.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.dedup.jaccard import Pairs, verified
from tasks.dedup.minhash import PERMUTATIONS, SEED, U32, signatures
from tasks.dedup.normalise import Texts, folded_array
from tasks.dedup.prefix import expanded
from tasks.dedup.tokens import I64, U64, Ragged, mix, shingles, tokens

RECALL = 0.95
_SLICE = 1 << 13  # rows whose signatures are in memory at once, a thread: 4 MiB


@dataclass(frozen=True, slots=True)
class LshIndex:
    """Sets to be searched by their bands: `keys`, shape (bands, sets), sorted in each band; `rows` of the same
    shape, whose set each is. Flat arrays: it can be stored and memory-mapped."""

    keys: U64
    rows: I64

    @classmethod
    def of(cls, sets: Ragged, rows: I64, *, threshold: float, recall: float = RECALL) -> LshIndex:
        """Index the given rows of `sets`, under their numbers."""
        keys = band_keys(sets.take(rows), threshold=threshold, recall=recall)
        order = np.argsort(keys, axis=1, kind="stable")
        return cls(np.take_along_axis(keys, order, axis=1), rows[order])

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"bands": np.array([len(self.keys)]), "keys": self.keys.ravel(), "rows": self.rows.ravel()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> LshIndex:
        shape = (int(arrays["bands"][0]), len(arrays["keys"]) // int(arrays["bands"][0]))
        return cls(arrays["keys"].reshape(shape), arrays["rows"].reshape(shape))

    def search(self, keys: U64) -> Iterator[tuple[I64, I64]]:
        """Blocks of (column of keys, row indexed) that share a band, a pair once for each they share."""
        for mine, there, rows in zip(keys, self.keys, self.rows, strict=True):
            some = np.flatnonzero(mine)
            begins = np.searchsorted(there, mine[some], side="left")
            ends = np.searchsorted(there, mine[some], side="right")
            for which, places in expanded(begins, ends):
                yield some[which], rows[places]


def similar_pairs(
    texts: Texts,
    languages: Sequence[str] | None,
    *,
    threshold: float = 0.7,
    n: int = 3,
    recall: float = RECALL,
    permutations: int = PERMUTATIONS,
    seed: int = SEED,
    against: tuple[Texts, Sequence[str] | None] | None = None,
) -> Pairs:
    """As tasks.dedup.jaccard.similar_pairs, but a pair at the threshold is found with probability `recall` (a
    closer one with more); every pair given is verified exactly."""

    def sketched(texts: Texts, languages: Sequence[str] | None) -> tuple[Ragged, U64]:
        elements = shingles(tokens(folded_array(texts), languages), n)
        keys = band_keys(elements, threshold=threshold, recall=recall, permutations=permutations, seed=seed)
        return elements, keys

    own, mine = sketched(texts, languages)
    if against is None:
        return verified(own, own, pairs_within(mine), threshold)
    other, theirs = sketched(*against)
    order = np.argsort(theirs, axis=1)
    index = LshIndex(np.take_along_axis(theirs, order, axis=1), order)
    return verified(own, other, index.search(mine), threshold)


def bands_for(threshold: float, recall: float, permutations: int = PERMUTATIONS) -> tuple[int, int]:
    """(bands, values a band): the widest bands with which a pair at the threshold shares one with probability
    `recall`; wider bands make fewer false candidates."""
    if not 0 < threshold <= 1 or not 0 < recall < 1:
        raise ValueError(
            f"the threshold must lie in (0, 1] and the recall in (0, 1), got {threshold} and {recall}"
        )
    for width in range(permutations, 0, -1):
        bands = permutations // width
        if s_curve(threshold, bands, width) >= recall:
            return bands, width
    raise ValueError(
        f"{permutations} permutations cannot find pairs at {threshold} with probability {recall}: use more"
    )


def s_curve(similarity: float, bands: int, width: int) -> float:
    """The probability that a pair of this Jaccard similarity shares a band: 1 - (1 - s^width)^bands."""
    return 1.0 - float((1.0 - similarity**width) ** bands)


def band_keys(
    elements: Ragged,
    *,
    threshold: float,
    recall: float = RECALL,
    permutations: int = PERMUTATIONS,
    seed: int = SEED,
) -> U64:
    """A hash for each band of each row's signature, shape (bands, rows); 0 for a row without elements. Signatures
    are made a slice at a time, on every core: they are never all in memory."""
    bands, width = bands_for(threshold, recall, permutations)
    keys = np.zeros((bands, len(elements)), dtype=np.uint64)

    def work(begin: int) -> None:
        end = min(begin + _SLICE, len(elements))
        part = elements.between(begin, end)
        some = keys_of(signatures(part, permutations=permutations, seed=seed), bands, width)
        keys[:, begin:end] = np.where(part.lengths > 0, some, 0)

    starts = range(0, len(elements), _SLICE)
    if len(starts) <= 1:
        for begin in starts:
            work(begin)
        return keys
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        list(threads.map(work, starts))
    return keys


def keys_of(signature: U32, bands: int, width: int) -> U64:
    """Band hashes of signatures, shape (bands, rows); never 0."""
    columns = signature[:, : bands * width].T.reshape(bands, width, len(signature)).astype(np.uint64)
    total = columns[:, 0]
    for column in range(1, width):
        total = total * np.uint64(0x9E3779B97F4A7C15) + columns[:, column]
    return np.maximum(mix(total), np.uint64(1))


def pairs_within(keys: U64) -> Iterator[tuple[I64, I64]]:
    """Blocks of (smaller row, larger row) that share a band, a pair once for each they share."""
    bits = np.uint64(max(1, keys.shape[1].bit_length()))
    rows = np.arange(keys.shape[1], dtype=np.uint64)
    for band in keys:
        # the row in the low bits: sorting values is many times as fast as sorting by an order, and what
        # meets by the bits cut off is verified like the rest
        packed = np.sort(((band >> bits << bits) | rows)[band > 0])
        key = packed >> bits
        row = (packed & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)
        last = np.flatnonzero(np.append(key[1:] != key[:-1], len(key) > 0))
        ends = np.repeat(last + 1, np.diff(np.append(-1, last)))
        for which, places in expanded(np.arange(1, len(row) + 1), ends):
            yield row[which], row[places]
