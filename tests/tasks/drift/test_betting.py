"""The sequential test of one quantity: false alarms at the stated rate, changes seen, and what it is made of."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.drift.betting import FRACTIONS, NIGHTS, ChangeTest, WatchedQuantity, growth, upper_bound
from tasks.drift.measures import MEASURES

GRID = np.arange(21) / 20
SHARE = WatchedQuantity(GRID, 0.0)


def night(rng: np.random.Generator, share: float, rows: int = 40) -> np.ndarray:
    """Counts of 0 and 1."""
    counts = np.zeros(21, dtype=np.int64)
    counts[20] = rng.binomial(rows, share)
    counts[0] = rows - counts[20]
    return counts


def watch(
    shares: list[float], seed: int, *, increase: bool = False, quantity: WatchedQuantity = SHARE
) -> ChangeTest:
    rng = np.random.default_rng(seed)
    test = ChangeTest(quantity, increase=increase, chance=0.01, tests=2 * len(MEASURES))
    for share in shares:
        test.add(night(rng, share))
        if test.alarm:
            break
    return test


def test_no_bet_gains_on_average_where_the_mean_is_at_the_bound() -> None:
    for bound in (0.05, 0.5, 0.93):
        for counts in ([1 - bound, bound], None):
            weights = np.zeros(21)
            if counts is None:  # another distribution with this mean
                weights[1], weights[19] = 0.95 - bound, bound - 0.05
                weights /= weights.sum()
            else:
                weights[0], weights[20] = counts
            factors = np.exp([growth(GRID[None, :], np.eye(21)[k], np.array([bound]))[0] for k in range(21)])
            assert (weights @ factors <= 1 + 1e-9).all()
            assert (factors > 0).all()


def test_a_bound_is_above_the_mean_and_comes_nearer() -> None:
    bounds = []
    for rows in (50, 500, 5000):
        counts = np.zeros(21)
        counts[0], counts[20] = rows * 0.1, rows * 0.9
        bounds.append(upper_bound(1 - GRID, counts, 0.001))
    assert bounds == sorted(bounds, reverse=True)
    assert 0.1 < bounds[-1] < 0.13


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.5, 0.94])
def test_false_alarms_are_rare(share: float) -> None:
    """At the rate of a test with a chance of one half, many would be seen; at 1 % in 1,000 nights none is."""
    for seed in range(6):
        for increase in (False, True):
            assert not watch([share] * 80, seed, increase=increase).alarm


@pytest.mark.parametrize(("drop", "within"), [(0.1, 40), (0.2, 10), (0.4, 5)])
def test_a_change_is_seen(drop: float, within: int) -> None:
    for seed in range(2):
        test = watch([0.94] * 80 + [0.94 - drop] * within, seed)
        assert test.alarm
        assert test.since >= 75
        assert not watch([0.94] * 80 + [0.94 - drop] * within, seed, increase=True).alarm


def test_a_change_within_the_tolerance_is_none() -> None:
    quantity = WatchedQuantity(GRID, 0.1)
    assert not watch([0.6] * 50 + [0.52] * 300, 1, quantity=quantity).alarm
    assert watch([0.6] * 50 + [0.3] * 20, 1, quantity=quantity).alarm


def test_a_slow_change_is_seen() -> None:
    """Each night is like the one before; the reference does not follow."""
    assert watch([0.9] * 60 + [0.9 - 0.002 * n for n in range(150)], 3).alarm


def test_lengths_need_no_unit() -> None:
    """Classes of any quantity, as shares of the reference below them."""

    def lengths(rng: np.random.Generator, centre: float) -> np.ndarray:
        return np.bincount(np.clip(rng.normal(centre, 3, 100), 0, 79).astype(np.int64), minlength=80)

    for shift, alarm in ((0.0, False), (3.0, True)):
        rng = np.random.default_rng(5)
        tests = [
            ChangeTest(WatchedQuantity(None, 0.08), increase=up, chance=0.01, tests=16)
            for up in (True, False)
        ]
        for turn in range(30):
            counts = lengths(rng, 40 + (shift if turn >= 20 else 0))
            for test in tests:
                test.add(counts)
        assert tests[0].alarm == alarm
        assert not tests[1].alarm


def test_the_stated_rate_is_that_of_all_tests_and_nights() -> None:
    test = ChangeTest(SHARE, increase=True, chance=0.01, tests=16)
    assert np.exp(test.threshold) == pytest.approx(NIGHTS / (0.01 / 2 / 16))
    assert test.evidence == 0.0
    test.add(np.zeros(21, dtype=np.int64))
    test.add(night(np.random.default_rng(0), 0.5))
    assert test.evidence == 0.0  # nothing before it to compare with
    assert (np.diff(FRACTIONS) < 0).all()
