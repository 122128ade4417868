"""Clusters of failures: planted skills are separated, and names follow from the content."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.problems.machinery.family import families, make
from tasks.retrieval.encoder import Encoder
from tasks.seeding import rng_of
from tasks.weakness.clusters import KnownCluster, adjusted_rand, assign, clusters_of
from tasks.weakness.profile import Profile, profile_of

PLANTED = ("ratio_share", "travel_speed", "arithmetic_series", "logarithm_value", "list_statistics")


def unit(*values: float) -> list[float]:
    vector = np.array(values)
    return list(vector / np.linalg.norm(vector))


def profile(subdomain: str | None, *operations: str) -> Profile:
    return Profile(subdomain, False, frozenset(), frozenset(operations), "integer")


PROFILES = [
    profile("functions", "power"),
    profile("functions", "power"),
    profile("functions", "root"),
    profile("functions", "root"),
    profile("limits", "limit"),
]
VECTORS = np.array(
    [unit(1, 0, 0), unit(1, 0.1, 0), unit(0, 1, 0), unit(0, 1, 0.1), unit(1, 0, 0)], np.float32
)
QUESTIONS = ["square numbers", "squaring numbers", "rooting plants", "roots of plants", "limit"]


def test_failures_are_separated_by_subdomain_and_by_skill() -> None:
    clusters = clusters_of(PROFILES, VECTORS, QUESTIONS)
    assert [(one.name, one.members) for one in clusters] == [
        ("functions: power", (0, 1)),
        ("functions: root", (2, 3)),
        ("limits", (4,)),
    ]


def test_a_cluster_of_an_earlier_night_keeps_its_name() -> None:
    before = [KnownCluster("functions: squares", "functions", tuple(unit(1, 0.05, 0)))]
    clusters = clusters_of(PROFILES, VECTORS, QUESTIONS, known=before)
    assert [one.name for one in clusters] == ["functions: root", "functions: squares", "limits"]


def test_questions_are_assigned_within_their_subdomain() -> None:
    clusters = clusters_of(PROFILES, VECTORS, QUESTIONS)
    asked = [profile("functions"), profile("limits"), profile("vectors"), profile(None), profile(None)]
    vectors = np.array(
        [unit(0, 1, 0), unit(0, 1, 0), unit(1, 0, 0), unit(0, 1, 0.1), unit(0, 0, 1)], np.float32
    )
    assert assign(clusters, asked, vectors) == [1, 2, -1, 1, -1]
    assert assign([], asked, vectors) == [-1] * 5
    # a student that gets nothing right has no questions to assign
    assert assign(clusters, [], np.zeros((0, 1), np.float32)) == []


def test_a_failure_alone_joins_the_nearest_cluster_of_its_subdomain() -> None:
    profiles = [*PROFILES, profile("functions", "mean")]
    vectors = np.vstack([VECTORS, np.array([unit(0.2, 1, 0)], np.float32)])
    clusters = clusters_of(profiles, vectors, [*QUESTIONS, "plants"], cut=0.1)
    assert sorted(one.members for one in clusters) == [(0, 1), (2, 3, 5), (4,)]


def test_the_index_of_rand_is_one_for_equal_partitions_and_small_for_unrelated_ones() -> None:
    assert adjusted_rand([1, 1, 2, 2], ["b", "b", "a", "a"]) == 1.0
    assert adjusted_rand([1, 1, 2, 2], [1, 2, 1, 2]) < 0
    assert adjusted_rand([0, 0, 1, 2], [0, 0, 1, 1]) == pytest.approx(0.5714, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("hidden", [False, True])
def test_planted_weak_skills_are_the_clusters(hidden: bool) -> None:
    """With subdomains stated, and with all of them guessed from the questions."""
    from tasks.weakness.profile import Labeller

    encode = Encoder()
    rng = rng_of("planted skills")
    problems = [make(families()[name], rng, 1, "en") for name in PLANTED for _ in range(12)]
    vectors = encode([one.question for one in problems])
    guesses = Labeller(encode).guesses(vectors) if hidden else [None] * len(problems)
    profiles = [
        profile_of(one.question, None if hidden else one.subdomain, one.worked.answer, guess=guess)
        for one, guess in zip(problems, guesses, strict=True)
    ]
    clusters = clusters_of(profiles, vectors, [one.question for one in problems])
    labels = [0] * len(problems)
    for number, cluster in enumerate(clusters):
        for place in cluster.members:
            labels[place] = number
    assert adjusted_rand([one.family for one in problems], labels) >= 0.9
