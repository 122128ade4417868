from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score import rouge_scorer

from tasks.dedup import bands, lcs, rouge
from tasks.dedup.lcs import novel, rouge_l, similar_pairs

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "selfinstruct"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no stored self-instruct decisions in {DATA}")

SCORER = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
TEXT = st.lists(
    st.sampled_from(["a", "b", "c", "d", "e1", "É", "x-y", "3.5", "K", "İx", "ſ"]), max_size=10
).map(" ".join)


def score(left: str, right: str) -> float:
    f_measure: float = SCORER.score(left, right)["rougeL"].fmeasure
    return f_measure


def sequential(texts: list[str], pool: list[str], threshold: float) -> list[bool]:
    """Self-instruct's loop, as it is written there."""
    kept, decisions = list(pool), []
    for text in texts:
        fresh = max((score(other, text) for other in kept), default=0) <= threshold
        decisions.append(fresh)
        if fresh:
            kept.append(text)
    return decisions


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT), max_size=12))
def test_scores_are_those_of_rouge_score(pairs: list[tuple[str, str]]) -> None:
    left, right = [a for a, _ in pairs], [b for _, b in pairs]
    assert rouge_l(left, right).tolist() == [score(a, b) for a, b in pairs]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=40), max_size=8))
def test_scores_on_any_text(texts: list[str]) -> None:
    left = [a for a in texts for _ in texts]
    right = [b for _ in texts for b in texts]
    assert rouge_l(left, right).tolist() == [score(a, b) for a, b in zip(left, right, strict=True)]


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.lists(TEXT, max_size=20), st.lists(TEXT, max_size=8), st.sampled_from([0.2, 0.5, 0.7, 0.9]))
def test_decisions_are_those_of_the_loop(texts: list[str], pool: list[str], threshold: float) -> None:
    decisions = novel(texts, pool, threshold=threshold)
    assert [match is None for match in decisions] == sequential(texts, pool, threshold)
    for text, match in zip(texts, decisions, strict=True):
        if match is not None:
            other, value = match
            assert other < len(pool) or decisions[other - len(pool)] is None
            assert value == score((pool + texts)[other], text) > threshold


@pytest.mark.slow
def test_every_pair_above_the_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(11)
    words = [f"w{k}" for k in range(60)]
    texts = [" ".join(rng.choices(words, k=rng.randint(0, 70))) for _ in range(35)]
    for text in list(texts):
        cut = text.split()
        for _ in range(rng.randint(0, 12)):
            if cut:
                cut.insert(rng.randrange(len(cut)), cut.pop(rng.randrange(len(cut))))
        texts.append(" ".join(cut))
    expected = {}
    for i, a in enumerate(texts):
        for j in range(i + 1, len(texts)):
            value = score(a, texts[j])
            if value > 0.6:
                expected[i, j] = value
    assert len(expected) > 15
    above = similar_pairs(texts, threshold=0.6)
    assert {
        (int(a), int(b)): float(s) for a, b, s in zip(above.left, above.right, above.score, strict=True)
    } == expected
    across = similar_pairs(texts[35:], threshold=0.6, against=(texts[:35], None))
    pairs = {(int(b), int(a) + 35) for a, b in zip(across.left, across.right, strict=True)}
    assert pairs == {pair for pair in expected if pair[0] < 35 <= pair[1]}
    decisions = [match is None for match in novel(texts, [], threshold=0.6)]
    monkeypatch.setattr(lcs, "_BLOCK", 13)
    monkeypatch.setattr(bands, "_QUERIES", 3)
    monkeypatch.setattr(lcs, "_PAIRS", 5)
    monkeypatch.setattr(rouge, "_PAIRS", 3)
    assert [match is None for match in novel(texts, [], threshold=0.6)] == decisions


def test_long_texts() -> None:
    rng = random.Random(2)
    words = [f"w{k}" for k in range(400)]
    base = rng.choices(words, k=600)
    edited = [word for word in base if rng.random() > 0.15]
    other = rng.choices(words, k=600)
    texts = [" ".join(base), " ".join(edited), " ".join(other), " ".join(base[:200]), " ".join(base[:190])]
    above = similar_pairs(texts, threshold=0.7)
    assert list(zip(above.left.tolist(), above.right.tolist(), strict=True)) == [(0, 1), (3, 4)]
    assert above.score.tolist() == [score(texts[0], texts[1]), score(texts[3], texts[4])]


def test_chinese_goes_by_characters() -> None:
    left, right = "小明有3个苹果，又买了5个。", "小明有3个梨子，又买了5个？"
    plain = [" ".join(c for c in text if c.isalnum()) for text in (left, right)]
    # rouge_score's tokenizer knows [a-z0-9] only: give it each character as a word of its own
    coded = [" ".join(f"c{ord(c)}" for c in text.split()) for text in plain]
    assert rouge_l([left], [right], ["zh"]).tolist() == [score(*coded)]
    assert novel([left, right], [], languages=["zh", "zh"]) == [None, (0, score(*coded))]
    assert novel([left, right], []) == [None, (0, 1.0)], "as English only the digits are words"


def test_what_may_be_compared() -> None:
    texts = ["a b c d", "a b c d", "a b c d"]

    def first_with_pool_only(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return (right == 0) & (left == 2)

    assert novel(texts, ["a b c d"], comparable=first_with_pool_only) == [None, None, (0, 1.0)]


def test_nothing_to_compare() -> None:
    assert novel([], ["a"]) == []
    assert novel(["", "?!"], [""]) == [None, None]
    with pytest.raises(ValueError, match="threshold"):
        novel(["a"], [], threshold=0)
    with pytest.raises(ValueError, match="1 texts on the left but 2"):
        rouge_l(["a"], ["a", "b"])


@needs_data
def test_stored_similarities_of_self_instruct() -> None:
    rows = [json.loads(line) for line in (DATA / "alpaca_regen_similarity.a.jsonl").read_text().splitlines()]
    near = [
        (row["instruction"], text, value)
        for row in rows
        for text, value in row["most_similar_instructions"].items()
    ]
    assert len(near) == 370
    assert rouge_l([a for a, _, _ in near], [b for _, b, _ in near]).tolist() == [
        value for _, _, value in near
    ]
    seeds = [json.loads(line)["instruction"] for line in (DATA / "seed_tasks.jsonl").read_text().splitlines()]
    assert novel([row["instruction"] for row in rows], seeds) == [None] * len(rows)


@pytest.mark.slow
@needs_data
@pytest.mark.parametrize("threshold", ["0.6", "0.7", "0.8", "0.9"])
def test_stored_decisions_of_gpteacher(threshold: str) -> None:
    with gzip.open(DATA / "gpteacher_toolformer_similarity.a.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    kept = np.array([row[f"_kept_at_{threshold}"] for row in rows])
    pairs = similar_pairs([row["response"] for row in rows], threshold=0.5)
    nearest = np.zeros(len(rows))
    earlier = kept[pairs.left]
    np.maximum.at(nearest, pairs.right[earlier], pairs.score[earlier])
    # their filter drops at the threshold too; a few drops come from rows that are not in the file
    assert not (nearest[kept] >= float(threshold)).any()
    assert (nearest[~kept] >= float(threshold)).mean() > 0.96
