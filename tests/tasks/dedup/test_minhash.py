from __future__ import annotations

import random

import datasketch
import numpy as np
import pytest
from datasketch.hashfunc import sha1_hash32

from tasks.dedup import minhash
from tasks.dedup.minhash import from_datasketch, sha1_elements, signatures, to_datasketch
from tasks.dedup.tokens import Ragged, concatenate

RNG = np.random.default_rng(3)


def ragged(*rows: np.ndarray) -> Ragged:
    return concatenate([Ragged(np.array([0, len(row)]), row.astype(np.uint64)) for row in rows])


def drawn(*lengths: int) -> Ragged:
    return ragged(*(RNG.integers(0, 2**64, size=length, dtype=np.uint64) for length in lengths))


def sketch(row: np.ndarray, seed: int = 1, permutations: int = 128) -> datasketch.MinHash:
    minhash = datasketch.MinHash(num_perm=permutations, seed=seed, hashfunc=int)
    minhash.update_batch((row & np.uint64(0xFFFFFFFF)).tolist())
    return minhash


@pytest.mark.parametrize(("permutations", "seed"), [(128, 1), (64, 7), (256, 1)])
def test_signatures_are_those_of_datasketch(permutations: int, seed: int) -> None:
    rows = drawn(3, 0, 1, 500, 27, 1024, 1025, 5000, 0)
    signed = signatures(rows, permutations=permutations, seed=seed)
    assert signed.shape == (9, permutations)
    for k in range(9):
        assert (signed[k] == sketch(rows[k], seed, permutations).hashvalues).all()


def test_the_result_does_not_depend_on_blocks_and_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = drawn(*RNG.integers(0, 90, size=700).tolist())
    whole = signatures(rows)
    monkeypatch.setattr(minhash, "_ROWS", 7)
    monkeypatch.setattr(minhash, "_PIECE", 11)
    assert (signatures(rows) == whole).all()


def test_repeats_and_order_do_not_matter() -> None:
    row = RNG.integers(0, 2**64, size=40, dtype=np.uint64)
    again = np.concatenate([row[::-1], row[:5]])
    one, two = signatures(ragged(row, again))
    assert (one == two).all()


def test_signatures_are_converted_to_datasketch_and_back() -> None:
    signed = signatures(drawn(30, 4, 0))
    sketches = [to_datasketch(row) for row in signed]
    assert (from_datasketch(sketches) == signed).all()
    assert (from_datasketch([datasketch.LeanMinHash(one) for one in sketches]) == signed).all()
    assert from_datasketch([]).shape == (0, 128)


def test_sketches_made_elsewhere_can_be_compared_with_ours() -> None:
    rng = random.Random(2)
    words = [f"w{k}".encode() for k in range(400)]
    rows = [rng.sample(words, 50) for _ in range(6)]
    theirs = []
    for row in rows:
        minhash = datasketch.MinHash(num_perm=128)
        minhash.update_batch(row)
        theirs.append(minhash)
    assert (from_datasketch(theirs) == signatures(sha1_elements(rows))).all()
    assert sha1_elements([[b"x"]]).values[0] == sha1_hash32(b"x")


def test_datasketch_finds_with_our_signatures_what_it_finds_with_its_own() -> None:
    base = RNG.integers(0, 2**64, size=60, dtype=np.uint64)
    rows = ragged(base, np.concatenate([base[:57], base[:2] + np.uint64(1)]), base + np.uint64(9))
    ours = [to_datasketch(row) for row in signatures(rows)]
    lsh = datasketch.MinHashLSH(threshold=0.7, num_perm=128)
    for k, signed in enumerate(ours):
        lsh.insert(k, signed)
    assert sorted(lsh.query(sketch(rows[0]))) == [0, 1]
    assert ours[0].jaccard(ours[1]) == sketch(rows[0]).jaccard(sketch(rows[1]))


@pytest.mark.parametrize(
    "wrong",
    [
        datasketch.MinHash(num_perm=128, seed=2),
        datasketch.MinHash(num_perm=64),
        datasketch.MinHash(num_perm=128, scheme="legacy"),
    ],
)
def test_what_cannot_be_compared_is_refused(wrong: datasketch.MinHash) -> None:
    with pytest.raises(ValueError, match="sketch 1 has scheme .*: sketches compare only within one of each"):
        from_datasketch([datasketch.MinHash(num_perm=128), wrong])
