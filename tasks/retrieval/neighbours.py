"""The nearest neighbours of questions: exact, over vectors in memory, or through an index.

FAISS multiplies by BLAS only from a number of queries on (`distance_compute_blas_threshold` divided by the dimensions: 334 queries
at 384 dimensions in faiss 1.15). With fewer queries it computes one query after the other, which is ten times slower. Queries are
therefore split into large blocks of equal size, and a smaller set is padded to that number.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from storage.counting import counted
from storage.indexes.index import VectorIndex
from storage.indexes.vectors import Vectors

BLOCK = 4096  # queries per block, as many as FAISS multiplies together
_WORTH_FILLING = 24  # fewer queries are faster without padding


def neighbours(index: VectorIndex, vectors: Vectors, k: int = 20) -> tuple[Vectors, npt.NDArray[np.object_]]:
    """Return the `k` nearest of each query: (cosines, ids), both of shape (queries, k), best first.

    Where the index finds fewer than `k` (it is smaller, or approximate), the rest is -inf and None.
    """
    scores = np.full((len(vectors), k), -np.inf, dtype=np.float32)
    ids = np.full((len(vectors), k), None, dtype=object)
    if not index.size or not len(vectors):
        return scores, ids
    names = np.array([*index.ids, None], dtype=object)  # FAISS returns -1 for a missing neighbour
    count = min(k, index.size)
    for block in _blocks(len(vectors)):
        queries = vectors[block]
        filled = _filled(queries) if index.exact else queries
        block_scores, positions = index.search(filled, count)
        positions = positions[: len(queries)]
        ids[block, :count] = names[positions]
        scores[block, :count] = np.where(positions < 0, -np.inf, block_scores[: len(queries)])
    return scores, ids


def nearest(pool: Vectors, queries: Vectors, k: int = 20) -> tuple[Vectors, npt.NDArray[np.int64]]:
    """Return the exact neighbours among the rows of `pool`: (cosines, row numbers), best first.

    Both have the shape (queries, k). Raises ValueError if the pool has fewer than `k` rows.
    """
    if k > len(pool):
        raise ValueError(
            f"{counted(k, 'neighbour')} requested, and the pool has {counted(len(pool), 'row')}. Fix: request fewer"
        )
    scores = np.empty((len(queries), k), dtype=np.float32)
    rows = np.empty((len(queries), k), dtype=np.int64)
    for block in _blocks(len(queries)):
        filled = _filled(queries[block])
        results: tuple[Any, Any] = faiss.knn(filled, pool, k, metric=faiss.METRIC_INNER_PRODUCT)
        count = block.stop - block.start
        scores[block], rows[block] = results[0][:count], results[1][:count]
    return scores, rows


def _blocks(count: int) -> Iterator[slice]:
    """Yield even slices of at most BLOCK, so that the last one is not small."""
    pieces = -(-count // BLOCK)
    edges = np.linspace(0, count, pieces + 1).astype(int)
    for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        yield slice(start, stop)


def _filled(queries: Vectors) -> Vectors:
    """Return the queries with rows of zeros appended, up to the number from which FAISS uses BLAS."""
    enough = -(-int(faiss.cvar.distance_compute_blas_threshold) // queries.shape[1])
    if not _WORTH_FILLING <= len(queries) < enough:
        return queries
    filled = np.zeros((enough, queries.shape[1]), dtype=np.float32)
    filled[: len(queries)] = queries
    return filled
