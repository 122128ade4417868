"""Finds word n-grams that texts share with benchmark items, for the rules ngram13 and ngram8.

Texts are canonical, lower case and without punctuation, so that a re-wrapped line, another spelling of LaTeX or
a missing comma changes nothing. A Chinese character counts as a word. N-grams that consist of numbers count like
any other. An item shorter than n words is searched for as a whole.

An n-gram is a polynomial over its words' hashes mod 2^64, so that one pass over a text gives the n-grams of every
length. A table of bits, most of them 0, excludes nearly all of them before any search.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tasks.decontamination.hit import Hit, strongest
from tasks.dedup.normalise import folded_array
from tasks.dedup.tokens import I64, U64, Ragged, spans, tokens

SHORTEST = 5  # words; a shorter item is a common phrase ("Find x."), which only the exact rule searches for
_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd
_BLOCK = 1 << 16  # words processed together, so that temporary arrays stay in the processor's cache
_SPARSE = 16  # entries of the table of bits per n-gram


@dataclass(frozen=True, slots=True)
class NgramTable:
    """The n-grams of one length: sorted keys, the item of each key, and which leading bits occur in any key."""

    keys: U64
    owner: I64
    present: npt.NDArray[np.bool_]
    shift: np.uint64

    @classmethod
    def of(cls, keys: U64, owner: I64) -> NgramTable:
        bits = max(10, int(len(keys) * _SPARSE - 1).bit_length())
        shift = np.uint64(64 - bits)
        present = np.zeros(1 << bits, dtype=bool)
        present[keys >> shift] = True
        order = np.argsort(keys, kind="stable")
        return cls(keys[order], owner[order], present, shift)


@dataclass(frozen=True, slots=True)
class Grams:
    """The n-grams of items: a table per length in use (n, or the length of an item that is shorter).

    `sizes`: how many different n-grams an item has.
    """

    names: list[str]
    sizes: I64
    by_length: dict[int, NgramTable]


def words(texts: list[str], *, operators: bool = False) -> Ragged:
    return tokens(folded_array(texts), None, operators=operators)


def prepare(texts: list[str], names: list[str], n: int) -> Grams:
    return index(words(texts), names, n, SHORTEST)


def find(texts: list[str], grams: Grams, least: float) -> list[Hit]:
    """Return for each text the item of which it holds the largest share of n-grams, if that is at least
    `least`.
    """
    return lookup(words(texts), grams, least)


def index(item_words: Ragged, names: list[str], n: int, shortest: int, owner: I64 | None = None) -> Grams:
    """Return the n-grams of items that have at least `shortest` words.

    `owner`: the item (place in `names`) of each row of `item_words`, if an item is several rows; None: row
    k is item k.
    """
    used = np.where(item_words.lengths >= shortest, np.minimum(item_words.lengths, n), 0)
    sizes = np.zeros(len(names), dtype=np.int64)
    parts: dict[int, list[tuple[U64, I64]]] = {int(length): [] for length in np.unique(used[used > 0])}
    for length, keys, row in _grams(item_words, list(parts)):
        is_length = used[row] == length
        parts[length].append((keys[is_length], row[is_length]))
    by_length = {}
    for length, pieces in parts.items():
        keys, row = (np.concatenate(column) for column in zip(*pieces, strict=True))
        if owner is not None:
            keys, row = _distinct(keys, owner[row])
        sizes += np.bincount(row, minlength=len(sizes))
        by_length[length] = NgramTable.of(keys, row)
    return Grams(names, sizes, by_length)


def lookup(text_words: Ragged, grams: Grams, least: float) -> list[Hit]:
    """Find items as `find` does, in texts that are already split into words."""
    if not grams.by_length:  # every item is too short for this rule
        return []
    rows, items = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for length, keys, row in _grams(text_words, sorted(grams.by_length), grams.by_length):
        table = grams.by_length[length]
        low = np.searchsorted(table.keys, keys, side="left")
        counts = np.searchsorted(table.keys, keys, side="right") - low
        rows.append(np.repeat(row, counts))
        items.append(table.owner[spans(low, counts)])
    width = np.int64(max(len(grams.names), 1))
    pairs, shared = np.unique(np.concatenate(rows) * width + np.concatenate(items), return_counts=True)
    row, item = np.divmod(pairs, width)
    overlap = shared / grams.sizes[item]
    good = overlap >= least
    return strongest(row[good], item[good], overlap[good], grams.names)


def _grams(
    text_words: Ragged, lengths: list[int], tables: dict[int, NgramTable] | None = None
) -> Iterator[tuple[int, U64, I64]]:
    """Yield (length, keys, rows) of the n-grams of these lengths, each once per row.

    Given tables, only those that may be in them are included.
    """
    if not lengths:
        return
    longest = max(lengths)
    kept: dict[int, list[tuple[U64, I64]]] = {length: [] for length in lengths}
    row_of = text_words.row_of_value
    room = np.repeat(text_words.offsets[1:], text_words.lengths) - np.arange(
        len(text_words.values)
    )  # words to the row's end
    for begin in range(0, len(text_words.values), _BLOCK):
        part = text_words.values[begin : begin + _BLOCK + longest - 1]
        left, rows = room[begin : begin + _BLOCK], row_of[begin : begin + _BLOCK]
        count = len(left)
        padded = np.concatenate([part, np.zeros(count + longest - 1 - len(part), np.uint64)])
        keys = padded[:count].copy()
        for length in range(1, longest + 1):
            if length > 1:
                keys *= _BASE
                keys += padded[length - 1 : length - 1 + count]
            if length in kept:
                inside = left >= length
                if tables is not None:
                    inside &= tables[length].present[keys >> tables[length].shift]
                kept[length].append((keys[inside], rows[inside]))
    for length, pieces in kept.items():
        if pieces:
            yield length, *_distinct(*map(np.concatenate, zip(*pieces, strict=True)))


def _distinct(keys: U64, rows: I64) -> tuple[U64, I64]:
    """Return each key once per row."""
    order = np.lexsort((keys, rows))
    keys, rows = keys[order], rows[order]
    fresh = np.ones(len(keys), dtype=bool)
    fresh[1:] = (keys[1:] != keys[:-1]) | (rows[1:] != rows[:-1])
    return keys[fresh], rows[fresh]
