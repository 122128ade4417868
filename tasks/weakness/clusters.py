"""Clusters of failures that need the same skills, with names that follow from their content.

Failures of different known subdomains are never in one cluster. Within a subdomain, distances of skills and of sentence vectors are
added, and average linkage cuts the tree at a stated distance. Failures without a subdomain are compared by their vectors alone.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from storage.indexes.vectors import Vectors
from tasks.arrays import Floats
from tasks.weakness.profile import Profile

CUT = 0.6  # distance at which the tree of a subdomain is cut, from 0 (alike) to 1
LEAST = 2  # failures of a cluster; smaller ones join the nearest cluster of their subdomain
SKILLS = 0.5  # weight of the skills in a distance; the rest is that of the vectors
MOST = 4000  # failures of one subdomain whose distances are in memory
UNKNOWN = "other"  # the name of a cluster without a subdomain
SAME = 0.8  # cosine of two centroids of one subdomain from which a cluster is that of an earlier night
_WORD = re.compile(r"[a-z]{4,}|[\u4e00-\u9fff]{2}", re.IGNORECASE)
_COMMON = frozenset(
    re.findall(
        "[a-z]+",
        "what with that this from have each then than into which where when find many much more does will would their there "
        "they them these those your between after before value answer exact equal equals number numbers total",
    )
)


@dataclass(frozen=True, slots=True)
class Cluster:
    """Failures that need the same skills.

    name: unique among the clusters of a night, and kept from an earlier night for a cluster that continues. members: places of the
    failures. skills: what most of them share. centroid: the unit vector of their mean.
    """

    name: str
    subdomain: str | None
    members: tuple[int, ...]
    skills: tuple[str, ...]
    centroid: tuple[float, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class KnownCluster:
    """What is remembered of a cluster of an earlier night."""

    name: str
    subdomain: str | None
    centroid: tuple[float, ...] = field(repr=False)


def clusters_of(
    profiles: Sequence[Profile],
    vectors: Vectors,
    questions: Sequence[str],
    *,
    cut: float = CUT,
    least: int = LEAST,
    known: Sequence[KnownCluster] = (),
) -> list[Cluster]:
    """Return the clusters of failures, the largest first, equal ones by name; every failure is in one.

    vectors: unit vectors of the questions, (failures, dimensions). known: clusters of earlier nights, whose names are kept where a
    cluster has the same subdomain and a near centroid.
    """
    blocks: dict[str | None, list[int]] = {}
    for place, profile in enumerate(profiles):
        blocks.setdefault(profile.subdomain, []).append(place)
    groups: list[tuple[str | None, list[int]]] = []
    for subdomain, places in sorted(blocks.items(), key=lambda entry: entry[0] or ""):
        for start in range(0, len(places), MOST):
            block = places[start : start + MOST]
            for group in _joined(_cut(_distances(block, profiles, vectors), cut), least, block, vectors):
                groups.append((subdomain, group))
    named = _named(groups, profiles, vectors, questions, known)
    return sorted(named, key=lambda one: (-len(one.members), one.name))


def assign(clusters: Sequence[Cluster], profiles: Sequence[Profile], vectors: Vectors) -> list[int]:
    """Return the place of the cluster that each question belongs to, -1 for none: the nearest centroid among the clusters of its
    subdomain. A question without a subdomain belongs to the nearest cluster of all if its cosine is at least SAME."""
    if not clusters or not profiles:
        return [-1] * len(profiles)
    cosines = vectors @ np.array([one.centroid for one in clusters], dtype=np.float32).T
    places = []
    for profile, row in zip(profiles, cosines, strict=True):
        allowed = [
            i
            for i, one in enumerate(clusters)
            if (one.subdomain == profile.subdomain if profile.subdomain else row[i] >= SAME)
        ]
        places.append(max(allowed, key=lambda i: (row[i], -i)) if allowed else -1)
    return places


def _distances(block: Sequence[int], profiles: Sequence[Profile], vectors: Vectors) -> Floats:
    """Return the distances of the failures of a block, (n, n), from 0 to 1."""
    own = vectors[list(block)]
    apart = np.clip(1.0 - own @ own.T, 0.0, 1.0).astype(np.float64)
    skills = [profiles[place].skills for place in block]
    names = sorted({name for one in skills for name in one})
    if not names or profiles[block[0]].subdomain is None:
        return np.asarray(apart)
    shown = np.array([[name in one for name in names] for one in skills], dtype=np.float64)
    both = shown @ shown.T
    sizes = shown.sum(axis=1)
    either = sizes[:, None] + sizes[None, :] - both
    jaccard = 1.0 - np.divide(both, either, out=np.ones_like(both), where=either > 0)
    return np.asarray(SKILLS * jaccard + (1 - SKILLS) * apart)


def _cut(distances: Floats, cut: float) -> list[list[int]]:
    """Return groups of places of a distance matrix, by average linkage."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if len(distances) == 1:
        return [[0]]
    symmetric = (distances + distances.T) / 2
    np.fill_diagonal(symmetric, 0.0)
    labels = fcluster(linkage(squareform(symmetric, checks=False), "average"), cut, "distance")
    groups: dict[int, list[int]] = {}
    for place, label in enumerate(labels.tolist()):
        groups.setdefault(label, []).append(place)
    return list(groups.values())


