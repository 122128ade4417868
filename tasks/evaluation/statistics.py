"""Paired statistics of two models that answered the same items, or of two trainings with the same seeds.

The tests are those of the standard libraries: the paired bootstrap and the sign-flip permutation test of scipy, the exact
McNemar test and Holm's correction of statsmodels. With several training seeds the interval covers both random factors, seeds
and items.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tasks.arrays import Floats
from tasks.seeding import seed_of

ALPHA = 0.05
POWER = 0.8
RESAMPLES = 9_999
_AT_ONCE = 4_000_000  # resampled values in memory

UNSEEN = 1e-4  # a smaller delta is a rounding error or of no practical use


@dataclass(frozen=True, slots=True)
class Paired:
    """The comparison of two models on the same items.

    Scores are shares of 1. `low` and `high` bound `delta` (candidate minus baseline) with 95 % confidence. `p` is the
    two-sided, uncorrected p value of `test`. `needed` is the number of items that a test of power 0.8 needs to show a delta
    of this size, or None if the delta is below UNSEEN.
    """

    items: int
    seeds: int
    baseline: float
    candidate: float
    delta: float
    low: float
    high: float
    p: float
    test: str
    needed: int | None

    @property
    def enough(self) -> bool:
        """Whether there are as many items as the test needs."""
        return self.needed is not None and self.needed <= self.items


def paired(candidate: npt.ArrayLike, baseline: npt.ArrayLike, *, seed: int = 0) -> Paired:
    """Compare two sets of scores from 0 to 1 on the same items in the same order.

    The shape is (items,) for one model each, or (seeds, items) for trainings that differ, pair by pair, only in what is
    compared. Raises ValueError for other shapes.
    """
    a, b = np.asarray(candidate, np.float64), np.asarray(baseline, np.float64)
    if a.shape != b.shape or a.ndim not in (1, 2) or not a.size:
        raise ValueError(
            f"scores of shapes {a.shape} and {b.shape}: give (items,) or (seeds, items), both alike"
        )
    a, b = np.atleast_2d(a), np.atleast_2d(b)
    difference = a - b
    if a.shape[1] == 1:  # one item shows no variance between items
        low, high, p, test = -1.0, 1.0, 1.0, "none, one item"
    elif len(a) > 1:
        low, high, p = _seeds_and_items(difference)
        test = "seeds and items, Welch"
    else:
        low, high = _bootstrap(difference[0], seed)
        p, test = _mcnemar(a[0], b[0]) if _binary(a) and _binary(b) else _sign_flip(difference[0], seed)
    return Paired(
        items=a.shape[1],
        seeds=len(a),
        baseline=float(b.mean()),
        candidate=float(a.mean()),
        delta=float(difference.mean()),
        low=low,
        high=high,
        p=p,
        test=test,
        needed=_needed(difference.mean(axis=0)),
    )


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return the p values with Holm's (1979) correction: the probability of any false finding among them stays below alpha."""
    from statsmodels.stats.multitest import multipletests

    if not p_values:
        return {}
    corrected = multipletests(list(p_values.values()), method="holm")[1]
    return dict(zip(p_values, map(float, corrected), strict=True))


def interval(scores: npt.ArrayLike, *, seed: int = 0) -> tuple[float, float]:
    """Return 95 % bounds of a model's mean score over items: Wilson's if all items are right or wrong, or else bootstrap."""
    from statsmodels.stats.proportion import proportion_confint

    values = np.asarray(scores, np.float64)
    if _binary(values):
        low, high = proportion_confint(int(values.sum()), len(values), alpha=ALPHA, method="wilson")
        return float(low), float(high)
    return _bootstrap(values, seed) if len(values) > 1 else (0.0, 1.0)


def _binary(scores: Floats) -> bool:
    return bool(np.isin(scores, (0.0, 1.0)).all())


def _mcnemar(a: Floats, b: Floats) -> tuple[float, str]:
    from statsmodels.stats.contingency_tables import mcnemar

    gained, lost = int((a > b).sum()), int((a < b).sum())
    same = len(a) - gained - lost
    return float(mcnemar([[same, gained], [lost, 0]], exact=True).pvalue), "McNemar, exact"


def _sign_flip(difference: Floats, seed: int) -> tuple[float, str]:
    from scipy.stats import permutation_test

    result = permutation_test(
        (difference,),
        _mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=_batch(difference),
        rng=_rng(seed),
    )
    return float(result.pvalue), "sign-flip permutation"


def _bootstrap(values: Floats, seed: int) -> tuple[float, float]:
    from scipy.stats import bootstrap

    if np.ptp(values) == 0:
        return float(values.mean()), float(values.mean())
    bounds = bootstrap(
        (values,),
        _mean,
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=_batch(values),
        method="percentile",
        confidence_level=1 - ALPHA,
        rng=_rng(seed),
    ).confidence_interval
    return float(bounds.low), float(bounds.high)


def _seeds_and_items(difference: Floats) -> tuple[float, float, float]:
    """Return (low, high, p) of the mean of a (seeds, items) table whose rows and columns are both random.

    The variance is at most that of the means of the seeds plus that of the means of the items (conservative: the residual
    is counted twice; cf. Owen 2007, "The pigeonhole bootstrap"). Welch's test is for a sum of two estimated variances, so
    the degrees of freedom, which are few if the seeds vary most, are taken from it.
    """
    from scipy.stats import ttest_1samp, ttest_ind

    seeds, items = difference.mean(axis=1), difference.mean(axis=0)
    seeds_agree, items_agree = np.allclose(seeds, seeds[0]), np.allclose(items, items[0])
    if seeds_agree and items_agree:
        same = float(seeds[0])
        return same, same, float(np.isclose(same, 0))
    if seeds_agree or items_agree:
        result = ttest_1samp(items if seeds_agree else seeds, 0)
    else:
        result = ttest_ind(seeds, items - items.mean(), equal_var=False)
    bounds = result.confidence_interval(1 - ALPHA)
    return float(bounds.low), float(bounds.high), float(result.pvalue)


def _needed(difference: Floats) -> int | None:
    """Return the number of items that a paired test of this delta needs: Connor's (1987) size for McNemar's test, which
    holds for any paired scores."""
    from statsmodels.stats.power import normal_sample_size_one_tail

    delta = float(difference.mean())
    if abs(delta) < UNSEEN:
        return None
    under_null = math.sqrt(float(np.mean(difference**2)))
    spread = float(difference.std())
    return math.ceil(float(normal_sample_size_one_tail(abs(delta), POWER, ALPHA / 2, under_null, spread)))


def _mean(values: Floats, axis: int = -1) -> Floats:
    return np.asarray(values.mean(axis=axis))


def _batch(values: Floats) -> int:
    return max(1, _AT_ONCE // len(values))


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed_of(seed, "statistics"))
