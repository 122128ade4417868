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

from tasks.dedup.normalise import Texts, folded_array
from tasks.dedup.tokens import I64, U64, Ragged, mix, offsets_of, shingle_sets, sort_rows, spans, tokens

F64 = npt.NDArray[np.float64]

_BLOCK = 1 << 21  # candidate pairs, or elements, looked at together
_VERIFIED = 1 << 16  # pairs compared element by element together
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
    return shingle_sets(tokens(folded_array(texts), languages), n)


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
    score = jaccard_of(left.sets, right.sets, first, second, left.lonely, right.lonely)
    good = score >= threshold
    a, b = left.row[first[good]], right.row[second[good]]
    if other is None:
        a, b = np.minimum(a, b), np.maximum(a, b)
    order = np.lexsort((b, a))
    return Pairs(a[order], b[order], score[good][order])


def jaccard_of(
    own: Ragged,
    other: Ragged,
    left: I64,
    right: I64,
    own_more: I64 | None = None,
    other_more: I64 | None = None,
) -> F64:
    """The exact similarity of the given pairs of sets; blocks bound the memory. `own_more` and `other_more`:
    how many further elements each set has that the other side cannot have."""
    score = np.zeros(len(left))
    own_sizes = own.lengths + (0 if own_more is None else own_more)
    other_sizes = other.lengths + (0 if other_more is None else other_more)
    for begin in range(0, len(left), _VERIFIED):
        a, b = left[begin : begin + _VERIFIED], right[begin : begin + _VERIFIED]
        shared = _intersections(own, other, a, b)
        union = own_sizes[a] + other_sizes[b] - shared
        score[begin : begin + _VERIFIED] = shared / np.maximum(union, 1)
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
    """The rows of one collection that can match at all, ordered by set size.

    An element that occurs once in everything cannot be shared: only how many of them a set has
    (`lonely`) matters, and a set whose prefix holds nothing else is left out.
    """

    row: I64  # the caller's row numbers
    sizes: I64
    lonely: I64
    sets: Ragged  # the other elements as ordered keys, rarest first
    bitmaps: U64  # of the same, (rows, 8)
    prefix: Ragged

    @classmethod
    def of(cls, sets: Ragged, classes: npt.NDArray[np.uint8], threshold: float) -> _Side:
        bits = len(classes).bit_length() - 1
        sizes = sets.lengths
        shared = np.empty(len(sets.values), dtype=bool)
        for begin in range(0, len(shared), _BLOCK):
            some = sets.values[begin : begin + _BLOCK]
            shared[begin : begin + _BLOCK] = classes[(some >> np.uint64(64 - bits)).astype(np.int64)] > 0
        counts = row_sums(shared, sets.offsets)
        prefix = np.where(sizes > 0, sizes - least_shared(sizes, threshold) + 1, 0) - (sizes - counts)
        active = np.flatnonzero(prefix > 0)
        row = active[np.argsort(sizes[active], kind="stable")]
        chosen = sets.take(row)
        stays = classes[(chosen.values >> np.uint64(64 - bits)).astype(np.int64)]
        few = Ragged(offsets_of(counts[row]), chosen.values[stays > 0])
        order = stays[stays > 0].astype(np.uint64) << np.uint64(64 - _CLASS_BITS)
        keys = Ragged(few.offsets, order | (few.values >> np.uint64(_CLASS_BITS)))
        keys = Ragged(keys.offsets, sort_rows(keys))
        head = Ragged(offsets_of(prefix[row]), keys.values[spans(keys.offsets[:-1], prefix[row])])
        return cls(row, sizes[row], (sizes - counts)[row], keys, parity_bitmaps(few), head)


def row_sums(mask: npt.NDArray[np.bool_], offsets: I64) -> I64:
    """How many True each row has."""
    total = np.zeros(len(mask) + 1, dtype=np.int64)
    np.cumsum(mask, out=total[1:])
    return np.diff(total[offsets])


def least_shared(sizes: I64, threshold: float) -> I64:
    """ceil(threshold * size), not put up by rounding of the product."""
    found: I64 = np.maximum(np.ceil(threshold * sizes - 1e-9), 1).astype(np.int64)
    return found


def _frequency_classes(collections: list[Ragged]) -> npt.NDArray[np.uint8]:
    """By hash bucket, log2 of how often its elements occur (0: once or never). Any function of the
    element gives a valid order; a rough count gives a good one, and "once" is certain."""
    total = sum(len(found.values) for found in collections)
    bits = min(27, max(10, int(total * 2).bit_length()))
    shift = np.uint64(64 - bits)
    # sorting the bucket numbers and counting runs is faster than counting at random places
    buckets = np.empty(total, dtype=np.uint32)
    filled = 0
    for found in collections:
        np.right_shift(
            found.values, shift, out=buckets[filled : filled + len(found.values)], casting="unsafe"
        )
        filled += len(found.values)
    buckets.sort()
    table = np.zeros(1 << bits, dtype=np.uint8)
    again = np.flatnonzero(buckets[1:] == buckets[:-1])
    # runs of equal buckets: `again` holds length - 1 places of each
    places = buckets[again]
    first = np.flatnonzero(np.concatenate([np.ones(min(len(places), 1), bool), places[1:] != places[:-1]]))
    runs = np.diff(np.append(first, len(places))) + 1
    table[places[first]] = np.minimum(np.ceil(np.log2(runs)), (1 << _CLASS_BITS) - 1).astype(np.uint8)
    return table


def parity_bitmaps(sets: Ragged, words: int = _BITMAP_WORDS) -> U64:
    """For each row 64 * words bits (words a power of two), bit h set where an odd number of its elements
    hash to h; shape (rows, words). The Hamming distance of two rows is at most the size of the symmetric difference."""
    spread = sets.values * np.uint64(0x9E3779B97F4A7C15)
    bit = np.left_shift(np.uint64(1), (spread >> np.uint64(48)) & np.uint64(63))
    word = sets.row_of_value * words
    if words > 1:
        word += (spread >> np.uint64(65 - words.bit_length())).astype(np.int64)
    found = np.zeros(len(sets) * words, dtype=np.uint64)
    np.bitwise_xor.at(found, word, bit)
    return found.reshape(len(sets), words)


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
    """Pairs that the bitmap bound leaves: intersection <= (a + b - hamming - lonely elements) / 2."""
    if len(first):
        keys = np.unique(first * np.int64(len(right.sizes)) + second)
        first, second = np.divmod(keys, np.int64(len(right.sizes)))
    distance = left.lonely[first] + right.lonely[second]
    for word in range(_BITMAP_WORDS):
        distance += np.bitwise_count(left.bitmaps[first, word] ^ right.bitmaps[second, word])
    together = left.sizes[first] + right.sizes[second]
    at_most = (together - distance) // 2
    good = at_most >= threshold * (together - at_most) - 1e-9
    return first[good], second[good]
