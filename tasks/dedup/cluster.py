"""Clusters of similar rows and the row that stays for each."""

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
    """The connected component of each of `count` rows under the given edges, numbered by first row."""
    graph = coo_matrix((np.ones(len(left), dtype=np.int8), (left, right)), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank: I64 = np.argsort(np.argsort(first))
    return rank[inverse].astype(np.int64)


def survivors(labels: I64, scores: npt.NDArray[np.floating], ids: Sequence[str] | pa.Array) -> I64:
    """For each row the row that stays for its cluster: the highest score, ties to the smallest id."""
    rank = rank_of(scores, ids)
    order = np.lexsort((rank, labels))
    ordered = labels[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = ordered[1:] != ordered[:-1]
    best = np.zeros(int(labels.max(initial=-1)) + 1, dtype=np.int64)
    best[ordered[first]] = order[first]
    return best[labels]


def rank_of(scores: npt.NDArray[np.floating], ids: Sequence[str] | pa.Array) -> I64:
    """0 for the best row: by descending score, then by id; independent of the order of the rows."""
    table = pa.table(
        {"score": pa.array(scores, type=pa.float64()), "id": pa.array(ids, type=pa.large_string())}
    )
    order = pc.sort_indices(table, sort_keys=[("score", "descending"), ("id", "ascending")]).to_numpy()
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank


def witnesses(pairs: Pairs, stays: I64) -> dict[int, tuple[int, float]]:
    """For each row that does not stay: (the row to name, similarity). That is its survivor where the
    two are a pair themselves, else the most similar neighbour that links them (ties: smallest row)."""
    rows = np.concatenate([pairs.left, pairs.right])
    others = np.concatenate([pairs.right, pairs.left])
    score: F64 = np.concatenate([pairs.score, pairs.score])
    gone = stays[rows] != rows
    rows, others, score = rows[gone], others[gone], score[gone]
    order = np.lexsort((others, -score, others != stays[rows], rows))
    found: dict[int, tuple[int, float]] = {}
    for k in order:
        found.setdefault(int(rows[k]), (int(others[k]), float(score[k])))
    return found
