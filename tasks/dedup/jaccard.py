"""All pairs of texts with Jaccard similarity of their n-gram sets at or above a threshold, exactly.

Prefix filtering (Chaudhuri et al. 2006; Bayardo et al. 2007): order the elements of every set by one
global order, rarest first. Two sets of sizes a, b with Jaccard >= t share at least ceil(t * max(a, b))
elements, so they share one among the first a - ceil(t * a) + 1 of the first and the same of the second. Only sets
that meet in such a prefix are compared: first by size, then by a 512-bit parity bitmap (the Hamming
distance of two bitmaps never exceeds the symmetric difference), then exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tasks.dedup.normalise import Texts, canonical_array
from tasks.dedup.tokens import I64, U64, Ragged, mix, offsets_of, shingle_sets, sort_rows, spans, tokens

F64 = npt.NDArray[np.float64]

_BLOCK = 1 << 21  # candidate pairs looked at together
_BITMAP_WORDS = 8  # 512 bits
_CLASS_BITS = 4  # a frequency class stands above the hash in an element's key: 16 classes


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs (left[k], right[k]) of row numbers with their similarity in score[k], ordered by (left, right)."""

    left: I64
    right: I64
    score: F64

    def __len__(self) -> int:
        return len(self.left)

    def where(self, mask: npt.NDArray[np.bool_]) -> Pairs:
        return Pairs(self.left[mask], self.right[mask], self.score[mask])


def similar_pairs(
    texts: Texts,
    languages: Sequence[str] | None,
    *,
    threshold: float = 0.7,
    n: int = 3,
    against: tuple[Texts, Sequence[str] | None] | None = None,
) -> Pairs:
    """Every pair of texts whose word (Chinese: character) n-gram sets have Jaccard >= threshold.

    Without `against`, pairs within `texts` with left < right. With `against` = (texts, languages) of a second
    collection, pairs only across: left in `texts`, right in the second. Texts without any
    token match nothing. Raises ValueError for a threshold outside (0, 1].
    """
    own = sets_of(texts, languages, n)
    other = sets_of(*against, n) if against is not None else None
    return join(own, other, threshold=threshold)


def sets_of(texts: Texts, languages: Sequence[str] | None, n: int) -> Ragged:
    """The n-gram set of each text's canonical form."""
    return shingle_sets(tokens(canonical_array(texts), languages), n)


def join(own: Ragged, other: Ragged | None = None, *, threshold: float) -> Pairs:
    """As similar_pairs, on sets at hand (rows without repeats)."""
    if not 0 < threshold <= 1:
        raise ValueError(f"the Jaccard threshold must lie in (0, 1], got {threshold}")
    classes = _frequency_classes([own] if other is None else [own, other])
    left = _Side.of(own, classes, threshold)
    right = left if other is None else _Side.of(other, classes, threshold)
    found: list[I64] = []
    for first, second in _candidates(left, right, threshold):
        first, second = _by_bitmap(left, right, first, second, threshold)
        if len(first):
            found.append(first * np.int64(len(right.sizes)) + second)
    if not found:
        nothing = np.zeros(0, np.int64)
        return Pairs(nothing, nothing, np.zeros(0))
    # a pair can meet in several prefix elements
    keys = np.unique(np.concatenate(found))
    first, second = np.divmod(keys, np.int64(len(right.sizes)))
    score = jaccard_of(left.sets, right.sets, first, second)
    good = score >= threshold
    a, b = left.row[first[good]], right.row[second[good]]
    if other is None:
        a, b = np.minimum(a, b), np.maximum(a, b)
    order = np.lexsort((b, a))
    return Pairs(a[order], b[order], score[good][order])


