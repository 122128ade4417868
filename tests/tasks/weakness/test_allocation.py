"""Quotas by measured gain: what pays gets more, what does not is dropped, and the same observations give the same quotas."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tasks.weakness.allocation import CHANCE, EXPLORED, NIGHTS, Gain, allocate, no_longer_improves, quotas

HEADROOMS = {"ratios": 0.6, "limits": 0.3, "vectors": 0.3}
METHODS = ["skills", "weakness-augmented"]


def gains(nights: int, *, ratios: float, limits: float, error: float = 0.01) -> list[Gain]:
    """Gains of skills on two clusters; the other method never gains."""
    return [
        Gain(night, cluster, method, gain if method == "skills" else 0.0, error, 2.0, HEADROOMS[cluster])
        for night in range(nights)
        for cluster, gain in (("ratios", ratios), ("limits", limits))
        for method in METHODS
    ]


def test_without_gains_the_quotas_follow_the_failures() -> None:
    allocation = allocate(HEADROOMS, METHODS, [], budget=10, seed=1)
    assert allocation.shares == pytest.approx(quotas(HEADROOMS, METHODS))
    assert allocation.shares["ratios", "skills"] == pytest.approx(0.25)
    assert quotas({}, METHODS) == {}


def test_what_pays_gets_more_and_every_pair_a_little() -> None:
    allocation = allocate(HEADROOMS, METHODS, gains(4, ratios=0.0, limits=0.1), budget=10, seed=1)
    shares = allocation.shares
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares["limits", "skills"] > 3 * shares["ratios", "weakness-augmented"]
    assert min(shares.values()) >= EXPLORED * min(quotas(HEADROOMS, METHODS).values()) - 1e-9
    # a method that works elsewhere is tried where there is no verdict yet
    assert shares["vectors", "skills"] > shares["vectors", "weakness-augmented"]


def test_the_same_observations_in_any_order_give_the_same_quotas() -> None:
    observed = gains(3, ratios=0.02, limits=0.05)
    first = allocate(HEADROOMS, METHODS, observed, budget=10, seed=1).shares
    assert allocate(HEADROOMS, METHODS, observed[::-1], budget=10, seed=1).shares == pytest.approx(first)


def test_a_cluster_that_no_longer_improves_is_dropped() -> None:
    before = gains(5, ratios=0.1, limits=0.1, error=0.02)
    assert not any(one.dropped for one in allocate(HEADROOMS, METHODS, before, budget=10, seed=1).clusters)
    after = [
        Gain(5 + night, "ratios", method, -0.005, 0.01, 2.0, 0.3) for night in range(30) for method in METHODS
    ]
    allocation = allocate(HEADROOMS, METHODS, [*before, *after], budget=10, seed=1)
    assert [one.cluster for one in allocation.clusters if one.dropped] == ["ratios"]
    assert {cluster for cluster, _ in allocation.shares} == {"limits", "vectors"}
    every = [Gain(n, c, "skills", -0.2, 0.01, 1.0, 0.3) for n in range(20) for c in HEADROOMS]
    assert allocate(HEADROOMS, METHODS, every, budget=10, seed=1).shares == {}


def test_a_gain_of_the_least_worth_is_rarely_called_none() -> None:
    """The chance of a false alarm within NIGHTS nights, looked at after each of them."""
    threshold, dropped = math.log(NIGHTS / CHANCE), 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        observed = [
            Gain(n, "c", "m", 0.005 + float(rng.normal(0, 0.03)), 0.03, 1.0, 0.5) for n in range(NIGHTS)
        ]
        dropped += any(no_longer_improves("c", observed[: n + 1]) >= threshold for n in range(0, NIGHTS, 5))
    assert dropped / 60 <= CHANCE
    assert no_longer_improves("c", []) == -math.inf
