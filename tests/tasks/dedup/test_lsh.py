from __future__ import annotations

import random

import numpy as np
import pytest

from tasks.dedup import candidates as near
from tasks.dedup import jaccard, lsh, prefix
from tasks.dedup.candidates import NearIndex
from tasks.dedup.jaccard import Pairs
from tasks.dedup.lsh import LshIndex, band_keys, bands_for, pairs_within, s_curve, similar_pairs
from tasks.dedup.settings import DedupSettings
from tasks.dedup.tokens import Ragged, concatenate


def as_dict(pairs: Pairs) -> dict[tuple[int, int], float]:
    return {(int(a), int(b)): float(s) for a, b, s in zip(pairs.left, pairs.right, pairs.score, strict=True)}


def planted(count: int, language: str, length: tuple[int, int] = (20, 60), seed: int = 7) -> list[str]:
    """Texts, each with a copy in which up to four words are others and up to three are missing."""
    rng = random.Random(seed)
    alphabet = [f"k{k}" for k in range(3000)] if language == "en" else [chr(0x4E00 + k) for k in range(3000)]
    texts = []
    for _ in range(count):
        words = rng.choices(alphabet, k=rng.randint(*length))
        copy = list(words)
        for _ in range(rng.randint(0, 4)):
            copy[rng.randrange(len(copy))] = rng.choice(alphabet)
        texts += [words, copy[: len(copy) - rng.randint(0, 3)]]
    rng.shuffle(texts)
    return [(" " if language == "en" else "").join(words) for words in texts]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.9])
def test_precision_is_one_and_recall_that_of_the_s_curve(language: str, threshold: float) -> None:
    texts = planted(800, language)
    languages = [language] * len(texts)
    exact = as_dict(jaccard.similar_pairs(texts, languages, threshold=threshold))
    similarities = as_dict(similar_pairs(texts, languages, threshold=threshold))
    assert len(exact) > 100
    assert similarities.items() <= exact.items(), "every pair given is verified"
    bands, width = bands_for(threshold, lsh.RECALL)
    expected = np.array([s_curve(score, bands, width) for score in exact.values()])
    # three standard deviations below the value of the theory
    least = expected.sum() - 3 * np.sqrt((expected * (1 - expected)).sum())
    assert len(similarities) >= least


def test_across_two_collections() -> None:
    texts = planted(200, "en")
    left, right = texts[:250], texts[250:]
    exact = as_dict(jaccard.similar_pairs(left, None, against=(right, None)))
    similarities = as_dict(similar_pairs(left, None, against=(right, None), recall=0.999))
    assert len(exact) > 20
    assert similarities == exact


def test_the_s_curve_and_the_bands_that_meet_it() -> None:
    for threshold, recall in [(0.5, 0.9), (0.7, 0.95), (0.7, 0.999), (0.9, 0.99), (1.0, 0.99)]:
        bands, width = bands_for(threshold, recall)
        assert bands * width <= 128
        assert s_curve(threshold, bands, width) >= recall
        assert width == 128 or s_curve(threshold, 128 // (width + 1), width + 1) < recall
    assert s_curve(0.7, 14, 9) == pytest.approx(1 - (1 - 0.7**9) ** 14)
    with pytest.raises(ValueError, match="8 permutations cannot find pairs at 0.1"):
        bands_for(0.1, 0.99, 8)
    with pytest.raises(ValueError, match="recall in"):
        bands_for(0.7, 1.0)


def test_the_result_does_not_depend_on_slices_and_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = planted(150, "en")
    whole = as_dict(similar_pairs(texts, None))
    assert len(whole) > 50
    monkeypatch.setattr(lsh, "_SLICE", 11)
    monkeypatch.setattr(prefix, "_BLOCK", 3)
    assert as_dict(similar_pairs(texts, None)) == whole


def test_nothing_to_find() -> None:
    assert len(similar_pairs(["", "?", ""], None)) == 0
    assert len(similar_pairs([], None)) == 0
    assert len(similar_pairs(["a b c"], None, against=([], None))) == 0
    assert not list(pairs_within(np.zeros((25, 4), np.uint64)))


def test_a_stored_index_gives_the_same_answers() -> None:
    sets = jaccard.sets_of(planted(100, "en"), None, 3)
    rows = np.arange(0, 200, 2)
    index = LshIndex.of(sets, rows, threshold=0.7)
    again = LshIndex.from_arrays(index.arrays())
    queries = band_keys(sets, threshold=0.7)
    matches = {pair for a, b in index.search(queries) for pair in zip(a.tolist(), b.tolist(), strict=True)}
    assert matches == {
        pair for a, b in again.search(queries) for pair in zip(a.tolist(), b.tolist(), strict=True)
    }
    assert {(row, row) for row in rows.tolist()} <= matches
    assert {b for _, b in matches} <= set(rows.tolist())
    empty = LshIndex.of(sets, np.zeros(0, np.int64), threshold=0.7)
    assert not list(LshIndex.from_arrays(empty.arrays()).search(queries))


def test_short_ones_exactly_and_long_ones_by_bands() -> None:
    """Pairs of two short sets are all found; of a long and a short one, or two long ones, by the S-curve."""
    settings = DedupSettings(jaccard=0.7, minhash_from=40, minhash_recall=0.999)
    texts = planted(400, "en")
    sets = jaccard.sets_of(texts, None, 3)
    long = sets.lengths >= 40
    exact = as_dict(jaccard.join(sets, threshold=0.7))
    mixed = [pair for pair in exact if long[pair[0]] != long[pair[1]]]
    assert len(mixed) > 3
    assert len([pair for pair in exact if long[list(pair)].all()]) > 50
    assert as_dict(near.pairs_within(sets, settings)) == exact
    half = NearIndex.from_arrays(NearIndex.of(sets.take(np.arange(400)), settings).arrays())
    matches = {
        (b, a + 400)
        for left, right in half.search(sets.take(np.arange(400, 800)), settings)
        for a, b in zip(left.tolist(), right.tolist(), strict=True)
    }
    assert {pair for pair in exact if pair[0] < 400 <= pair[1]} <= matches


def test_many_elements() -> None:
    rng = np.random.default_rng(1)
    row = rng.integers(0, 2**64, size=30_000, dtype=np.uint64)
    other = np.concatenate([row[:27_000], rng.integers(0, 2**64, size=3000, dtype=np.uint64)])
    rows = [np.unique(one) for one in (row, other, rng.integers(0, 2**64, size=30_000, dtype=np.uint64))]
    sets = concatenate([Ragged(np.array([0, len(one)]), one) for one in rows])
    pairs = near.pairs_within(sets, DedupSettings())
    assert as_dict(pairs) == {(0, 1): 27_000 / 33_000}
