"""The sequential test: false alarms at the stated rate, changes seen, and what it is made of."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.drift.betting import FRACTIONS, NIGHTS, ChangeTest, WatchedQuantity, growth
from tasks.drift.measures import MEASURES

GRID = np.arange(21) / 20
SHARE = WatchedQuantity(GRID, 0.0)


def nights(rng: np.random.Generator, shares: list[float], rows: int = 40) -> np.ndarray:
    """Counts of 0 and 1 by night, (nights, 21)."""
    counts = np.zeros((len(shares), 21), dtype=np.int64)
    counts[:, 20] = rng.binomial(rows, shares)
    counts[:, 0] = rows - counts[:, 20]
    return counts


def watch(
    *watched: tuple[WatchedQuantity, np.ndarray], increase: bool = False, chance: float = 0.01
) -> ChangeTest:
    return ChangeTest(watched, increase=increase, chance=chance, tests=2 * len(MEASURES))


def watched(
    shares: list[float], seed: int, *, increase: bool = False, quantity: WatchedQuantity = SHARE
) -> ChangeTest:
    return watch((quantity, nights(np.random.default_rng(seed), shares)), increase=increase)


def largest(test: ChangeTest) -> float:
    """An upper bound on the evidence of any night: the sums of few supposed means, of which the least one of all is smaller."""
    points = np.clip(test.pooled + np.linspace(-0.05, 0.05, 5)[:, None], 0.001, 0.999)
    return float(test.sums(points).min(axis=0).max())


def test_no_bet_gains_on_average_where_the_mean_is_as_supposed() -> None:
    for mean in (0.05, 0.5, 0.93):
        for weights in (np.zeros(21), np.zeros(21)):
            weights[0], weights[20] = 1 - mean, mean
            factors = np.exp(growth(GRID, np.eye(21), np.array([mean]))[0])
            assert (factors @ weights <= 1 + 1e-9).all()
            assert (factors > 0).all()
        other = np.zeros(21)  # another distribution with this mean
        other[1], other[19] = 0.95 - mean, mean - 0.05
        other /= other.sum()
        assert (np.exp(growth(GRID, np.eye(21), np.array([mean]))[0]) @ other <= 1 + 1e-9).all()


def test_the_evidence_is_the_least_sum_of_all_supposed_means() -> None:
    test = watched([0.94] * 30 + [0.88] * 20, 4)
    means = np.linspace(0.005, 0.5, 2000)[:, None]
    least = float(test.sums(means)[:, -1].min())
    expected = np.log(50)
    assert test.evidence == pytest.approx((least - expected) / (test.threshold - expected), abs=1e-3)
    both = watch(*[(SHARE, nights(np.random.default_rng(seed), [0.9] * 15 + [0.84] * 10)) for seed in (1, 2)])
    axis = np.linspace(0.05, 0.3, 60)
    points = np.stack([one.ravel() for one in np.meshgrid(axis, axis)], axis=1)
    least, expected = float(both.sums(points)[:, -1].min()), np.log(25)
    assert both.evidence == pytest.approx((least - expected) / (both.threshold - expected), abs=0.02)


def test_the_expected_sum_after_n_nights_is_at_most_n_at_the_true_mean() -> None:
    """By simulation of short histories, in which the mean of the sums is not yet ruled by rare large ones."""
    rng = np.random.default_rng(8)
    sums = [
        np.exp(watch((SHARE, nights(rng, [0.8] * 6, rows=4))).sums(np.array([[0.2]]))[0]) for _ in range(3000)
    ]
    assert (np.mean(sums, axis=0) <= np.arange(1, 7) * 1.1).all()
    assert np.mean(sums, axis=0)[-1] > 2


@pytest.mark.parametrize("share", [0.5, 0.94])
def test_false_alarms_are_rare(share: float) -> None:
    """In 12 histories of NIGHTS nights; a test with twenty times the chance would raise some."""
    for seed in range(6):
        for increase in (False, True):
            test = watched([share] * NIGHTS, seed, increase=increase)
            assert largest(test) < test.threshold


@pytest.mark.parametrize(("drop", "within"), [(0.1, 25), (0.2, 6), (0.4, 3)])
def test_a_change_is_seen(drop: float, within: int) -> None:
    for seed in range(4):
        shares = [0.94] * 80 + [0.94 - drop] * within
        test = watched(shares, seed)
        assert test.alarm
        assert 75 <= test.since <= 80 + within // 2
        assert not watched(shares, seed, increase=True).alarm
        assert not watched(shares[:80], seed).alarm


def test_changes_of_several_quantities_add_up() -> None:
    """Each of two is too small to be seen by itself."""
    shares = [0.94] * 50 + [0.84] * 12
    one, other = (nights(np.random.default_rng(seed), shares, rows=16) for seed in (1, 2))
    assert not watch((SHARE, one)).alarm
    assert not watch((SHARE, other)).alarm
    both = watch((SHARE, one), (SHARE, other))
    assert both.alarm
    assert 40 <= both.since <= 55


def test_a_change_within_the_tolerance_is_none() -> None:
    quantity = WatchedQuantity(GRID, 0.1)
    assert not watched([0.6] * 50 + [0.52] * 300, 1, quantity=quantity).alarm
    assert watched([0.6] * 50 + [0.3] * 20, 1, quantity=quantity).alarm


def test_a_slow_change_is_seen() -> None:
    """Each night is like the one before; every earlier night is a reference."""
    assert watched([0.9] * 60 + [0.9 - 0.002 * n for n in range(100)], 3).alarm


def test_lengths_need_no_unit() -> None:
    """Classes of any quantity, as shares of the first values below them."""

    def lengths(rng: np.random.Generator, centre: float) -> np.ndarray:
        return np.bincount(np.clip(rng.normal(centre, 3, 100), 0, 79).astype(np.int64), minlength=80)

    for shift, alarm in ((0.0, False), (3.0, True)):
        rng = np.random.default_rng(5)
        counts = np.array([lengths(rng, 40 + (shift if turn >= 20 else 0)) for turn in range(30)])
        quantity = WatchedQuantity(None, 0.08)
        more, less = (watch((quantity, counts), increase=up) for up in (True, False))
        assert more.alarm == alarm
        assert not less.alarm
        assert not alarm or more.since == 20


def test_nothing_is_evidence_before_there_is_a_night_to_compare_with() -> None:
    empty = np.zeros((0, 21), dtype=np.int64)
    for counts in (empty, nights(np.random.default_rng(0), [0.5]), np.zeros((5, 21), dtype=np.int64)):
        test = watch((SHARE, counts), increase=True)
        assert (test.evidence, test.alarm) == (0.0, False)
        assert 0 <= test.since <= len(counts)


def test_the_stated_rate_is_that_of_all_tests_and_nights() -> None:
    test = ChangeTest([(SHARE, np.zeros((0, 21), dtype=np.int64))], increase=True, chance=0.01, tests=16)
    assert np.exp(test.threshold) == pytest.approx(NIGHTS / (0.01 / 16))
    assert (np.diff(FRACTIONS) < 0).all()
