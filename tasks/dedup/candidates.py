"""Candidates for Jaccard: short sets by the exact prefix filter, long ones by MinHash.

A prefix index holds a third of a set's elements, an LSH index a fixed number of bands. For a short question
the first is smaller and misses no pair; for a text of thousands of words the second is smaller. A pair is
searched for by the prefix filter if both of its sets are short. If one of them is long, the other has at
least threshold times as many elements, so sets from that size on are in the LSH index too: only pairs with
a long set depend on the S-curve.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.dedup import lsh
from tasks.dedup.jaccard import Pairs, join, verified
from tasks.dedup.lsh import LshIndex
from tasks.dedup.prefix import PrefixIndex, least_shared
from tasks.dedup.settings import DedupSettings
from tasks.dedup.tokens import I64, Bools, Ragged, offsets_of


@dataclass(frozen=True, slots=True)
class NearIndex:
    """The sets of a collection, to be searched for those similar to others."""

    prefix: PrefixIndex
    bands: LshIndex

    @classmethod
    def of(cls, sets: Ragged, settings: DedupSettings) -> NearIndex:
        long = np.flatnonzero(_near_long(sets, settings))
        bands = LshIndex.of(sets, long, threshold=settings.jaccard, recall=settings.minhash_recall)
        return cls(PrefixIndex.of(_only(sets, ~_long(sets, settings)), settings.jaccard), bands)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        prefix = {f"prefix.{name}": values for name, values in self.prefix.arrays().items()}
        return prefix | {f"lsh.{name}": values for name, values in self.bands.arrays().items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> NearIndex:
        prefix, bands = (
            {name.removeprefix(kind): values for name, values in arrays.items() if name.startswith(kind)}
            for kind in ("prefix.", "lsh.")
        )
        return cls(PrefixIndex.from_arrays(prefix), LshIndex.from_arrays(bands))

    def search(self, sets: Ragged, settings: DedupSettings) -> Iterator[tuple[I64, I64]]:
        """Yield blocks of (row of sets, row indexed) that may have the similarity; a pair can come more
        than once.
        """
        yield from self.prefix.search(_only(sets, ~_long(sets, settings)))
        rows = np.flatnonzero(_near_long(sets, settings))
        for left, right in self.bands.search(_keys(sets.take(rows), settings)):
            yield rows[left], right


def pairs_within(sets: Ragged, settings: DedupSettings) -> Pairs:
    """Return every pair of the sets (left < right) with the similarity once, verified."""
    short = join(_only(sets, ~_long(sets, settings)), threshold=settings.jaccard)
    rows = np.flatnonzero(_near_long(sets, settings))
    long_sets = sets.take(rows)
    others = verified(long_sets, long_sets, lsh.pairs_within(_keys(long_sets, settings)), settings.jaccard)
    # pairs of two short sets are in `short`, found exactly
    others = Pairs(rows[others.left], rows[others.right], others.score)
    long = _long(sets, settings)
    others = others.where(long[others.left] | long[others.right])
    return Pairs(
        np.concatenate([short.left, others.left]),
        np.concatenate([short.right, others.right]),
        np.concatenate([short.score, others.score]),
    )


def _long(sets: Ragged, settings: DedupSettings) -> Bools:
    is_long: Bools = sets.lengths >= settings.minhash_from
    return is_long


def _near_long(sets: Ragged, settings: DedupSettings) -> Bools:
    least = least_shared(np.array([settings.minhash_from]), settings.jaccard)[0]
    is_long: Bools = sets.lengths >= least
    return is_long


def _keys(sets: Ragged, settings: DedupSettings) -> npt.NDArray[np.uint64]:
    return lsh.band_keys(sets, threshold=settings.jaccard, recall=settings.minhash_recall)


def _only(sets: Ragged, rows: Bools) -> Ragged:
    """Return the sets with all others emptied, so that rows keep their numbers."""
    if rows.all():
        return sets
    lengths = np.where(rows, sets.lengths, 0)
    return Ragged(offsets_of(lengths), sets.values[np.repeat(rows, sets.lengths)])
