"""Prefix filtering finds the pairs of sets that can have a Jaccard similarity of at least a threshold.

Chaudhuri et al. 2006, Bayardo et al. 2007: order the elements of every set by one global order, rarest
first. Two sets of sizes a and b with Jaccard >= t share at least ceil(t * max(a, b)) elements, so they
share one among the first a - ceil(t * a) + 1 of the first and the same of the second. Only sets that meet
in such a prefix are compared: first by size, then by a 512-bit parity bitmap, whose Hamming distance never
exceeds the symmetric difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.dedup.tokens import I64, U64, Ragged, mix, offsets_of, sort_rows, spans

Classes = npt.NDArray[np.uint8]

_BLOCK = 1 << 21  # candidate pairs, or elements, processed together
_BITMAP_WORDS = 8  # 512 bits
_CLASS_BITS = 4  # a frequency class is above the hash in an element's key: 16 classes
_TOP = np.uint64(64 - _CLASS_BITS)


@dataclass(frozen=True, slots=True)
class PrefixIndex:
    """The sets of a collection, to be searched. It consists of arrays, so that it can be stored and memory-mapped.

    Sets are numbered by size; `row` gives the caller's numbers. `classes`: by hash bucket, how often its
    elements occur (the order of the elements). `postings`: the elements of all prefixes, sorted, with a
    set's number in the low bits.
    """

    threshold: float
    row: I64
    sizes: I64
    classes: Classes
    bitmaps: U64
    postings: U64

    @classmethod
    def of(cls, sets: Ragged, threshold: float) -> PrefixIndex:
        row = np.argsort(sets.lengths, kind="stable")
        row = row[sets.lengths[row] > 0]
        chosen = sets.take(row)
        sizes = chosen.lengths
        classes = frequency_classes([chosen], spare=False)
        keys = sort_rows(_keyed(chosen, _classes_of(chosen.values, classes)))
        lengths = sizes - least_shared(sizes, threshold) + 1
        head = Ragged(offsets_of(lengths), keys[spans(chosen.offsets[:-1], lengths)])
        postings = np.sort(_postings(head, _bits_for(len(row))))
        return cls(threshold, row, sizes, classes, parity_bitmaps(chosen), postings)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {
            "threshold": np.array([self.threshold]),
            "row": self.row,
            "sizes": self.sizes,
            "classes": self.classes,
            "bitmaps": self.bitmaps.ravel(),
            "postings": self.postings,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> PrefixIndex:
        return cls(
            threshold=float(arrays["threshold"][0]),
            row=arrays["row"],
            sizes=arrays["sizes"],
            classes=arrays["classes"],
            bitmaps=arrays["bitmaps"].reshape(-1, _BITMAP_WORDS),
            postings=arrays["postings"],
        )

    def search(self, sets: Ragged) -> Iterator[tuple[I64, I64]]:
        """Yield blocks of (row of sets, row indexed) that may have the similarity; no pair twice within a
        block.
        """
        sizes = sets.lengths
        classes = _classes_of(sets.values, self.classes)
        # class 0: no indexed set has it
        keys = Ragged(sets.offsets, sort_rows(_keyed(sets, classes)))
        absent = row_sums(classes == 0, sets.offsets)
        lengths = np.maximum(
            np.where(sizes > 0, sizes - least_shared(sizes, self.threshold) + 1, 0) - absent, 0
        )
        head = Ragged(offsets_of(lengths), keys.values[spans(keys.offsets[:-1] + absent, lengths)])
        bits = _bits_for(len(self.row))
        queries = mix(head.values.copy()) >> np.uint64(bits) << np.uint64(bits)
        set_of_element = head.row_of_value
        first, last = _window(sizes[set_of_element], self.sizes, self.threshold)
        begins = np.searchsorted(self.postings, queries | first.astype(np.uint64), side="left")
        ends = np.searchsorted(self.postings, queries | last.astype(np.uint64), side="left")
        bitmaps = parity_bitmaps(sets)
        mask = np.uint64((1 << bits) - 1)
        for elements, places in expanded(begins, ends):
            left = set_of_element[elements]
            right = (self.postings[places] & mask).astype(np.int64)
            left, right = _distinct(left, right, len(self.row))
            possible = _bounded(
                bitmaps, self.bitmaps, left, right, sizes[left] + self.sizes[right], 0, self.threshold
            )
            yield left[possible], self.row[right[possible]]


def pairs_within(sets: Ragged, threshold: float) -> Iterator[tuple[I64, I64]]:
    """Yield blocks of pairs of rows that may have the similarity; a pair can come in several blocks.

    An element that occurs once in all sets cannot be shared. Only the number of such elements in a set matters, and a set whose
    prefix has no other elements is not compared, which holds for most sets of most collections.
    """
    classes = frequency_classes([sets], spare=True)
    sizes = sets.lengths
    shared = np.empty(len(sets.values), dtype=bool)
    for begin in range(0, len(shared), _BLOCK):
        shared[begin : begin + _BLOCK] = _classes_of(sets.values[begin : begin + _BLOCK], classes) > 0
    counts = row_sums(shared, sets.offsets)
    lengths = np.where(sizes > 0, sizes - least_shared(sizes, threshold) + 1, 0) - (sizes - counts)
    row = np.flatnonzero(lengths > 0)
    row = row[np.argsort(sizes[row], kind="stable")]
    sizes, lengths, counts = sizes[row], lengths[row], counts[row]
    chosen = sets.take(row)
    stays = _classes_of(chosen.values, classes)
    few = Ragged(offsets_of(counts), chosen.values[stays > 0])
    keys = sort_rows(_keyed(few, stays[stays > 0]))
    head = Ragged(offsets_of(lengths), keys[spans(few.offsets[:-1], lengths)])
    bits = _bits_for(len(row))
    mask = np.uint64((1 << bits) - 1)
    postings = np.sort(_postings(head, bits))
    set_of_posting = (postings & mask).astype(np.int64)
    _, last = _window(sizes[set_of_posting], sizes, threshold)
    ends = np.searchsorted(postings, (postings & ~mask) | last.astype(np.uint64), side="left")
    bitmaps, lonely = parity_bitmaps(few), sizes - counts
    for queries, places in expanded(np.arange(1, len(postings) + 1), ends):
        left, right = _distinct(set_of_posting[queries], set_of_posting[places], len(row))
        together = sizes[left] + sizes[right]
        apart = lonely[left] + lonely[right]
        possible = _bounded(bitmaps, bitmaps, left, right, together, apart, threshold)
        yield row[left[possible]], row[right[possible]]


def least_shared(sizes: I64, threshold: float) -> I64:
    """Return ceil(threshold * size), not increased by rounding of the product."""
    least: I64 = np.maximum(np.ceil(threshold * sizes - 1e-9), 1).astype(np.int64)
    return least


def frequency_classes(collections: list[Ragged], *, spare: bool) -> Classes:
    """Return by hash bucket how often its elements occur, as a class.

    With `spare` the class is ceil(log2) of it, so that 0 is "once or never"; without, it is one more, so
    that 0 is "never". Any function of the element gives a valid order, a rough count gives a good one, and
    0 is certain.
    """
    total = sum(len(sets.values) for sets in collections)
    bits = min(27, max(10, int(total * (2 if spare else 0.5)).bit_length()))
    # sorting the bucket numbers and counting runs is faster than counting at random places
    buckets = np.empty(total, dtype=np.uint32)
    filled = 0
    for sets in collections:
        part = buckets[filled : filled + len(sets.values)]
        np.right_shift(sets.values, np.uint64(64 - bits), out=part, casting="unsafe")
        filled += len(sets.values)
    buckets.sort()
    table = np.zeros(1 << bits, dtype=np.uint8)
    if not total:
        return table
    first = np.flatnonzero(np.concatenate([[True], buckets[1:] != buckets[:-1]]))
    runs = np.diff(np.append(first, total))
    rank = np.ceil(np.log2(runs)) + (0 if spare else 1)
    table[buckets[first]] = np.minimum(rank, (1 << _CLASS_BITS) - 1).astype(np.uint8)
    return table


def parity_bitmaps(sets: Ragged, words: int = _BITMAP_WORDS) -> U64:
    """Return 64 * words bits per row (words a power of two), bit h set if an odd number of its elements
    hash to h.

    The shape is (rows, words). The Hamming distance of two rows is at most the size of the symmetric
    difference.
    """
    spread = sets.values * np.uint64(0x9E3779B97F4A7C15)
    bit = np.left_shift(np.uint64(1), (spread >> np.uint64(48)) & np.uint64(63))
    word = sets.row_of_value * words
    if words > 1:
        word += (spread >> np.uint64(65 - words.bit_length())).astype(np.int64)
    bitmaps = np.zeros(len(sets) * words, dtype=np.uint64)
    np.bitwise_xor.at(bitmaps, word, bit)
    return bitmaps.reshape(len(sets), words)


def within_bound(
    own: Ragged, other: Ragged, left: I64, right: I64, threshold: float
) -> npt.NDArray[np.bool_]:
    """Return which of the given pairs of sets can have the similarity by their bitmaps."""
    together = own.lengths[left] + other.lengths[right]
    return _bounded(parity_bitmaps(own), parity_bitmaps(other), left, right, together, 0, threshold)


def row_sums(mask: npt.NDArray[np.bool_], offsets: I64) -> I64:
    """Return the number of True values in each row."""
    total = np.zeros(len(mask) + 1, dtype=np.int64)
    np.cumsum(mask, out=total[1:])
    return np.diff(total[offsets])


def _classes_of(values: U64, classes: Classes) -> Classes:
    bits = len(classes).bit_length() - 1
    return classes[(values >> np.uint64(64 - bits)).astype(np.int64)]


def _keyed(sets: Ragged, classes: Classes) -> Ragged:
    """Return elements as keys in the global order: the class above the hash."""
    keys = (classes.astype(np.uint64) << _TOP) | (sets.values >> np.uint64(_CLASS_BITS))
    return Ragged(sets.offsets, keys)


def _postings(head: Ragged, bits: int) -> U64:
    """Return keys cut to the bits that the row number leaves free. A false match costs one comparison."""
    return (mix(head.values.copy()) >> np.uint64(bits) << np.uint64(bits)) | head.row_of_value.astype(
        np.uint64
    )


def _bits_for(rows: int) -> int:
    return max(1, rows.bit_length())


def _window(sizes: I64, sorted_sizes: I64, threshold: float) -> tuple[I64, I64]:
    """Return the rows (numbered by size) whose size allows the threshold: from first to before last."""
    distinct, inverse = np.unique(sizes, return_inverse=True)
    largest = np.floor(distinct / threshold + 1e-9).astype(np.int64)
    first = np.searchsorted(sorted_sizes, least_shared(distinct, threshold), side="left")
    last = np.searchsorted(sorted_sizes, largest, side="right")
    return first[inverse], last[inverse]


def expanded(begins: npt.NDArray[Any], ends: npt.NDArray[Any]) -> Iterator[tuple[I64, I64]]:
    """Yield (query, place) for every place from begins[query] to ends[query], some millions at a time."""
    counts = np.maximum(ends - begins, 0)
    busy = np.flatnonzero(counts)
    totals = np.cumsum(counts[busy])
    at = 0
    while at < len(busy):
        done = int(totals[at - 1]) if at else 0
        end = max(at + 1, int(np.searchsorted(totals, done + _BLOCK, side="right")))
        queries = busy[at:end]
        yield np.repeat(queries, counts[queries]), spans(begins[queries], counts[queries])
        at = end


def _distinct(left: I64, right: I64, width: int) -> tuple[I64, I64]:
    first, second = np.divmod(np.unique(left * np.int64(width) + right), np.int64(width))
    return first, second


def _bounded(
    own: U64, other: U64, left: I64, right: I64, together: I64, apart: I64 | int, threshold: float
) -> npt.NDArray[np.bool_]:
    """Return the mask of the pairs that meet the bound: shared <= (a + b - hamming - elements known to be in one set only) /
    2.
    """
    distance = np.zeros(len(left), dtype=np.int64) + apart
    for word in range(_BITMAP_WORDS):
        distance += np.bitwise_count(own[left, word] ^ other[right, word])
    at_most = (together - distance) // 2
    possible: npt.NDArray[np.bool_] = at_most >= threshold * (together - at_most) - 1e-9
    return possible
