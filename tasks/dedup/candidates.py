"""Candidates for Jaccard whatever the length: short sets by the exact prefix filter, long ones by MinHash.

A prefix index holds a third of a set's elements, an LSH index a fixed number of bands: for a short question the
first is smaller and misses nothing, for a text of thousands of words the second is. A pair is looked for by the prefix
filter if both of its sets are short. If one of them is long, the other has at least threshold times as many elements,
so sets from there on are in the LSH index too: only pairs with a long set depend on the S-curve.
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
        """Blocks of (row of sets, row indexed) that may have the similarity; a pair can come more than once."""
        yield from self.prefix.search(_only(sets, ~_long(sets, settings)))
        rows = np.flatnonzero(_near_long(sets, settings))
        for left, right in self.bands.search(_keys(sets.take(rows), settings)):
            yield rows[left], right


def pairs_within(sets: Ragged, settings: DedupSettings) -> Pairs:
    """Every pair of the sets (left < right) with the similarity, each once, verified."""
    found = join(_only(sets, ~_long(sets, settings)), threshold=settings.jaccard)
    rows = np.flatnonzero(_near_long(sets, settings))
    some = sets.take(rows)
    more = verified(some, some, lsh.pairs_within(_keys(some, settings)), settings.jaccard)
    # those of two short sets have been found exactly
    more = Pairs(rows[more.left], rows[more.right], more.score)
    long = _long(sets, settings)
    more = more.where(long[more.left] | long[more.right])
    return Pairs(
        np.concatenate([found.left, more.left]),
        np.concatenate([found.right, more.right]),
        np.concatenate([found.score, more.score]),
    )


def _long(sets: Ragged, settings: DedupSettings) -> Bools:
    found: Bools = sets.lengths >= settings.minhash_from
    return found


def _near_long(sets: Ragged, settings: DedupSettings) -> Bools:
    least = least_shared(np.array([settings.minhash_from]), settings.jaccard)[0]
    found: Bools = sets.lengths >= least
    return found


def _keys(sets: Ragged, settings: DedupSettings) -> npt.NDArray[np.uint64]:
    return lsh.band_keys(sets, threshold=settings.jaccard, recall=settings.minhash_recall)


def _only(sets: Ragged, rows: Bools) -> Ragged:
    """The sets with the others emptied, so that rows keep their numbers."""
    if rows.all():
        return sets
    lengths = np.where(rows, sets.lengths, 0)
    return Ragged(offsets_of(lengths), sets.values[np.repeat(rows, sets.lengths)])
