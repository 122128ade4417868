"""Neighbours compared with brute force, for every size of query block."""

from __future__ import annotations

import faiss
import numpy as np
import numpy.typing as npt
import pytest

from storage.indexes.index import IndexSettings, VectorIndex
from tasks.retrieval.neighbours import BLOCK, _blocks, _filled, nearest, neighbours

D = 32


def unit(count: int, seed: int, d: int = D) -> npt.NDArray[np.float32]:
    vectors = np.random.default_rng(seed).standard_normal((count, d), dtype=np.float32)
    normal: npt.NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return normal


def brute(pool: npt.NDArray[np.float32], queries: npt.NDArray[np.float32], k: int) -> npt.NDArray[np.int64]:
    order: npt.NDArray[np.int64] = np.argsort(-(queries.astype(np.float64) @ pool.T), axis=1, kind="stable")[
        :, :k
    ]
    return order


def index_of(pool: npt.NDArray[np.float32], settings: IndexSettings | None = None) -> VectorIndex:
    index = VectorIndex(pool.shape[1], settings or IndexSettings())
    index.add([f"row{i}" for i in range(len(pool))], pool)
    return index


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 23, 24, 25, 333, 4100])
def test_exact_neighbours_are_those_of_brute_force(count: int) -> None:
    pool, queries = unit(1500, 1, 384), unit(count, 2, 384)
    truth = brute(pool, queries, 5)
    scores, rows = nearest(pool, queries, 5)
    assert np.array_equal(rows, truth)
    np.testing.assert_allclose(scores, np.take_along_axis(queries @ pool.T, truth, 1), atol=1e-5)
    by_index, ids = neighbours(index_of(pool), queries, 5)
    assert ids.tolist() == [[f"row{i}" for i in row] for row in truth]
    np.testing.assert_allclose(by_index, scores, atol=1e-5)


def test_a_stored_vector_is_its_own_nearest() -> None:
    pool = unit(300, 3)
    scores, rows = nearest(pool, pool, 1)
    assert rows[:, 0].tolist() == list(range(300))
    np.testing.assert_allclose(scores, 1, atol=1e-5)


def test_small_index_and_no_queries() -> None:
    index = index_of(unit(3, 4))
    scores, ids = neighbours(index, unit(2, 5), 20)
    assert scores.shape == ids.shape == (2, 20)
    assert sorted(ids[0, :3]) == ["row0", "row1", "row2"]
    assert ids[0, 3:].tolist() == [None] * 17
    assert np.isneginf(scores[:, 3:]).all()
    assert neighbours(index, unit(0, 5), 20)[1].shape == (0, 20)
    assert neighbours(VectorIndex(D), unit(2, 5), 4)[1].tolist() == [[None] * 4] * 2
    with pytest.raises(ValueError, match="the pool has 3 rows"):
        nearest(unit(3, 4), unit(2, 5), 4)


def test_blocks_are_even_and_cover_everything() -> None:
    for count in (0, 1, BLOCK, BLOCK + 1, 10 * BLOCK + 7):
        blocks = list(_blocks(count))
        assert [i for block in blocks for i in range(block.start, block.stop)] == list(range(count))
        sizes = [block.stop - block.start for block in blocks]
        assert not sizes or max(sizes) <= BLOCK
        assert not sizes or min(sizes) >= max(sizes) - 1


def test_filling_reaches_what_faiss_wants_and_no_further() -> None:
    enough = -(-faiss.cvar.distance_compute_blas_threshold // 384)
    assert len(_filled(unit(200, 6, 384))) == enough
    assert len(_filled(unit(5, 6, 384))) == 5
    assert len(_filled(unit(enough + 1, 6, 384))) == enough + 1


@pytest.mark.slow
def test_an_approximate_index_misses_no_more_than_it_says() -> None:
    centres = unit(60, 7)
    noise = np.random.default_rng(8).standard_normal((6000, D), dtype=np.float32) * 0.08
    pool = centres[np.arange(6000) % 60] + noise
    pool /= np.linalg.norm(pool, axis=1, keepdims=True)
    for kind in ("ivf", "hnsw"):
        index = index_of(pool, IndexSettings(flat_up_to=1000, kind=kind, recall=0.9, at=10))
        assert index.kind == kind
        assert index.recall >= 0.9
        queries = pool[::7]
        _, ids = neighbours(index, queries, 10)
        truth = brute(pool, queries, 10)
        hits = sum(
            len({f"row{i}" for i in row} & set(names)) for row, names in zip(truth, ids.tolist(), strict=True)
        )
        assert hits / truth.size >= 0.87
