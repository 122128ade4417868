"""What the next night spends on which weakness by which method: a bandit over cluster and method that learns from verdicts.

An observation is a measured gain: by how much a version of one method moved the accuracy on one cluster's held-out items, with the standard
error of that measurement, and what the rows for the cluster cost. Returns diminish: of the failures that are left (`headroom`), spending x
removes a share of about 1 - exp(-s x). The productivities s of all pairs are estimated together by a linear model with a common level, an
effect of the method, an effect of the cluster and one of the pair, so that a method which works elsewhere is tried where it is new. Older
observations count less. The budget is divided into units, and each unit goes to the pair with the largest further gain in a draw from the posterior
(Thompson sampling), so that pairs which may be good are tried and pairs which are known not to be are left alone.

A cluster that no longer improves is dropped. The test is valid at any time: for each night it holds an e-value against "from this night
on, the mean gain per night is at least LEAST_GAIN" (a mixture of bets over sub-Gaussian errors, Robbins 1970; Howard et al.,
arXiv:1810.08240), and their sum is compared with NIGHTS / CHANCE (an e-detector, arXiv:2203.03532). What is assumed: the errors of verdicts are no
heavier than Gaussian ones of the stated standard errors. A pair whose test is short of data is not dropped, it only gets less.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.arrays import Floats
from tasks.seeding import seed_of

UNITS = 40  # into which the budget of a night is divided
FORGET = 0.9  # weight of an observation that is one night older
LEAST_GAIN = 0.005  # accuracy per night below which a cluster is not worth its money
NIGHTS = 100  # for which the chance of dropping a cluster wrongly is stated
CHANCE = 0.05
EXPLORED = 0.1  # share of the budget that is spent as quotas are, whatever was measured
_SPREAD = 0.02  # of the true gains for which the mixture of bets is most powerful

Pair = tuple[str, str]  # (cluster, method)


@dataclass(frozen=True, slots=True)
class Gain:
    """A measured gain. night: counts from 0. gain and error are accuracies (shares of 1) on the cluster's held-out items; `cost` is what
    the rows for the cluster cost; `headroom` the share of the cluster's items that failed before."""

    night: int
    cluster: str
    method: str
    gain: float
    error: float
    cost: float
    headroom: float

    def to_dict(self) -> dict[str, Any]:
        """Return the gain as plain values, for JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class PairState:
    """What is known of a pair: nights with a verdict, what was spent, the mean gain per unit of cost with its standard error, NaN before
    there is an observation, and the posterior of its productivity."""

    cluster: str
    method: str
    nights: int
    cost: float
    per_cost: float
    per_cost_error: float
    productivity: float
    productivity_error: float


@dataclass(frozen=True, slots=True)
class ClusterState:
    """Whether a cluster is dropped: `evidence` is the logarithm of the e-detector, which drops it at `threshold`."""

    cluster: str
    headroom: float
    evidence: float
    threshold: float

    @property
    def dropped(self) -> bool:
        return self.evidence >= self.threshold


@dataclass(frozen=True, slots=True)
class Allocation:
    """Shares of the next night's budget by pair, which sum to 1 (to 0 if every cluster is dropped), and the states behind them."""

    shares: dict[Pair, float]
    pairs: tuple[PairState, ...]
    clusters: tuple[ClusterState, ...]


def quotas(headrooms: Mapping[str, float], methods: Sequence[str]) -> dict[Pair, float]:
    """Return shares of the budget in proportion to failures, equal over the methods: what is done without measured gains."""
    total = sum(headrooms.values())
    if not total or not methods:
        return {}
    return {(c, m): h / total / len(methods) for c, h in sorted(headrooms.items()) for m in sorted(methods)}


def allocate(
    headrooms: Mapping[str, float],
    methods: Sequence[str],
    gains: Sequence[Gain],
    *,
    budget: float,
    seed: int,
    weights: Mapping[str, float] | None = None,
) -> Allocation:
    """Return the shares of the next night's budget.

    headrooms: cluster -> share of its probe items that fail now. weights: cluster -> its share of all probe items (default: equal), since
    a point on a large cluster is worth more. gains: all observations so far, in any order. budget: of the next night, in the unit of `cost`.
    """
    methods = sorted(methods)
    weight = {name: (weights or {}).get(name, 1.0) for name in headrooms}
    clusters = tuple(_cluster_state(name, headrooms[name], gains) for name in sorted(headrooms))
    active = [one.cluster for one in clusters if not one.dropped and headrooms[one.cluster] > 0]
    pairs = [(cluster, method) for cluster in active for method in methods]
    if not pairs or budget <= 0:
        return Allocation({}, (), clusters)
    mean, covariance = _posterior(pairs, gains, budget / max(len(active), 1))
    shares = dict.fromkeys(pairs, 0.0)
    floor = quotas({name: headrooms[name] * weight[name] for name in active}, methods)
    measured = any(one.cluster in active and one.method in methods for one in gains)
    units = round(UNITS * (1 - EXPLORED)) if measured else 0
    rng = np.random.default_rng(seed_of(seed, "allocation", len(gains)))
    drawn = rng.multivariate_normal(mean, covariance, size=max(units, 1), method="cholesky")
    unit = budget / UNITS
    headroom = np.array([headrooms[cluster] * weight[cluster] for cluster, _ in pairs])
    spent = np.zeros(len(pairs))
    places = {name: [i for i, (cluster, _) in enumerate(pairs) if cluster == name] for name in active}
    for draw in drawn[:units]:
        productivity = np.maximum(draw, 1e-9)
        # what other methods are expected to have removed from the same cluster is not there to be removed again
        removed = np.zeros(len(pairs))
        for own in places.values():
            removed[own] = float((productivity[own] * spent[own]).sum())
        left = headroom * np.exp(-removed)
        best = int(np.argmax(left * -np.expm1(-productivity * unit)))
        spent[best] += unit
    for pair, amount in zip(pairs, spent.tolist(), strict=True):
        shares[pair] = amount / budget + floor[pair] * (1 - units / UNITS)
    states = tuple(
        _pair_state(pair, gains, float(mean[i]), float(math.sqrt(covariance[i, i])))
        for i, pair in enumerate(pairs)
    )
    return Allocation(shares, states, clusters)


