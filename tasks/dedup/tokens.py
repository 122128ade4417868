"""Converts texts to arrays of 64-bit token hashes; numpy splits and hashes their bytes.

A word is a run of letters and digits; an operator (+ - * / = < > ^ % ! |) is a token of its own, because "x
+ 1" and "x - 1" are two problems; a Chinese character is a token of its own. In a text whose language is
"zh" every character is a token. Other punctuation and white space separate tokens.

A token's hash is a polynomial over its bytes mod 2^64, finalised with MurmurHash3's fmix64, so that no string
object is created per token. Two tokens of a set of 10^6 distinct ones agree by chance with probability
below 10^-7; a collision changes one count by one.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tasks.dedup.normalise import Texts, as_array

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_CHUNK_BYTES = 1 << 16  # the temporaries of a chunk (a few, of 8 bytes per byte) stay in cache
_BLOCK = 1 << 16  # values hashed together, for the same reason
_BASE = 0x9E3779B97F4A7C15  # odd, so that its powers have inverses mod 2^64
_SEPARATOR, _WORD, _SINGLE, _CONTINUATION = 0, 1, 2, 3
_WIDE_PUNCTUATION = (
    r"[\x{A0}\x{A1}\x{A7}\x{AB}\x{B6}\x{BB}\x{BF}\x{2000}-\x{206F}"
    r"\x{3000}-\x{3003}\x{3008}-\x{301F}\x{FF01}-\x{FF0F}]+"
)


@dataclass(frozen=True, slots=True)
class Ragged:
    """Rows of unequal length: row i is values[offsets[i]:offsets[i + 1]]."""

    offsets: I64
    values: U64

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> I64:
        return np.diff(self.offsets)

    @property
    def row_of_value(self) -> I64:
        return np.repeat(np.arange(len(self), dtype=np.int64), self.lengths)

    def __getitem__(self, row: int) -> U64:
        return self.values[self.offsets[row] : self.offsets[row + 1]]

    def take(self, rows: npt.NDArray[Any]) -> Ragged:
        lengths = self.lengths[rows]
        return Ragged(offsets_of(lengths), self.values[spans(self.offsets[:-1][rows], lengths)])

    def between(self, begin: int, end: int) -> Ragged:
        """Return the rows from begin to before end, without copying their values."""
        offsets = self.offsets[begin : end + 1]
        return Ragged(offsets - offsets[0], self.values[offsets[0] : offsets[-1]])


def offsets_of(lengths: npt.NDArray[Any]) -> I64:
    """Return the offsets of rows of these lengths: 0, then the running sums."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def spans(starts: npt.NDArray[Any], lengths: npt.NDArray[Any]) -> I64:
    """Return the concatenation of arange(start, start + length) over all spans."""
    offsets = offsets_of(lengths)
    return np.arange(offsets[-1], dtype=np.int64) + np.repeat(starts - offsets[:-1], lengths)


def concatenate(parts: Sequence[Ragged]) -> Ragged:
    if not parts:
        return Ragged(np.zeros(1, np.int64), np.zeros(0, np.uint64))
    lengths = np.concatenate([part.lengths for part in parts])
    return Ragged(offsets_of(lengths), np.concatenate([part.values for part in parts]))


def mix(values: U64) -> U64:
    """Apply MurmurHash3's 64-bit finaliser, a bijection in which every bit of the input affects all bits of the result."""
    values = values ^ (values >> np.uint64(33))
    values *= np.uint64(0xFF51AFD7ED558CCD)
    values ^= values >> np.uint64(33)
    values *= np.uint64(0xC4CEB9FE1A85EC53)
    values ^= values >> np.uint64(33)
    return values


def tokens(texts: Texts, languages: Sequence[str] | None, *, operators: bool = True) -> Ragged:
    """Return the token hashes of each text, in order, in lower case. `texts` should be canonical already."""
    array = as_array(texts)
    if pc.all(pc.string_is_ascii(array)).as_py() is not False:
        array = pc.ascii_lower(array)
    else:
        array = pc.replace_substring_regex(pc.utf8_lower(array), _WIDE_PUNCTUATION, " ")
    return scan(array, _byte_classes(operators), is_chinese(languages, len(array)))


def rouge_tokens(texts: Sequence[str], languages: Sequence[str] | None) -> Ragged:
    """Return the tokens of rouge_score's default tokenizer without stemmer (runs of [a-z0-9] after
    str.lower).

    A text whose language is "zh" is cut into characters (letters and digits of any script).
    """
    array = pa.array([text.lower() for text in texts], type=pa.large_string())
    chinese = is_chinese(languages, len(array))
    if chinese is None:
        return scan(array, _rouge_classes(), None)
    mask = pa.array(chinese)
    words = scan(array.filter(pc.invert(mask)), _rouge_classes(), None)
    plain = pc.replace_substring_regex(array.filter(mask), r"[^\pL\pN]+", " ")
    characters = scan(plain, _byte_classes(False), np.ones(len(plain), dtype=bool))
    order = np.argsort(np.concatenate([np.flatnonzero(~chinese), np.flatnonzero(chinese)]))
    return concatenate([words, characters]).take(order)


