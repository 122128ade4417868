from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.dedup.cluster import components, rank_of, survivors, witnesses
from tasks.dedup.jaccard import Pairs


def edges(*pairs: tuple[int, int, float]) -> Pairs:
    left, right, score = zip(*pairs, strict=True)
    return Pairs(np.array(left), np.array(right), np.array(score))


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 12).flatmap(
        lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[st.integers(0, n - 1)] * 2)))
    )
)
def test_components_are_those_of_a_plain_search(case: tuple[int, list[tuple[int, int]]]) -> None:
    count, pairs = case
    label = list(range(count))
    for _ in range(count):
        for a, b in pairs:
            label[a] = label[b] = min(label[a], label[b])
    numbered = {value: k for k, value in enumerate(dict.fromkeys(label))}
    left, right = np.array([a for a, _ in pairs], np.int64), np.array([b for _, b in pairs], np.int64)
    assert components(count, left, right).tolist() == [numbered[value] for value in label]


def test_the_best_row_survives_and_ties_go_to_the_smallest_id() -> None:
    labels = np.array([0, 0, 1, 1, 2])
    assert survivors(labels, np.array([0.1, 0.9, 0.5, 0.5, 0.0]), ["a", "b", "d", "c", "e"]).tolist() == [
        1,
        1,
        3,
        3,
        4,
    ]
    assert survivors(np.array([0, 0, 0]), np.array([np.nan, 0.0, -1.0]), ["a", "b", "c"]).tolist() == [
        1,
        1,
        1,
    ]


def test_the_order_of_the_rows_does_not_matter() -> None:
    scores, ids = np.array([0.5, 0.5, 0.7, 0.1]), ["x", "b", "a", "q"]
    rank = rank_of(scores, ids)
    turned = rank_of(scores[::-1], ids[::-1])
    assert rank.tolist() == turned[::-1].tolist() == [2, 1, 0, 3]


def test_the_row_to_name() -> None:
    # 0 - 1 - 2 and 3: 2 reaches the survivor 0 through 1 only
    pairs = edges((0, 1, 0.7), (1, 2, 0.9))
    assert witnesses(pairs, np.array([0, 0, 0, 3])) == {1: (0, 0.7), 2: (1, 0.9)}


def test_no_rows() -> None:
    nothing = np.zeros(0, np.int64)
    assert components(0, nothing, nothing).tolist() == []
    assert survivors(nothing, np.zeros(0), []).tolist() == []


@pytest.mark.parametrize("count", [1, 5])
def test_without_pairs_every_row_stays(count: int) -> None:
    nothing = np.zeros(0, np.int64)
    labels = components(count, nothing, nothing)
    assert survivors(labels, np.zeros(count), [str(k) for k in range(count)]).tolist() == list(range(count))