def _posterior(pairs: Sequence[Pair], gains: Sequence[Gain], typical: float) -> tuple[Floats, Floats]:
    """Return mean and covariance of the productivities of the pairs. typical: what a cluster gets of a night's budget by quotas, by which
    the prior is scaled: it removes a fifth of the failures."""
    prior = 0.2 / typical
    usable = [one for one in gains if one.cost > 0 and one.headroom > 0 and one.error > 0]
    known = sorted({*pairs, *((one.cluster, one.method) for one in usable)})
    place = {pair: i for i, pair in enumerate(known)}
    clusters = np.array([[a[0] == b[0] for b in known] for a in known], dtype=np.float64)
    methods = np.array([[a[1] == b[1] for b in known] for a in known], dtype=np.float64)
    # variances of the common level, of methods, of clusters and of pairs, in units of the squared prior mean
    kernel = prior**2 * (0.25 + 0.5 * methods + 0.25 * clusters + 0.25 * np.eye(len(known)))
    own = [place[pair] for pair in pairs]
    jitter = 1e-9 * prior**2 * np.eye(len(pairs))
    if not usable:
        return np.full(len(pairs), prior), kernel[np.ix_(own, own)] + jitter
    newest = max(one.night for one in usable)
    at = [place[(one.cluster, one.method)] for one in usable]
    observed, noise = np.empty(len(usable)), np.empty(len(usable))
    for i, one in enumerate(usable):
        removed = min(max(one.gain / one.headroom, -1.0), 0.9)
        observed[i] = -math.log1p(-removed) / one.cost
        error = one.error / one.headroom / max(1 - removed, 0.1) / one.cost
        noise[i] = error**2 / FORGET ** (newest - one.night)
    gram = kernel[np.ix_(at, at)] + np.diag(noise)
    across = kernel[np.ix_(own, at)]
    solved = np.linalg.solve(gram, np.column_stack([observed - prior, across.T]))
    mean = prior + across @ solved[:, 0]
    covariance = kernel[np.ix_(own, own)] - across @ solved[:, 1:]
    return mean, (covariance + covariance.T) / 2 + jitter


def _pair_state(pair: Pair, gains: Sequence[Gain], mean: float, error: float) -> PairState:
    own = [one for one in gains if (one.cluster, one.method) == pair]
    cost = sum(one.cost for one in own)
    per_cost = sum(one.gain for one in own) / cost if cost else math.nan
    spread = math.sqrt(sum(one.error**2 for one in own)) / cost if cost else math.nan
    return PairState(*pair, len({one.night for one in own}), cost, per_cost, spread, mean, error)


def _cluster_state(name: str, headroom: float, gains: Sequence[Gain]) -> ClusterState:
    return ClusterState(name, headroom, no_longer_improves(name, gains), math.log(NIGHTS / CHANCE))


def no_longer_improves(cluster: str, gains: Sequence[Gain]) -> float:
    """Return the logarithm of the e-detector against "the mean gain of a night is at least LEAST_GAIN": of all observations of a night on
    the cluster the weighted mean counts, and a change may begin with any night."""
    nights: dict[int, list[Gain]] = {}
    for one in gains:
        if one.cluster == cluster and one.error > 0:
            nights.setdefault(one.night, []).append(one)
    values, variances = [], []
    for _, own in sorted(nights.items()):
        weights = np.array([1 / one.error**2 for one in own])
        values.append(LEAST_GAIN - float((weights * [one.gain for one in own]).sum() / weights.sum()))
        variances.append(1 / float(weights.sum()))
    if not values:
        return -math.inf
    totals = np.cumsum(values[::-1])  # of the last 1, 2, ... nights
    spreads = np.cumsum(variances[::-1])
    # the bets of a change that begins with a night follow from that night's error, which is known before its outcome
    logs = [
        _mixture(float(total), float(spread), first)
        for total, spread, first in zip(totals, spreads, variances[::-1], strict=True)
    ]
    largest = max(logs)
    return largest + math.log(sum(math.exp(one - largest) for one in logs))


def _mixture(total: float, spread: float, first: float) -> float:
    """Return the logarithm of the mean of exp(b total - b^2 spread / 2) over positive bets b of a half-normal distribution: an e-value for
    "the mean of the summands is at most 0" under sub-Gaussian errors of the variances that sum to `spread`, the first of them `first`. The
    bets suit true gains of about _SPREAD below LEAST_GAIN."""
    scale = (_SPREAD / max(first, 1e-12)) ** 2  # variance of the bets
    wider = 1 / scale + spread
    centre = total / wider
    log_share = _log_normal_share(centre * math.sqrt(wider))
    return math.log(2) - 0.5 * math.log(scale * wider) + total**2 / (2 * wider) + log_share


def _log_normal_share(value: float) -> float:
    """Return log P(Z <= value) of a standard normal Z."""
    if value > -10:
        return math.log(0.5 * math.erfc(-value / math.sqrt(2)))
    return -(value**2) / 2 - math.log(-value * math.sqrt(2 * math.pi))
