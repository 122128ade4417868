"""Neighbours of failures: the floor, the skill, questions that several versions have, and the recall of an index."""

from __future__ import annotations

import math

import numpy as np
import pytest

from storage.indexes.index import IndexSettings, VectorIndex
from tasks.weakness.neighbours import Neighbour, near_failures, of_skill, precision, recall_of
from tasks.weakness.profile import Profile


def index(**vectors: list[float]) -> VectorIndex:
    table = np.array(list(vectors.values()), np.float32)
    table /= np.linalg.norm(table, axis=1, keepdims=True)
    one = VectorIndex(table.shape[1])
    one.add(list(vectors), table)
    return one


def profile(subdomain: str | None, *operations: str) -> Profile:
    return Profile(subdomain, False, frozenset(), frozenset(operations), "integer")


QUERY = np.array([[1.0, 0.0]], np.float32)


def test_the_floor_and_what_is_left_out() -> None:
    indexes = {
        "b@1": index(same=[1, 0], near=[1, 0.2], probe=[1, 0.1]),
        "a@1": index(same=[1, 0], far=[0.1, 1]),
    }
    near = near_failures(indexes, QUERY, most=5, floor=0.5, without={"probe"})
    assert [(one.problem_id, one.source) for one in near] == [("same", "a@1"), ("near", "b@1")]
    assert all(one.cosine >= 0.5 for one in near)


def test_neighbours_of_another_skill_are_left_out_and_shared_skills_come_first() -> None:
    near = [
        Neighbour(0, "a@1", name, cosine) for name, cosine in (("x", 0.9), ("y", 0.8), ("z", 0.7), ("u", 0.6))
    ]
    profiles = {
        "x": profile("limits", "power"),
        "y": profile("functions"),
        "z": profile("functions", "power"),
        "u": profile(None),
    }
    own = [profile("functions", "power")]
    assert [one.problem_id for one in of_skill(near, own, profiles, 2)] == ["z", "y"]
    assert [one.problem_id for one in of_skill(near, own, profiles, 9)] == ["z", "y", "u"]


def test_precision_counts_what_is_known() -> None:
    near = [Neighbour(0, "a@1", name, 0.9) for name in ("x", "y", "z")]
    assert precision(near, ["functions"], {"x": "functions", "y": "limits", "z": None}) == 0.5
    assert math.isnan(precision(near, [None], {"x": "functions"}))


def test_the_recall_of_an_approximate_index_is_measured() -> None:
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(2000, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = [str(i) for i in range(len(vectors))]
    exact = VectorIndex(16)
    exact.add(names, vectors)
    assert recall_of(exact, vectors[:50], 20) == 1.0
    rough = VectorIndex(16, IndexSettings(flat_up_to=100, recall=0.2))
    rough.add(names, vectors)
    assert 0.2 < recall_of(rough, vectors[:50], 20) < 1.0


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_the_parts_of_a_probe_follow_from_the_question(share: float) -> None:
    import pyarrow as pa

    from tasks.weakness.split import divided, measures

    texts = [f"How many apples are {i} apples?" for i in range(400)]
    drives, held_out = divided(pa.table({"question": texts}), share)
    assert drives.num_rows + held_out.num_rows == 400
    assert abs(held_out.num_rows / 400 - share) < 0.08
    assert all(measures(f"  {text} ", share) for text in held_out.column("question").to_pylist())