def number_multisets(canonical_texts: pa.Array) -> U64:
    """Return one hash per text, equal for texts with the same numbers in any order; 0 for a text without numbers."""
    marked = pc.replace_substring_regex(canonical_texts, r"(\d)\.(\d)", "\\1\x01\\2")
    numbers = scan(marked, _number_classes(), None)
    total = np.zeros(len(numbers) + 1, dtype=np.uint64)
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(mix(numbers.values), dtype=np.uint64)])
    total = sums[numbers.offsets]
    return np.diff(total)


def text_hashes(texts: pa.Array) -> U64:
    """Return one hash per text, of all its bytes; 0 for an empty one."""
    whole_texts = scan(texts, np.full(256, _WORD, dtype=np.uint8), None)
    hashes = np.zeros(len(whole_texts), dtype=np.uint64)
    hashes[whole_texts.lengths > 0] = whole_texts.values
    return hashes


def shingle_sets(rows: Ragged, n: int) -> Ragged:
    """Return the set of n-grams of each row, as sorted hashes; a row shorter than n has one n-gram, itself."""
    if n < 1:
        raise ValueError(f"n-gram length must be at least 1, got {n}")
    return unique_in_rows(shingles(rows, n))


def shingles(rows: Ragged, n: int) -> Ragged:
    """Return the n-grams of each row in order, with repeats; a row shorter than n has one, itself."""
    lengths = rows.lengths
    counts = np.where(lengths >= n, lengths - n + 1, np.minimum(lengths, 1))
    values = np.empty(len(rows.values), dtype=np.uint64)
    for begin in range(0, len(values), _BLOCK):
        values[begin : begin + _BLOCK] = _rolled(rows.values[begin : begin + _BLOCK + n - 1], n, _BLOCK)
    # an n-gram belongs to the row of its first token and must not reach into the next
    begins = np.ones(len(values), dtype=bool)
    tails = np.minimum(lengths - counts, lengths)
    begins[spans(rows.offsets[1:] - tails, tails)] = False
    for row in np.flatnonzero((lengths > 0) & (lengths < n)).tolist():
        values[rows.offsets[row]] = _rolled(rows[row], n, 1)[0]
    return Ragged(offsets_of(counts), values[begins])


def _rolled(values: U64, n: int, count: int) -> U64:
    """Return the hashes of the n-grams that begin at the first `count` values; zeros follow the last."""
    count = min(count, len(values))
    padded = values
    if len(values) < count + n - 1:
        padded = np.concatenate([values, np.zeros(count + n - 1 - len(values), np.uint64)])
    total = padded[:count].copy()
    for step in range(1, n):
        total *= np.uint64(_BASE)
        total += padded[step : step + count]
    return mix(total)


def unique_in_rows(rows: Ragged) -> Ragged:
    """Return each row sorted, without repeats.

    Rows of similar length are sorted together as a matrix, because a global argsort takes ten times as long as
    sorting short rows in the processor's cache.
    """
    values = sort_rows(rows)
    row = rows.row_of_value
    fresh = np.ones(len(values), dtype=bool)
    fresh[1:] = (values[1:] != values[:-1]) | (row[1:] != row[:-1])
    counts = np.bincount(row[fresh], minlength=len(rows))
    return Ragged(offsets_of(counts), values[fresh])