def jaccard_of(own: Ragged, other: Ragged, left: I64, right: I64) -> F64:
    """The exact similarity of the given pairs of sets; blocks bound the memory."""
    score = np.zeros(len(left))
    own_sizes, other_sizes = own.lengths, other.lengths
    step = 1 << 16
    for begin in range(0, len(left), step):
        a, b = left[begin : begin + step], right[begin : begin + step]
        shared = _intersections(own, other, a, b)
        union = own_sizes[a] + other_sizes[b] - shared
        score[begin : begin + step] = shared / np.maximum(union, 1)
    return score


def _intersections(own: Ragged, other: Ragged, left: I64, right: I64) -> I64:
    """Sizes of the intersections: both sets of a pair side by side, sorted, neighbours compared."""
    a, b = own.lengths[left], other.lengths[right]
    lengths = a + b
    offsets = offsets_of(lengths)
    both = np.empty(offsets[-1], dtype=np.uint64)
    both[spans(offsets[:-1], a)] = own.values[spans(own.offsets[:-1][left], a)]
    both[spans(offsets[:-1] + a, b)] = other.values[spans(other.offsets[:-1][right], b)]
    merged = Ragged(offsets, both)
    ordered = sort_rows(merged)
    same = np.zeros(len(ordered) + 1, dtype=np.int64)
    same[2:] = np.cumsum(ordered[1:] == ordered[:-1])
    # the first element of a row has no neighbour in its own row
    inside = np.minimum(offsets[:-1] + 1, offsets[1:])
    found: I64 = same[offsets[1:]] - same[inside]
    return found


@dataclass(frozen=True, slots=True)
class _Side:
    """One collection, its rows ordered by set size; `row` gives back the caller's row number."""

    row: I64
    sizes: I64
    sets: Ragged  # elements as ordered keys, rarest first
    bitmaps: U64  # (rows, 8)
    prefix: Ragged

    @classmethod
    def of(cls, sets: Ragged, classes: npt.NDArray[np.uint8], threshold: float) -> _Side:
        order = np.argsort(sets.lengths, kind="stable")
        chosen = sets.take(order)
        keys = Ragged(chosen.offsets, _ordered_keys(chosen.values, classes))
        keys = Ragged(keys.offsets, sort_rows(keys))
        sizes = keys.lengths
        lengths = np.where(sizes > 0, sizes - least_shared(sizes, threshold) + 1, 0)
        prefix = keys.values[spans(keys.offsets[:-1], lengths)]
        # class 0 was seen once in all: it cannot be shared
        counts = np.bincount(
            np.repeat(np.arange(len(sizes)), lengths)[prefix >> np.uint64(64 - _CLASS_BITS) > 0],
            minlength=len(sizes),
        )
        shared = Ragged(offsets_of(counts), prefix[prefix >> np.uint64(64 - _CLASS_BITS) > 0])
        return cls(order, sizes, keys, parity_bitmaps(keys), shared)


def least_shared(sizes: I64, threshold: float) -> I64:
    """ceil(threshold * size), not put up by rounding of the product."""
    found: I64 = np.maximum(np.ceil(threshold * sizes - 1e-9), 1).astype(np.int64)
    return found


def _frequency_classes(collections: list[Ragged]) -> npt.NDArray[np.uint8]:
    """log2 of how often the elements of each hash bucket occur: any function of the element gives a
    valid order, a rough count gives a good one."""
    total = sum(len(found.values) for found in collections)
    bits = min(26, max(10, int(total * 2).bit_length()))
    counts = np.zeros(1 << bits, dtype=np.int32)
    for found in collections:
        for begin in range(0, len(found.values), 1 << 24):
            some = (found.values[begin : begin + (1 << 24)] >> np.uint64(64 - bits)).astype(np.int64)
            counts += np.bincount(some, minlength=1 << bits).astype(np.int32)
    table = np.ceil(np.log2(np.maximum(counts, 1))).astype(np.uint8)
    return np.minimum(table, (1 << _CLASS_BITS) - 1).astype(np.uint8)


