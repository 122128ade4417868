from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.dedup import jaccard, prefix
from tasks.dedup.jaccard import Pairs, similar_pairs

WORDS = [f"w{k}" for k in range(20)]
TEXT = st.lists(st.sampled_from(WORDS[:12]), max_size=10).map(" ".join)


def grams(text: str, n: int, language: str = "en") -> set[tuple[str, ...]]:
    cut = text.split() if language == "en" else [c for c in text if c.isalnum()]
    return {tuple(cut[i : i + n]) for i in range(max(len(cut) - n + 1, min(len(cut), 1)))}


def brute(
    left: list[str], right: list[str], threshold: float, n: int, language: str = "en"
) -> dict[tuple[int, int], float]:
    a, b = [grams(t, n, language) for t in left], [grams(t, n, language) for t in right]
    similarities = {}
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            if x and y and len(x & y) / len(x | y) >= threshold:
                similarities[i, j] = len(x & y) / len(x | y)
    return similarities


def as_dict(pairs: Pairs) -> dict[tuple[int, int], float]:
    return {(int(a), int(b)): float(s) for a, b, s in zip(pairs.left, pairs.right, pairs.score, strict=True)}


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXT, max_size=25), st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.8, 1.0]), st.integers(1, 3))
def test_every_pair_and_no_other(texts: list[str], threshold: float, n: int) -> None:
    expected = {pair: s for pair, s in brute(texts, texts, threshold, n).items() if pair[0] < pair[1]}
    assert as_dict(similar_pairs(texts, None, threshold=threshold, n=n)) == expected


@settings(max_examples=40, deadline=None)
@given(st.lists(TEXT, max_size=15), st.lists(TEXT, max_size=15), st.sampled_from([0.3, 0.5, 0.7, 1.0]))
def test_across_two_collections(left: list[str], right: list[str], threshold: float) -> None:
    pairs = similar_pairs(left, None, threshold=threshold, n=2, against=(right, None))
    assert as_dict(pairs) == brute(left, right, threshold, 2)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_planted_copies_at_known_similarity(language: str) -> None:
    rng = random.Random(7)
    alphabet = [f"k{k}" for k in range(3000)] if language == "en" else [chr(0x4E00 + k) for k in range(3000)]
    glue = " " if language == "en" else ""
    texts = []
    for _ in range(80):
        words = rng.choices(alphabet, k=rng.randint(12, 45))
        texts.append(glue.join(words))
        for _ in range(3):
            copy = list(words)
            for _ in range(rng.randint(0, 4)):
                copy[rng.randrange(len(copy))] = rng.choice(alphabet)
            texts.append(glue.join(copy))
    rng.shuffle(texts)
    languages = [language] * len(texts)
    expected = {pair: s for pair, s in brute(texts, texts, 0.7, 3, language).items() if pair[0] < pair[1]}
    similarities = as_dict(similar_pairs(texts, languages, threshold=0.7))
    assert len(expected) > 100
    assert similarities == expected


def test_spelling_does_not_hide_a_copy() -> None:
    left = r"Compute \dfrac{1}{2} \cdot 1{,}000 for the given value of $x$, please."
    right = "Compute\n\\frac12 × 1000 for the given value of x, please"
    assert as_dict(similar_pairs([left, right], None, threshold=1.0)) == {(0, 1): 1.0}
    assert len(similar_pairs(["小明 有 ３ 个苹果", "小明有3个苹果。"], ["zh", "zh"], threshold=1.0)) == 1


def test_the_result_does_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(3)
    texts = [" ".join(rng.choices(WORDS, k=rng.randint(1, 12))) for _ in range(300)]
    whole = as_dict(similar_pairs(texts, None, threshold=0.4, n=1))
    monkeypatch.setattr(jaccard, "_BLOCK", 50)
    monkeypatch.setattr(prefix, "_BLOCK", 70)
    assert as_dict(similar_pairs(texts, None, threshold=0.4, n=1)) == whole
    assert len(whole) > 100


def test_empty_texts_match_nothing() -> None:
    assert len(similar_pairs(["", "  ", "?"], None, threshold=0.1)) == 0
    assert len(similar_pairs([], None)) == 0
    assert len(similar_pairs(["a b c"], None, against=([], None))) == 0


def test_bitmaps_bound_the_difference() -> None:
    rng = np.random.default_rng(5)
    from tasks.dedup.tokens import Ragged

    rows = [np.unique(rng.integers(0, 2**64, size=rng.integers(0, 60), dtype=np.uint64)) for _ in range(20)]
    rows += [np.union1d(row[::2], rng.integers(0, 2**64, size=3, dtype=np.uint64)) for row in rows]
    sets = Ragged(np.cumsum([0, *map(len, rows)]).astype(np.int64), np.concatenate(rows))
    for words in (1, 2, 8, 32):
        maps = prefix.parity_bitmaps(sets, words)
        assert maps.shape == (40, words)
        for i, a in enumerate(rows):
            for j, b in enumerate(rows):
                assert int(np.bitwise_count(maps[i] ^ maps[j]).sum()) <= len(np.setxor1d(a, b))


@pytest.mark.parametrize("threshold", [0.0, -1.0, 1.5])
def test_threshold_out_of_range(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold"):
        similar_pairs(["a"], None, threshold=threshold)
