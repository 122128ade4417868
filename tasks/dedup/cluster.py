"""Clusters of similar rows, and the row of each that is kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from tasks.dedup.jaccard import F64, Pairs
from tasks.dedup.tokens import I64


def components(count: int, left: I64, right: I64) -> I64:
    """Return the connected component of each of `count` rows under the given edges, numbered by first row."""
    graph = coo_matrix((np.ones(len(left), dtype=np.int8), (left, right)), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank: I64 = np.argsort(np.argsort(first))
    return rank[inverse].astype(np.int64)


def survivors(labels: I64, scores: npt.NDArray[np.floating], ids: Sequence[str] | pa.Array) -> I64:
    """Return for each row the row that is kept for its cluster: the highest score, ties to the smallest id."""
    rank = rank_of(scores, ids)
    order = np.lexsort((rank, labels))
    ordered = labels[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = ordered[1:] != ordered[:-1]
    best = np.zeros(int(labels.max(initial=-1)) + 1, dtype=np.int64)
    best[ordered[first]] = order[first]
    return best[labels]


def rank_of(scores: npt.NDArray[np.floating], ids: Sequence[str] | pa.Array) -> I64:
    """Rank the rows, 0 for the best: by descending score, then by id, independent of the order of the rows."""
    table = pa.table(
        {"score": pa.array(scores, type=pa.float64()), "id": pa.array(ids, type=pa.large_string())}
    )
    order = pc.sort_indices(table, sort_keys=[("score", "descending"), ("id", "ascending")]).to_numpy()
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank


def witnesses(pairs: Pairs, stays: I64) -> dict[int, tuple[int, float]]:
    """Return for each row that is dropped: (the row to name, similarity).

    That is the kept row of its cluster if the two are a pair themselves, or else the most similar neighbour
    that links them (ties: smallest row).
    """
    rows = np.concatenate([pairs.left, pairs.right])
    others = np.concatenate([pairs.right, pairs.left])
    score: F64 = np.concatenate([pairs.score, pairs.score])
    gone = stays[rows] != rows
    rows, others, score = rows[gone], others[gone], score[gone]
    order = np.lexsort((others, -score, others != stays[rows], rows))
    by_row: dict[int, tuple[int, float]] = {}
    for k in order:
        by_row.setdefault(int(rows[k]), (int(others[k]), float(score[k])))
    return by_row
