"""The questions of other datasets that are nearest to failures: by cosine with a floor, and of the failure's skill.

A neighbour that only sounds alike trains something else. Of more neighbours than are wanted, those under the floor are left out, then those
of another skill; `precision` says how many of the rest have the skill, and `recall_of` what an approximate index misses.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from storage.indexes.index import VectorIndex
from storage.indexes.vectors import Vectors
from tasks.retrieval.neighbours import nearest, neighbours
from tasks.weakness.profile import Profile

WIDER = 5  # times as many neighbours are searched as are needed, so that enough are left
RECALL_QUERIES = 512  # failures for which the exact neighbours are computed


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A question near a failure. failure: place of the failure. source: the version that has the question. cosine: of the two."""

    failure: int
    source: str
    problem_id: str
    cosine: float


def near_failures(
    indexes: Mapping[str, VectorIndex],
    vectors: Vectors,
    *,
    most: int,
    floor: float,
    without: Collection[str],
) -> list[Neighbour]:
    """Return the questions of all indexes near each failure, at most WIDER * `most` of each, nearest first.

    indexes: version -> index over its problem ids. vectors: unit vectors of the failures. floor: least cosine. without: problem ids that
    are no neighbours, such as those of the probe. A question of several versions is one neighbour, of the first version by name.
    """
    by_problem: list[dict[str, Neighbour]] = [{} for _ in range(len(vectors))]
    for source, index in sorted(indexes.items()):
        if not index.size:
            continue
        cosines, ids = neighbours(index, vectors, min(WIDER * most, index.size))
        for failure, (row, names) in enumerate(zip(cosines.tolist(), ids.tolist(), strict=True)):
            for cosine, problem in zip(row, names, strict=True):
                if problem is None or cosine < floor or problem in without or problem in by_problem[failure]:
                    continue
                by_problem[failure][problem] = Neighbour(failure, source, problem, cosine)
    return [
        one
        for own in by_problem
        for one in sorted(own.values(), key=lambda one: (-one.cosine, one.source, one.problem_id))[
            : WIDER * most
        ]
    ]


def of_skill(
    near: Sequence[Neighbour], failures: Sequence[Profile], profiles: Mapping[str, Profile], most: int
) -> list[Neighbour]:
    """Return at most `most` neighbours of each failure whose subdomain is not known to be another one, those that share most of its
    skills first, then the nearest. profiles: problem id -> profile."""
    by_failure: dict[int, list[Neighbour]] = {}
    for one in near:
        own, other = failures[one.failure], profiles[one.problem_id]
        if own.subdomain and other.subdomain and own.subdomain != other.subdomain:
            continue
        by_failure.setdefault(one.failure, []).append(one)

    def rank(one: Neighbour) -> tuple[float, str]:
        own, other = failures[one.failure], profiles[one.problem_id]
        either = own.skills | other.skills
        shared = len(own.skills & other.skills) / len(either) if either else 0.0
        known = own.subdomain is not None and own.subdomain == other.subdomain
        return (-(one.cosine + 0.5 * shared + 0.2 * known), one.problem_id)

    return [one for _, own in sorted(by_failure.items()) for one in sorted(own, key=rank)[:most]]


def precision(
    near: Sequence[Neighbour], failures: Sequence[str | None], labels: Mapping[str, str | None]
) -> float:
    """Return the share of neighbours that have the failure's skill, among those of which both are known; NaN without any.
    failures: the skill of each failure. labels: problem id -> skill."""
    known = [
        (failures[one.failure], labels[one.problem_id])
        for one in near
        if failures[one.failure] is not None and labels.get(one.problem_id) is not None
    ]
    return sum(a == b for a, b in known) / len(known) if known else float("nan")


def recall_of(index: VectorIndex, vectors: Vectors, most: int) -> float:
    """Return the share of the exact `most` nearest neighbours of the failures that the index finds, measured on at most RECALL_QUERIES
    of them; 1 for an exact index."""
    if index.exact or not len(vectors) or not index.size:
        return 1.0
    queries = np.ascontiguousarray(vectors[:RECALL_QUERIES])
    count = min(most, index.size)
    _, exact = nearest(index.vectors(), queries, count)
    _, ids = neighbours(index, queries, count)
    names = np.array(index.ids, dtype=object)
    hits = sum(len(set(names[own]) & set(others)) for own, others in zip(exact, ids, strict=True))
    return float(hits / exact.size)
