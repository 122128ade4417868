"""Computes MinHash signatures that equal those of datasketch value by value.

A signature equals `hashvalues` of a datasketch MinHash with the same seed, number of permutations and
scheme (affine32, its default), so sketches can be exchanged. tasks.dedup.lsh finds pairs with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import datasketch
import numpy as np
import numpy.typing as npt
from datasketch.hashfunc import sha1_hash32

from tasks.dedup.tokens import Ragged, offsets_of

U32 = npt.NDArray[np.uint32]

PERMUTATIONS = 128
SEED = 1  # datasketch's
SCHEME = "affine32"
_ROWS = 256  # signatures computed together: with 128 permutations they stay in a core's cache
_PIECE = 1024  # elements of a row processed together


def signatures(elements: Ragged, *, permutations: int = PERMUTATIONS, seed: int = SEED) -> U32:
    """Return signatures of shape (rows, permutations).

    The low 32 bits of an element are its hash value; repeats do not matter. A row without elements has
    datasketch's empty signature (all ones).
    """
    a, b = _permutations(permutations, seed)
    pieces = -(-elements.lengths // _PIECE)
    if pieces.max(initial=0) <= 1:
        return _signed(elements, a, b)
    ends = np.minimum(_steps(pieces) * _PIECE, np.repeat(elements.lengths, pieces))
    starts = np.repeat(elements.offsets[:-1], pieces)
    cut = Ragged(np.concatenate([[0], starts + ends]), elements.values)
    least = np.full((len(elements), permutations), np.iinfo(np.uint32).max, dtype=np.uint32)
    filled = np.flatnonzero(pieces)
    least[filled] = np.minimum.reduceat(_signed(cut, a, b), offsets_of(pieces)[:-1][filled], axis=0)
    return least


def sha1_elements(rows: Sequence[Iterable[bytes]]) -> Ragged:
    """Hash byte strings as datasketch does by default, for signatures that are compared with sketches of
    other programs.

    It takes a microsecond per element.
    """
    hashes = [[sha1_hash32(element) for element in row] for row in rows]
    lengths = np.array([len(row) for row in hashes], dtype=np.int64)
    return Ragged(offsets_of(lengths), np.array([value for row in hashes for value in row], dtype=np.uint64))


def to_datasketch(signature: U32, seed: int = SEED) -> datasketch.MinHash:
    """Return one row of `signatures` as a datasketch MinHash.

    Its update() hashes by SHA-1, which is only of use if the elements come from sha1_elements.
    """
    return datasketch.MinHash(seed=seed, hashvalues=signature, scheme=SCHEME)


def from_datasketch(sketches: Sequence[datasketch.MinHash], seed: int = SEED) -> U32:
    """Return the signatures of datasketch MinHashes (LeanMinHashes too).

    Raises ValueError unless all have one size, `seed` and the scheme affine32. A "legacy" sketch, of
    datasketch before 2.0, has to be computed again from its text.
    """
    for number, sketch in enumerate(sketches):
        if sketch.scheme != SCHEME or sketch.seed != seed or len(sketch) != len(sketches[0]):
            raise ValueError(
                f"sketch {number} has scheme {sketch.scheme}, seed {sketch.seed} and {len(sketch)} permutations: "
                f"sketches compare only within one of each ({SCHEME}, {seed}, {len(sketches[0])} here)"
            )
    if not sketches:
        return np.zeros((0, PERMUTATIONS), dtype=np.uint32)
    return np.stack([sketch.hashvalues for sketch in sketches]).astype(np.uint32)


def _signed(elements: Ragged, a: U32, b: U32) -> U32:
    signed = np.full((len(elements), len(a)), np.iinfo(np.uint32).max, dtype=np.uint32)
    values = _fmix32(elements.values.astype(np.uint32))
    lengths = elements.lengths
    order = np.argsort(lengths, kind="stable")
    order = order[lengths[order] > 0]
    permuted = np.empty((_ROWS, len(a)), dtype=np.uint32)
    for begin in range(0, len(order), _ROWS):
        # rows of similar length; the shorter ones repeat their last element, which changes no minimum
        rows = order[begin : begin + _ROWS]
        last = lengths[rows, None] - 1
        steps = np.minimum(np.arange(last[-1, 0] + 1), last)
        columns = values[elements.offsets[:-1][rows, None] + steps].T.copy()
        least = columns[0, :, None] * a
        least += b
        work = permuted[: len(rows)]
        for column in columns[1:]:
            np.multiply(column[:, None], a, out=work)
            np.add(work, b, out=work)
            np.minimum(least, work, out=least)
        signed[rows] = least
    return signed


def _permutations(count: int, seed: int) -> tuple[U32, U32]:
    a, b = datasketch.MinHash(num_perm=count, seed=seed, scheme=SCHEME).permutations
    return a.astype(np.uint32), b.astype(np.uint32)


def _fmix32(values: U32) -> U32:
    """Apply MurmurHash3's 32-bit finaliser, with which datasketch mixes its inputs."""
    values = values ^ (values >> np.uint32(16))
    values *= np.uint32(0x85EBCA6B)
    values ^= values >> np.uint32(13)
    values *= np.uint32(0xC2B2AE35)
    values ^= values >> np.uint32(16)
    return values


def _steps(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return 1, 2, ..., count for each row, concatenated."""
    offsets = offsets_of(counts)
    return np.arange(1, offsets[-1] + 1) - np.repeat(offsets[:-1], counts)
