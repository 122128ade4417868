"""Word n-grams shared with benchmark items, as the rules ngram13 and ngram8 use them.

Texts are canonical, lower case and without punctuation, so a re-wrapped line, another spelling of LaTeX or
a missing comma changes nothing; a Chinese character counts as a word. N-grams of numbers alone count
like any other. An item shorter than n words is looked for as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.decontaminate.hit import Hit, strongest
from tasks.dedup.normalise import canonical_array
from tasks.dedup.tokens import I64, U64, Ragged, shingles, spans, tokens, unique_in_rows

SHORTEST = 5  # words; a shorter item is a phrase that anybody writes ("Find x."): the exact rule has it


@dataclass(frozen=True, slots=True)
class Grams:
    """n-grams of items: for each length in use (n, or the item's own where it is shorter) the sorted
    keys and the item of each; `sizes` is how many n-grams an item has."""

    names: list[str]
    sizes: I64
    by_length: dict[int, tuple[U64, I64]]


def words(texts: list[str], *, operators: bool = False) -> Ragged:
    return tokens(canonical_array(texts), None, operators=operators)


def prepare(texts: list[str], names: list[str], n: int) -> Grams:
    return index(words(texts), names, n, SHORTEST)


def find(texts: list[str], grams: Grams, least: float) -> list[Hit]:
    """For each text the item of which it holds the largest share of n-grams, if that is at least `least`."""
    return lookup(words(texts), grams, least)


def index(found: Ragged, names: list[str], n: int, shortest: int) -> Grams:
    """The n-grams of items that have at least `shortest` words."""
    used = np.minimum(found.lengths, n)
    sizes = np.zeros(len(found), dtype=np.int64)
    by_length = {}
    for length in np.unique(used[found.lengths >= shortest]).tolist():
        rows = np.flatnonzero((used == length) & (found.lengths >= shortest))
        sets = unique_in_rows(shingles(found.take(rows), length))
        sizes[rows] = sets.lengths
        order = np.argsort(sets.values, kind="stable")
        by_length[length] = (sets.values[order], rows[sets.row_of_value[order]])
    return Grams(names, sizes, by_length)


def lookup(found: Ragged, grams: Grams, least: float) -> list[Hit]:
    """As `find`, on words."""
    rows, items = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for length, (keys, owner) in grams.by_length.items():
        long_enough = np.flatnonzero(found.lengths >= length)
        sets = unique_in_rows(shingles(found.take(long_enough), length))
        low = np.searchsorted(keys, sets.values, side="left")
        counts = np.searchsorted(keys, sets.values, side="right") - low
        rows.append(np.repeat(long_enough[sets.row_of_value], counts))
        items.append(owner[spans(low, counts)])
    width = np.int64(max(len(grams.names), 1))
    pairs, shared = np.unique(np.concatenate(rows) * width + np.concatenate(items), return_counts=True)
    row, item = np.divmod(pairs, width)
    overlap = shared / grams.sizes[item]
    good = overlap >= least
    return strongest(row[good], item[good], overlap[good], grams.names)