def _ordered_keys(values: U64, classes: npt.NDArray[np.uint8]) -> U64:
    bits = len(classes).bit_length() - 1
    top = classes[(values >> np.uint64(64 - bits)).astype(np.int64)].astype(np.uint64)
    return (top << np.uint64(64 - _CLASS_BITS)) | (values >> np.uint64(_CLASS_BITS))


def parity_bitmaps(sets: Ragged) -> U64:
    """For each row 512 bits, bit h set where an odd number of its elements hash to h; (rows, 8) words."""
    spread = sets.values * np.uint64(0x9E3779B97F4A7C15)
    bit = (spread >> np.uint64(55)).astype(np.int64)
    where = sets.row_of_value * (_BITMAP_WORDS * 64) + bit
    found = np.zeros((len(sets), _BITMAP_WORDS), dtype=np.uint64)
    step = 1 << 16
    for begin in range(0, len(sets), step):
        low, high = sets.offsets[begin], sets.offsets[min(begin + step, len(sets))]
        rows = min(step, len(sets) - begin)
        counts = np.bincount(where[low:high] - begin * 512, minlength=rows * 512)
        odd = (counts & 1).astype(np.uint8).reshape(rows, 512)
        found[begin : begin + rows] = np.packbits(odd, axis=1, bitorder="little").view(np.uint64)
    return found


def _candidates(left: _Side, right: _Side, threshold: float) -> Iterator[tuple[I64, I64]]:
    """Pairs of (size-ordered) rows that share a prefix element and whose sizes allow the threshold."""
    row_bits = max(1, int(max(len(left.sizes), len(right.sizes))).bit_length())
    low_bits = np.uint64(row_bits)

    def postings(side: _Side) -> U64:
        # the element's key is cut to the bits left over by the row: a false meeting costs one comparison
        element = mix(side.prefix.values.copy()) >> low_bits << low_bits
        return np.sort(element | side.prefix.row_of_value.astype(np.uint64))

    mine = postings(left)
    theirs = mine if right is left else postings(right)
    mask = np.uint64((1 << row_bits) - 1)
    rows = (mine & mask).astype(np.int64)
    sizes = left.sizes[rows]
    smallest = least_shared(sizes, threshold)
    largest = np.floor(sizes / threshold + 1e-9).astype(np.int64)
    element = mine & ~mask
    last = np.searchsorted(right.sizes, largest, side="right").astype(np.uint64)
    ends = np.searchsorted(theirs, element | last, side="left")
    if right is left:
        begins = np.arange(1, len(mine) + 1)
    else:
        first = np.searchsorted(right.sizes, smallest, side="left").astype(np.uint64)
        begins = np.searchsorted(theirs, element | first, side="left")
    counts = np.maximum(ends - begins, 0)
    busy = np.flatnonzero(counts)
    totals = np.cumsum(counts[busy])
    begin = 0
    while begin < len(busy):
        done = int(totals[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(totals, done + _BLOCK, side="right")))
        some = busy[begin:end]
        partner = theirs[spans(begins[some], counts[some])] & mask
        yield np.repeat(rows[some], counts[some]), partner.astype(np.int64)
        begin = end


def _by_bitmap(left: _Side, right: _Side, first: I64, second: I64, threshold: float) -> tuple[I64, I64]:
    """Pairs that the bitmap bound leaves: intersection <= (a + b - hamming) / 2."""
    if len(first):
        keys = np.unique(first * np.int64(len(right.sizes)) + second)
        first, second = np.divmod(keys, np.int64(len(right.sizes)))
    distance = np.zeros(len(first), dtype=np.int64)
    for word in range(_BITMAP_WORDS):
        distance += np.bitwise_count(left.bitmaps[first, word] ^ right.bitmaps[second, word])
    together = left.sizes[first] + right.sizes[second]
    at_most = (together - distance) // 2
    good = at_most >= threshold * (together - at_most) - 1e-9
    return first[good], second[good]
