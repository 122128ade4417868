"""The statistics equal hand computations, and their error rates hold in simulations with a known truth."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pytest

from tasks.evaluation.scores import pass_at_k
from tasks.evaluation.statistics import holm, interval, paired


def scores(*counts: tuple[int, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """(how many items, candidate's score, baseline's score) ..."""
    rows = [(a, b) for count, a, b in counts for _ in range(count)]
    a, b = np.array(rows).T
    return a, b


def test_mcnemar_is_the_binomial_test_of_the_discordant_items() -> None:
    comparison = paired(*scores((50, 1, 1), (9, 1, 0), (1, 0, 1), (40, 0, 0)))
    by_hand = 2 * sum(comb(10, k) for k in (9, 10)) / 2**10
    assert comparison.test == "McNemar, exact"
    assert comparison.p == pytest.approx(by_hand)
    assert (comparison.items, comparison.seeds) == (100, 1)
    assert (comparison.candidate, comparison.baseline) == (0.59, 0.51)
    assert comparison.delta == pytest.approx(0.08)
    assert 0 < comparison.low < 0.08 < comparison.high


def test_items_needed_by_connors_formula() -> None:
    comparison = paired(*scores((30, 1, 0), (20, 0, 1), (150, 1, 1)))
    discordant, delta = 0.25, 0.05
    by_hand = ((1.959964 * discordant**0.5 + 0.841621 * (discordant - delta**2) ** 0.5) / delta) ** 2
    assert comparison.needed == pytest.approx(by_hand, abs=1.0)
    assert not comparison.enough


def test_models_that_answer_alike_differ_in_nothing() -> None:
    comparison = paired([1, 0, 1], [1, 0, 1])
    assert (comparison.delta, comparison.low, comparison.high, comparison.p, comparison.needed) == (
        0,
        0,
        0,
        1,
        None,
    )
    several = paired([[1, 0, 1], [1, 0, 1]], [[1, 0, 1], [1, 0, 1]])
    assert (several.delta, several.p) == (0, 1)


@pytest.mark.filterwarnings("error")
def test_seeds_that_agree_leave_the_items_to_decide_and_the_other_way_round() -> None:
    level = np.full((3, 40), 0.5)
    some = level.copy()
    some[:, :10] += 0.4  # the same items under every seed
    comparison = paired(some, level)
    assert comparison.delta == pytest.approx(0.1)
    assert 0 < comparison.low < 0.1 < comparison.high
    lucky = level + np.array([[0.1], [0.1], [-0.05]])
    assert paired(lucky, level).p > 0.2


def test_one_item_shows_nothing() -> None:
    for candidate, baseline in (([1], [0]), ([0.5], [0.25]), ([[1], [1]], [[0], [0]])):
        comparison = paired(candidate, baseline)
        assert (comparison.low, comparison.high, comparison.p) == (-1, 1, 1)
    assert interval([0.5]) == (0, 1)


def test_shares_of_several_samples_are_tested_by_permutation() -> None:
    rng = np.random.default_rng(1)
    baseline = rng.integers(0, 5, 200) / 4
    better = np.clip(baseline + rng.choice([0.0, 0.25], 200), 0, 1)
    comparison = paired(better, baseline)
    assert comparison.test == "sign-flip permutation"
    assert comparison.p < 0.01
    assert comparison == paired(better, baseline)


def test_seeds_count_as_much_as_items() -> None:
    """Every item is better under one seed and worse by the same amount under the other: nothing is shown."""
    up, level = np.full(2_000, 0.6), np.full(2_000, 0.5)
    one = paired(np.stack([up, level]), np.stack([level, up]))
    assert one.delta == pytest.approx(0)
    shaky = paired(np.stack([level + 0.1, level + 0.1, level - 0.05]), np.stack([level, level, level]))
    assert shaky.delta > 0.04
    assert shaky.p > 0.2


@pytest.mark.parametrize(("effect", "at_most", "at_least"), [(0.0, 0.08, 0.0), (0.08, 1.0, 0.8)])
def test_error_rates_over_seeds_and_items(effect: float, at_most: float, at_least: float) -> None:
    """Simulated trainings: item difficulty, seed luck and noise. Of 100 comparisons without an effect few may be called
    significant, and with one most must be."""
    rng = np.random.default_rng(7)
    comparison = 0
    for _ in range(100):
        ease = rng.uniform(0.2, 0.8, 300)
        own = rng.normal(0, 0.1, 300)  # items on which the data differs, without changing the mean
        luck = rng.normal(0, 0.02, (2, 5, 1))
        chance = np.clip(ease + luck + np.stack([own - own.mean() + effect, np.zeros(300)])[:, None], 0, 1)
        candidate, baseline = rng.random((2, 5, 300)) < chance
        comparison += paired(candidate, baseline).p < 0.05
    assert at_least <= comparison / 100 <= at_most


def test_holm_by_hand() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})
    assert holm({}) == {}


def test_wilson_interval_of_a_score() -> None:
    low, high = interval([1] * 8 + [0] * 2)
    assert (low, high) == pytest.approx((0.4902, 0.9433), abs=1e-3)
    low, high = interval([0.5, 0.25, 1.0, 0.75] * 50)
    assert low < 0.625 < high


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(3,\) and \(2,\)"):
        paired([1, 0, 1], [1, 0])


def test_rounding_is_no_difference_to_look_for() -> None:
    candidate, baseline = np.array([[0.1 + 0.2, 0.5], [0.3, 0.5]]), np.array([[0.3, 0.5], [0.3, 0.5]])
    comparison = paired(candidate, baseline)
    assert 0 < comparison.delta < 1e-15
    assert comparison.needed is None


def test_pass_at_k_is_the_share_of_subsets_with_a_right_sample() -> None:
    """Equal to the count over all subsets, and its mean over simulated items to the probability; the plain 1 - (1 - c/n)^k is not."""
    for samples, right, k in ((5, 2, 3), (6, 0, 2), (4, 4, 1), (7, 1, 7), (6, 5, 2)):
        subsets = list(combinations([True] * right + [False] * (samples - right), k))
        assert pass_at_k(samples, right, k) == pytest.approx(sum(map(any, subsets)) / len(subsets))
    rng = np.random.default_rng(0)
    counts = rng.binomial(20, 0.1, size=20_000)
    unbiased = np.mean([pass_at_k(20, int(count), 10) for count in counts])
    assert unbiased == pytest.approx(1 - 0.9**10, abs=0.01)
    plain = np.mean([1 - (1 - count / 20) ** 10 for count in counts])
    assert abs(plain - (1 - 0.9**10)) > 0.03
    with pytest.raises(ValueError, match="pass@4 cannot be estimated from 3 samples"):
        pass_at_k(3, 1, 4)