def sort_rows(ragged: Ragged) -> U64:
    """Return the values with each row sorted."""
    lengths = ragged.lengths
    result = np.empty_like(ragged.values)
    width, low = 8, 0
    longest = int(lengths.max(initial=0))
    while low < longest:
        rows = np.flatnonzero((lengths > low) & (lengths <= width))
        step = max(1, (1 << 19) // width)
        for begin in range(0, len(rows), step):
            block_rows = rows[begin : begin + step]
            count = lengths[block_rows]
            block = np.full((len(block_rows), width), np.iinfo(np.uint64).max, dtype=np.uint64)
            inside = np.arange(width) < count[:, None]
            where = spans(ragged.offsets[:-1][block_rows], count)
            block[inside] = ragged.values[where]
            block.sort(axis=1)
            result[where] = block[inside]
        low, width = width, width * 2
    return result


def is_chinese(languages: Sequence[str] | None, count: int) -> Bools | None:
    """Return which rows are cut by characters, or None if none is."""
    if languages is None:
        return None
    if len(languages) != count:
        raise ValueError(f"{count} texts but {len(languages)} languages: give one language per text")
    if isinstance(languages, (pa.Array, pa.ChunkedArray)):
        mask = np.asarray(pc.fill_null(pc.equal(languages, "zh"), False).to_numpy(zero_copy_only=False))
    else:
        mask = np.fromiter((language == "zh" for language in languages), dtype=bool, count=count)
    return mask if mask.any() else None


def scan(array: pa.Array, classes: npt.NDArray[np.uint8], by_character: Bools | None) -> Ragged:
    """Split a large_string array into tokens by the class of each byte, and hash the tokens."""
    hashes, counts = [], []
    for data, starts, by_character_rows in _chunks(array, by_character):
        chunk_hashes, chunk_counts = _scan_chunk(data, starts, classes, by_character_rows)
        hashes.append(chunk_hashes)
        counts.append(chunk_counts)
    if not counts:
        return Ragged(np.zeros(len(array) + 1, np.int64), np.zeros(0, np.uint64))
    return Ragged(offsets_of(np.concatenate(counts)), np.concatenate(hashes))


def _chunks(
    array: pa.Array, by_character: Bools | None
) -> Iterator[tuple[npt.NDArray[np.uint8], I64, Bools | None]]:
    """Yield (bytes, row boundaries within them, by_character of the rows) of chunks of about _CHUNK_BYTES."""
    if not len(array):
        return
    _, offset_buffer, data_buffer = array.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64, len(array) + 1, array.offset * 8)
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer is not None else np.zeros(0, np.uint8)
    row = 0
    while row < len(array):
        end = int(np.searchsorted(offsets, offsets[row] + _CHUNK_BYTES, side="right")) - 1
        end = min(max(end, row + 1), len(array))
        by_character_rows = by_character[row:end] if by_character is not None else None
        yield data[offsets[row] : offsets[end]], offsets[row : end + 1] - offsets[row], by_character_rows
        row = end


def _scan_chunk(
    data: npt.NDArray[np.uint8], bounds: I64, classes: npt.NDArray[np.uint8], by_character: Bools | None
) -> tuple[U64, I64]:
    size = len(data)
    # bytes.translate reads a table five times as fast as an index array
    kind = np.frombuffer(data.tobytes().translate(classes.tobytes()), np.uint8)
    continues = kind == _CONTINUATION
    if continues.any():
        kind = kind[np.maximum.accumulate(np.where(continues, 0, np.arange(size)))]
    if by_character is not None and by_character.any():
        kind = np.where(np.repeat(by_character, np.diff(bounds)) & (kind > 0), _SINGLE, kind)
    before = np.empty_like(kind)
    before[:1] = _SEPARATOR
    before[1:] = kind[:-1]
    before[bounds[:-1][bounds[:-1] < size]] = _SEPARATOR
    inside = kind > 0
    start = inside & ~continues & ((kind == _SINGLE) | (before != _WORD))
    breaks = np.flatnonzero(start | ~inside)
    # a row's last token ends with the row even if the next row begins with a continuing class
    which = np.flatnonzero(start[breaks])
    begins = breaks[which]
    ends = np.append(breaks, size)[which + 1]
    powers, inverses = _powers(max(_CHUNK_BYTES, 1 << (size - 1).bit_length() if size else 1))
    sums = np.zeros(size + 1, dtype=np.uint64)
    products = data.astype(np.uint64)
    products *= powers[:size]
    np.cumsum(products, out=sums[1:])
    hashes = mix((sums[ends] - sums[begins]) * inverses[begins])
    counts = np.diff(np.searchsorted(begins, bounds))
    return hashes, counts


@functools.cache
def _powers(size: int) -> tuple[U64, U64]:
    """Return the powers of the base and of its inverse mod 2^64."""

    def powers_of(base: int) -> U64:
        factors = np.full(size, base, dtype=np.uint64)
        factors[0] = 1
        return np.multiply.accumulate(factors)

    return powers_of(_BASE), powers_of(pow(_BASE, -1, 1 << 64))


def _lead_classes() -> npt.NDArray[np.uint8]:
    table = np.zeros(256, dtype=np.uint8)
    for character in b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789":
        table[character] = _WORD
    table[0x80:0xC0] = _CONTINUATION
    table[0xC0:0x100] = _WORD
    table[0xC2] = _SINGLE  # Latin-1 signs
    table[0xE2:0xEA] = _SINGLE  # mathematical signs, kana and the CJK ideographs
    table[0xF0:0xF8] = _SINGLE
    return table


@functools.cache
def _byte_classes(operators: bool) -> npt.NDArray[np.uint8]:
    table = _lead_classes()
    if operators:
        table[list(b"+-*/=<>^%!|")] = _SINGLE
    return table


@functools.cache
def _rouge_classes() -> npt.NDArray[np.uint8]:
    table = np.zeros(256, dtype=np.uint8)
    table[list(b"abcdefghijklmnopqrstuvwxyz0123456789")] = _WORD
    return table


@functools.cache
def _number_classes() -> npt.NDArray[np.uint8]:
    table = np.zeros(256, dtype=np.uint8)
    table[list(b"0123456789\x01")] = _WORD
    return table
