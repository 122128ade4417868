"""Paired statistics: the same items answered by two models, the same seeds used by two trainings.

Every test is of the field's libraries: the paired bootstrap and the sign-flip permutation test of scipy, the exact
McNemar test and Holm's correction of statsmodels. Where there are several training seeds the interval covers both what
is drawn at random: seeds and items.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tasks.seeding import seed_of

ALPHA = 0.05
POWER = 0.8
RESAMPLES = 9_999
_AT_ONCE = 4_000_000  # resampled values in memory

Floats = npt.NDArray[np.float64]
UNSEEN = 1e-4  # a delta that is a sum of rounding errors, or of no use to anybody


@dataclass(frozen=True, slots=True)
class Paired:
    """Two models on the same items. Scores are shares of 1; `low` and `high` bound `delta` (candidate less baseline)
    with 95 % confidence; `p` is two-sided, of `test`, uncorrected. `needed`: items that a test with power 0.8 needs to
    see a delta of this size, None where there is none, or none worth seeing (UNSEEN)."""

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
        return self.needed is not None and self.needed <= self.items


def paired(candidate: npt.ArrayLike, baseline: npt.ArrayLike, *, seed: int = 0) -> Paired:
    """Compare scores in 0..1 of the same items in the same order: shape (items,) of one model each, or (seeds, items)
    of trainings that differ, pair by pair, in nothing but what is compared. ValueError for other shapes."""
    a, b = np.asarray(candidate, np.float64), np.asarray(baseline, np.float64)
    if a.shape != b.shape or a.ndim not in (1, 2) or not a.size:
        raise ValueError(
            f"scores of shapes {a.shape} and {b.shape}: give (items,) or (seeds, items), both alike"
        )
    a, b = np.atleast_2d(a), np.atleast_2d(b)
    difference = a - b
    if a.shape[1] == 1:  # nothing is known of how items differ
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
    """Each p corrected for there being so many (Holm 1979): the chance of one false find in all stays below alpha."""
    from statsmodels.stats.multitest import multipletests

    if not p_values:
        return {}
    corrected = multipletests(list(p_values.values()), method="holm")[1]
    return dict(zip(p_values, map(float, corrected), strict=True))


def interval(scores: npt.ArrayLike, *, seed: int = 0) -> tuple[float, float]:
    """95 % bounds of a model's mean score over items: Wilson's where items are right or wrong, else bootstrap."""
    from statsmodels.stats.proportion import proportion_confint

    found = np.asarray(scores, np.float64)
    if _binary(found):
        low, high = proportion_confint(int(found.sum()), len(found), alpha=ALPHA, method="wilson")
        return float(low), float(high)
    return _bootstrap(found, seed) if len(found) > 1 else (0.0, 1.0)


def pass_at(k: int, right: Sequence[int], samples: int) -> Floats:
    """Of each item the chance that one of k samples is right, from how many of `samples` were: the unbiased estimate
    of Chen et al. (2021, arXiv:2107.03374)."""
    from scipy.special import comb

    if not 1 <= k <= samples:
        raise ValueError(f"pass@{k} of {samples} samples: k must be from 1 to the number of samples")
    wrong = samples - np.asarray(right)
    return np.asarray(1.0 - comb(wrong, k) / comb(samples, k), np.float64)


def _binary(scores: Floats) -> bool:
    return bool(np.isin(scores, (0.0, 1.0)).all())


def _mcnemar(a: Floats, b: Floats) -> tuple[float, str]:
    from statsmodels.stats.contingency_tables import mcnemar

    gained, lost = int((a > b).sum()), int((a < b).sum())
    same = len(a) - gained - lost
    return float(mcnemar([[same, gained], [lost, 0]], exact=True).pvalue), "McNemar, exact"


def _sign_flip(difference: Floats, seed: int) -> tuple[float, str]:
    from scipy.stats import permutation_test

    found = permutation_test(
        (difference,),
        _mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=_batch(difference),
        rng=_rng(seed),
    )
    return float(found.pvalue), "sign-flip permutation"


def _bootstrap(values: Floats, seed: int) -> tuple[float, float]:
    from scipy.stats import bootstrap

    if np.ptp(values) == 0:
        return float(values.mean()), float(values.mean())
    found = bootstrap(
        (values,),
        _mean,
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=_batch(values),
        method="percentile",
        confidence_level=1 - ALPHA,
        rng=_rng(seed),
    ).confidence_interval
    return float(found.low), float(found.high)


def _seeds_and_items(difference: Floats) -> tuple[float, float, float]:
    """(low, high, p) of the mean of a (seeds, items) table whose rows and columns are both random.

    Its variance is at most that of the means of the seeds plus that of the means of the items (conservative: what
    belongs to neither is counted twice; cf. Owen 2007, "The pigeonhole bootstrap"). A sum of two estimated variances
    is what Welch's test is about, so its degrees of freedom (few, where few seeds decide) come from there.
    """
    from scipy.stats import ttest_1samp, ttest_ind

    seeds, items = difference.mean(axis=1), difference.mean(axis=0)
    seeds_agree, items_agree = np.allclose(seeds, seeds[0]), np.allclose(items, items[0])
    if seeds_agree and items_agree:
        same = float(seeds[0])
        return same, same, float(np.isclose(same, 0))
    if seeds_agree or items_agree:
        found = ttest_1samp(items if seeds_agree else seeds, 0)
    else:
        found = ttest_ind(seeds, items - items.mean(), equal_var=False)
    bounds = found.confidence_interval(1 - ALPHA)
    return float(bounds.low), float(bounds.high), float(found.pvalue)


def _needed(difference: Floats) -> int | None:
    """Items for a paired test of this delta: Connor's (1987) size for McNemar's test, which holds for any paired
    scores."""
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
