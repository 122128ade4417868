"""Finds pairs of similar sets by MinHash and LSH bands, for long texts and where bands are joined out of core.

Two sets whose signatures agree in all values of a band are candidates (Broder 1997; Leskovec, Rajaraman and
Ullman, Mining of Massive Datasets, 3.4). Candidates are compared exactly, so no pair is a duplicate by
chance. Which pairs can be missed follows from the S-curve: a pair at the threshold is found with the
requested probability, a more similar one with a higher probability.
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
_SLICE = 1 << 13  # rows whose signatures are in memory at once per thread: 4 MiB


@dataclass(frozen=True, slots=True)
class LshIndex:
    """Sets to be searched by their bands.

    `keys`, shape (bands, sets), is sorted in each band; `rows`, of the same shape, has the row of each key.
    The flat arrays can be stored and memory-mapped.
    """

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
        """Yield blocks of (column of keys, row indexed) that share a band, a pair once per band that it
        shares.
        """
        for band_queries, band_keys, rows in zip(keys, self.keys, self.rows, strict=True):
            columns = np.flatnonzero(band_queries)
            begins = np.searchsorted(band_keys, band_queries[columns], side="left")
            ends = np.searchsorted(band_keys, band_queries[columns], side="right")
            for which, places in expanded(begins, ends):
                yield columns[which], rows[places]


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
    """Find pairs as tasks.dedup.jaccard.similar_pairs does, those at the threshold with probability
    `recall`.

    More similar pairs are found with a higher probability; every pair returned is verified exactly.
    """

    def sketched(texts: Texts, languages: Sequence[str] | None) -> tuple[Ragged, U64]:
        elements = shingles(tokens(folded_array(texts), languages), n)
        keys = band_keys(elements, threshold=threshold, recall=recall, permutations=permutations, seed=seed)
        return elements, keys

    own, own_keys = sketched(texts, languages)
    if against is None:
        return verified(own, own, pairs_within(own_keys), threshold)
    other, other_keys = sketched(*against)
    order = np.argsort(other_keys, axis=1)
    index = LshIndex(np.take_along_axis(other_keys, order, axis=1), order)
    return verified(own, other, index.search(own_keys), threshold)


def bands_for(threshold: float, recall: float, permutations: int = PERMUTATIONS) -> tuple[int, int]:
    """Return (bands, values per band): the widest bands that find a pair at the threshold with probability
    `recall`.

    Wider bands make fewer false candidates. Raises ValueError if the arguments are out of range, or if the
    permutations are too few.
    """
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
    """Return the probability that a pair of this Jaccard similarity shares a band: 1 - (1 - s^width)^bands."""
    return 1.0 - float((1.0 - similarity**width) ** bands)


def band_keys(
    elements: Ragged,
    *,
    threshold: float,
    recall: float = RECALL,
    permutations: int = PERMUTATIONS,
    seed: int = SEED,
) -> U64:
    """Return a hash per band of each row's signature, shape (bands, rows); 0 for a row without elements.

    Signatures are computed slice by slice, on every core: they are never all in memory.
    """
    bands, width = bands_for(threshold, recall, permutations)
    keys = np.zeros((bands, len(elements)), dtype=np.uint64)

    def work(begin: int) -> None:
        end = min(begin + _SLICE, len(elements))
        part = elements.between(begin, end)
        part_keys = keys_of(signatures(part, permutations=permutations, seed=seed), bands, width)
        keys[:, begin:end] = np.where(part.lengths > 0, part_keys, 0)

    starts = range(0, len(elements), _SLICE)
    if len(starts) <= 1:
        for begin in starts:
            work(begin)
        return keys
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        list(threads.map(work, starts))
    return keys


def keys_of(signature: U32, bands: int, width: int) -> U64:
    """Return the band hashes of signatures, shape (bands, rows); never 0."""
    columns = signature[:, : bands * width].T.reshape(bands, width, len(signature)).astype(np.uint64)
    total = columns[:, 0]
    for column in range(1, width):
        total = total * np.uint64(0x9E3779B97F4A7C15) + columns[:, column]
    return np.maximum(mix(total), np.uint64(1))


def pairs_within(keys: U64) -> Iterator[tuple[I64, I64]]:
    """Yield blocks of (smaller row, larger row) that share a band, a pair once per band that it shares."""
    bits = np.uint64(max(1, keys.shape[1].bit_length()))
    rows = np.arange(keys.shape[1], dtype=np.uint64)
    for band in keys:
        # the row in the low bits: sorting values is many times as fast as sorting by an order, and pairs
        # that match only because of the bits cut off are verified like the rest
        packed = np.sort(((band >> bits << bits) | rows)[band > 0])
        key = packed >> bits
        row = (packed & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)
        last = np.flatnonzero(np.append(key[1:] != key[:-1], len(key) > 0))
        ends = np.repeat(last + 1, np.diff(np.append(-1, last)))
        for which, places in expanded(np.arange(1, len(row) + 1), ends):
            yield row[which], row[places]
