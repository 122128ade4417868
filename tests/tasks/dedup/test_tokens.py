from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.dedup import tokens as module
from tasks.dedup.tokens import Ragged, number_multisets, shingle_sets, shingles, sort_rows, spans, tokens

ANY = st.lists(st.text(max_size=60), max_size=8)


def hashes(words: list[str]) -> list[int]:
    """The hash of each word on its own: the reference that a cut text must agree with."""
    return [int(value) for word in words for value in tokens([word], None).values]


def test_words_operators_and_characters() -> None:
    cut = tokens(["Solve x + 1 = 3, now!", "", "小明有3个苹果"], None)
    assert cut.lengths.tolist() == [8, 0, 7]
    assert cut[0].tolist() == hashes(["solve", "x", "+", "1", "=", "3", "now", "!"])
    assert cut[2].tolist() == hashes(list("小明有3个苹果"))
    assert tokens(["12ab"], ["zh"]).lengths.tolist() == [4]
    assert tokens(["a+b"], None, operators=False).lengths.tolist() == [2]


@settings(max_examples=50, deadline=None)
@given(ANY)
def test_a_row_is_cut_as_if_alone(texts: list[str]) -> None:
    together = tokens(texts, None)
    for row, text in enumerate(texts):
        assert together[row].tolist() == tokens([text], None)[0].tolist()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(alphabet="ab1 é,+", max_size=12), max_size=8))
def test_ascii_words_match_a_regular_expression(texts: list[str]) -> None:
    cut = tokens(texts, None)
    for row, text in enumerate(texts):
        words = re.findall(r"[a-z0-9é]+|\+", text)
        assert len(cut[row]) == len(words)
        assert cut[row].tolist() == hashes(words)


def test_the_result_does_not_depend_on_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"row {k} 有 x+{k} " * (k % 5) for k in range(200)]
    whole = tokens(texts, ["zh" if k % 3 == 0 else "en" for k in range(200)])
    monkeypatch.setattr(module, "_CHUNK_BYTES", 64)
    small = tokens(texts, ["zh" if k % 3 == 0 else "en" for k in range(200)])
    assert np.array_equal(whole.values, small.values)
    assert np.array_equal(whole.offsets, small.offsets)


def test_a_long_text() -> None:
    cut = tokens(["ab " * 100_000 + "x" * 300_000, "end"], None)
    assert cut.lengths.tolist() == [100_001, 1]
    assert len(set(cut[0].tolist())) == 2


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(0, 5), max_size=9), max_size=8), st.integers(1, 4))
def test_shingles_are_the_n_grams(rows: list[list[int]], n: int) -> None:
    flat = Ragged(
        np.cumsum([0, *map(len, rows)]).astype(np.int64),
        np.array([v for row in rows for v in row], dtype=np.uint64),
    )
    shingled, sets = shingles(flat, n), shingle_sets(flat, n)
    seen: dict[tuple[int, ...], int] = {}
    for k, row in enumerate(rows):
        grams = [tuple(row[i : i + n]) for i in range(max(len(row) - n + 1, min(len(row), 1)))]
        assert len(shingled[k]) == len(grams)
        for gram, value in zip(grams, shingled[k].tolist(), strict=True):
            assert seen.setdefault(gram, value) == value
        assert sorted({seen[gram] for gram in grams}) == sets[k].tolist()
    # zero-padding makes one exception: a short row that ends in zeros
    assert len(set(seen.values())) >= len(seen) - sum(len(gram) < n for gram in seen)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(0, 2**64 - 1), max_size=40), max_size=10))
def test_sort_rows(rows: list[list[int]]) -> None:
    flat = Ragged(
        np.cumsum([0, *map(len, rows)]).astype(np.int64),
        np.array([v for row in rows for v in row], dtype=np.uint64),
    )
    assert sort_rows(flat).tolist() == [v for row in rows for v in sorted(row)]


def test_spans() -> None:
    assert spans(np.array([5, 0, 2]), np.array([2, 0, 3])).tolist() == [5, 6, 2, 3, 4]


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="n-gram length"):
        shingle_sets(tokens(["a"], None), 0)
    with pytest.raises(ValueError, match="1 texts but 2 languages"):
        tokens(["a"], ["en", "zh"])
    assert number_multisets(pa.array([], pa.large_string())).tolist() == []