def _joined(groups: list[list[int]], least: int, block: Sequence[int], vectors: Vectors) -> list[list[int]]:
    """Return the groups as places of all failures; those that are too small join the nearest large one, or each other."""
    large = [[block[i] for i in group] for group in groups if len(group) >= least]
    small = [block[i] for group in groups if len(group) < least for i in group]
    if not large:
        return [sorted(small)] if small else []
    centroids = np.array([_centroid(vectors, group) for group in large], dtype=np.float32)
    for place in small:
        large[int(np.argmax(centroids @ vectors[place]))].append(place)
    return [sorted(group) for group in large]


def _centroid(vectors: Vectors, group: Sequence[int]) -> tuple[float, ...]:
    mean = vectors[list(group)].mean(axis=0)
    unit = mean / max(float(np.linalg.norm(mean)), 1e-9)
    return tuple(round(float(value), 4) for value in unit)


def _named(
    groups: Sequence[tuple[str | None, list[int]]],
    profiles: Sequence[Profile],
    vectors: Vectors,
    questions: Sequence[str],
    known: Sequence[KnownCluster],
) -> list[Cluster]:
    words = [_words(text) for text in questions]
    documents = Counter(word for one in words for word in one)
    of_subdomain = Counter(subdomain for subdomain, _ in groups)
    clusters: list[Cluster] = []
    used: set[str] = set()
    for subdomain, group in sorted(groups, key=lambda entry: (-len(entry[1]), entry[1])):
        centroid = _centroid(vectors, group)
        skills = _shared([profiles[place] for place in group])
        name = _earlier(subdomain, centroid, known, used)
        if name is None:
            base = subdomain or UNKNOWN
            terms = [*skills, *_terms([words[place] for place in group], documents, len(questions))]
            name = base if of_subdomain[subdomain] == 1 and subdomain else _first(base, terms, used)
            name = _first(base, terms, used) if name in used else name
        used.add(name)
        clusters.append(Cluster(name, subdomain, tuple(group), skills, centroid))
    return clusters


def _earlier(
    subdomain: str | None, centroid: Sequence[float], known: Sequence[KnownCluster], used: set[str]
) -> str | None:
    near = [
        (float(np.dot(one.centroid, centroid)), one.name)
        for one in known
        if one.subdomain == subdomain and one.name not in used and len(one.centroid) == len(centroid)
    ]
    best = max(near, default=(0.0, ""))
    return best[1] if best[0] >= SAME else None


def _first(base: str, terms: Sequence[str], used: set[str]) -> str:
    """Return the first name of the base with one or two terms, or else with a number, that no other cluster has."""
    for count in (1, 2, 3):
        if len(terms) >= count and (name := f"{base}: {', '.join(terms[:count])}") not in used:
            return name
    return next(name for i in range(2, len(used) + 3) if (name := f"{base} ({i})") not in used)


def _shared(profiles: Sequence[Profile]) -> tuple[str, ...]:
    """Return the skills that at least half of the profiles have, the most frequent first."""
    counts = Counter(name for one in profiles for name in one.skills)
    return tuple(
        name
        for name, count in sorted(counts.items(), key=lambda e: (-e[1], e[0]))
        if 2 * count >= len(profiles)
    )


def _terms(members: Sequence[frozenset[str]], documents: Mapping[str, int], total: int) -> list[str]:
    """Return the words that are most typical of the members: frequent among them, and rare elsewhere."""
    counts = Counter(word for one in members for word in one)
    scored = {
        word: count * math.log((1 + total) / documents[word])
        for word, count in counts.items()
        if 3 * count >= len(members)
    }
    return sorted(scored, key=lambda word: (-scored[word], word))[:3]


def _words(text: str) -> frozenset[str]:
    return frozenset(word.lower() for word in _WORD.findall(text)) - _COMMON


def adjusted_rand(labels: Sequence[object], others: Sequence[object]) -> float:
    """Return the adjusted Rand index of two partitions (Hubert and Arabie 1985): 1 for equal ones, about 0 for unrelated ones."""
    pairs = Counter(zip(labels, others, strict=True))

    def choose(counts: npt.ArrayLike) -> float:
        values = np.asarray(counts, dtype=np.float64)
        return float((values * (values - 1) / 2).sum())

    both = choose(list(pairs.values()))
    rows, columns = choose(list(Counter(labels).values())), choose(list(Counter(others).values()))
    expected = rows * columns / max(choose([len(labels)]), 1.0)
    most = (rows + columns) / 2
    return 1.0 if most == expected else (both - expected) / (most - expected)
