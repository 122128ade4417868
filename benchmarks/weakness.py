"""Measure what nights gain whose quotas follow measured gains, beside quotas by failures and random ones.

    python -m benchmarks.weakness [--quick] [--students 60]

Simulated students with known response curves: 8 clusters of failures with different sizes, 4 methods of different productivity. A curve says
which share of the failures is left after a cluster was given so many dollars' worth of a method: saturating, by a power, or only from a threshold
on; a quarter of the clusters cannot be improved at all. After each night a verdict measures the gain of each method on each cluster with Gaussian
error. The regret is the accuracy that a night by night greedy allocation with knowledge of the curves has at the end, minus that of the policy, in
points. All policies see the same students and the same errors. The target is a regret below that of quotas in a paired test over the students
(the 95 % interval of the difference is below 0).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tasks.arrays import Floats
from tasks.seeding import seed_of
from tasks.weakness.allocation import Gain, Pair, allocate, no_longer_improves, quotas

CLUSTERS, METHODS = 8, 4
NIGHTS = 15
BUDGET = 10.0  # dollars of a night
ERRORS = {"precise": 0.01, "usual": 0.03, "rough": 0.06}  # standard errors of a verdict on one cluster
SHAPES = ("saturating", "power", "threshold", "stuck")


@dataclass(frozen=True, slots=True)
class Student:
    """headroom: share of each cluster's items that fail at first. weights: share of each cluster in the probe. rates: productivity per
    dollar, (clusters, methods)."""

    headroom: Floats
    weights: Floats
    rates: Floats
    shapes: tuple[str, ...]

    @classmethod
    def drawn(cls, seed: int) -> Student:
        rng = np.random.default_rng(seed_of(seed, "student"))
        methods = rng.lognormal(-2.2, 0.8, METHODS)
        rates = methods[None, :] * rng.lognormal(0, 0.5, (CLUSTERS, METHODS))
        shapes = [SHAPES[i % len(SHAPES)] for i in rng.permutation(CLUSTERS)]
        rates[[shape == "stuck" for shape in shapes]] = 0.0
        return cls(
            rng.uniform(0.15, 0.9, CLUSTERS), rng.dirichlet(np.full(CLUSTERS, 2.0)), rates, tuple(shapes)
        )

    def left(self, dose: Floats) -> Floats:
        """Return the share of the failures that is left by effective dose, (clusters,)."""
        saturating, power = np.exp(-dose), (1 + dose) ** -1.5
        threshold = 1 / (1 + np.exp(6 * (dose - 0.7))) / (1 / (1 + np.exp(-4.2)))
        return np.select(
            [np.array([shape == name for shape in self.shapes]) for name in ("power", "threshold")],
            [power, threshold],
            saturating,
        )

    def accuracy(self, dose: Floats) -> float:
        return float(1 - (self.weights * self.headroom * self.left(dose)).sum())


Policy = Callable[["History"], Floats]


@dataclass(frozen=True, slots=True)
class History:
    """What a policy knows before a night: failures by cluster as a probe shows them, the gains so far; and, for the oracle alone, the student."""

    headroom: Floats
    weights: Floats
    gains: list[Gain]
    night: int
    seed: int
    student: Student
    dose: Floats


def by_failures(history: History) -> Floats:
    return _table(
        quotas(
            dict(zip(_names("c", CLUSTERS), history.headroom * history.weights, strict=True)),
            _names("m", METHODS),
        )
    )


def at_random(history: History) -> Floats:
    rng = np.random.default_rng(seed_of(history.seed, "random", history.night))
    return np.asarray(rng.dirichlet(np.ones(CLUSTERS * METHODS)).reshape(CLUSTERS, METHODS))


def by_gain(history: History) -> Floats:
    names = _names("c", CLUSTERS)
    allocation = allocate(
        dict(zip(names, history.headroom.tolist(), strict=True)),
        _names("m", METHODS),
        history.gains,
        budget=BUDGET,
        seed=seed_of(history.seed, history.night),
        weights=dict(zip(names, history.weights.tolist(), strict=True)),
    )
    return _table(allocation.shares)


def by_oracle(history: History) -> Floats:
    """Spend unit by unit where the most is gained, looking ahead by up to the whole night, since some curves begin flat."""
    student, dose = history.student, history.dose.copy()
    shares, units = np.zeros((CLUSTERS, METHODS)), 40
    best = student.rates.argmax(axis=1)
    rate = student.rates.max(axis=1)
    done = 0
    while done < units:
        steps = np.arange(1, units - done + 1)
        value = student.weights * student.headroom
        after = np.stack([student.left(dose + rate * BUDGET / units * step) for step in steps], axis=1)
        per_unit = value[:, None] * (student.left(dose)[:, None] - after) / steps
        cluster, step = np.unravel_index(int(per_unit.argmax()), per_unit.shape)
        count = int(steps[step])
        shares[cluster, best[cluster]] += count / units
        dose[cluster] += rate[cluster] * BUDGET / units * count
        done += count
    return shares


POLICIES: dict[str, Policy] = {
    "gain": by_gain,
    "quotas": by_failures,
    "random": at_random,
    "oracle": by_oracle,
}


def accuracies(student: Student, policy: Policy, error: float, seed: int) -> Floats:
    """Return the accuracy after each night, (NIGHTS,)."""
    dose, gains, accuracy = np.zeros(CLUSTERS), list[Gain](), []
    for night in range(NIGHTS):
        rng = np.random.default_rng(seed_of(seed, "night", night))
        left = student.headroom * student.left(dose)
        asked = np.maximum(rng.binomial(200, np.clip(left, 0, 1)) / 200, 0.005)
        noise = rng.normal(0, error, (CLUSTERS, METHODS))
        shares = policy(History(asked, student.weights, gains, night, seed, student, dose))
        for i, cluster in enumerate(_names("c", CLUSTERS)):
            for j, method in enumerate(_names("m", METHODS)):
                cost = float(shares[i, j]) * BUDGET
                if cost < 1e-9:
                    continue
                alone = dose.copy()
                alone[i] += student.rates[i, j] * cost
                gain = float((left - student.headroom * student.left(alone))[i]) + float(noise[i, j])
                gains.append(Gain(night, cluster, method, gain, error, cost, float(asked[i])))
        dose = dose + (student.rates * shares).sum(axis=1) * BUDGET
        accuracy.append(student.accuracy(dose))
    return np.array(accuracy)


def wrongly_dropped(students: int, error: float) -> float:
    """Return the share of clusters with a constant gain of exactly the least worth that is dropped within 100 nights."""
    dropped = 0
    for seed in range(students):
        rng = np.random.default_rng(seed_of(seed, "constant"))
        gains = [Gain(n, "c", "m", 0.005 + float(rng.normal(0, error)), error, 1.0, 0.5) for n in range(100)]
        dropped += any(
            no_longer_improves("c", gains[: n + 1]) >= np.log(100 / 0.05) for n in range(0, 100, 3)
        )
    return dropped / students


def _names(letter: str, count: int) -> list[str]:
    return [f"{letter}{i}" for i in range(count)]


def _table(shares: dict[Pair, float]) -> Floats:
    return np.array([[shares.get((c, m), 0.0) for m in _names("m", METHODS)] for c in _names("c", CLUSTERS)])


@dataclass(frozen=True, slots=True)
class Regret:
    """Final regret in points by policy, with that of the mean over the nights, and by how much that of measured gains is larger than that
    of others: mean, low and high of the 95 % interval over students."""

    error: float
    final: dict[str, float]
    through: dict[str, float]
    minus_quotas: tuple[float, float, float]
    minus_random: tuple[float, float, float]


def regrets(students: int) -> dict[str, Regret]:
    """Return the regrets by the precision of the verdicts."""
    result = {}
    for name, error in ERRORS.items():
        final: dict[str, list[float]] = {policy: [] for policy in POLICIES}
        mean: dict[str, list[float]] = {policy: [] for policy in POLICIES}
        for seed in range(students):
            student = Student.drawn(seed)
            for policy, function in POLICIES.items():
                course = accuracies(student, function, error, seed)
                final[policy].append(100 * float(course[-1]))
                mean[policy].append(100 * float(course.mean()))
        regret = {policy: np.array(final["oracle"]) - np.array(own) for policy, own in final.items()}
        result[name] = Regret(
            error,
            {policy: float(own.mean()) for policy, own in regret.items()},
            {
                policy: float((np.array(mean["oracle"]) - np.array(own)).mean())
                for policy, own in mean.items()
            },
            _interval((regret["gain"] - regret["quotas"]).tolist()),
            _interval((regret["gain"] - regret["random"]).tolist()),
        )
    return result


def _interval(values: Sequence[float]) -> tuple[float, float, float]:
    from scipy.stats import ttest_1samp

    result = ttest_1samp(values, 0.0)
    low, high = result.confidence_interval(0.95)
    return float(np.mean(values)), float(low), float(high)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer students; ends within a minute")
    parser.add_argument("--students", type=int, default=60, help="simulated students")
    given = parser.parse_args()
    students = 30 if given.quick else given.students
    lines = []
    for name, one in regrets(students).items():
        shown = ", ".join(
            f"{policy} {one.final[policy]:.2f} (mean of nights {one.through[policy]:.2f})"
            for policy in ("gain", "quotas", "random")
        )
        effect, low, high = one.minus_quotas
        other, other_low, other_high = one.minus_random
        print(
            f"{name} verdicts (error {one.error:g}), {students} students, {NIGHTS} nights: regret in points: {shown}; gain minus quotas "
            f"{effect:+.2f} [{low:+.2f}, {high:+.2f}], minus random {other:+.2f} [{other_low:+.2f}, {other_high:+.2f}]",
            flush=True,
        )
        lines.append(
            f"regret, {name} verdicts: {one.final['gain']:.2f} points, quotas {one.final['quotas']:.2f} points, "
            f"ratio {one.final['gain'] / one.final['quotas']:.2f}, target 1.00, {'ok' if high < 0 else 'short'}"
        )
    share = wrongly_dropped(100 if given.quick else 400, ERRORS["usual"])
    lines.append(
        f"clusters dropped wrongly in 100 nights: {share:.3f} share, promised 0.050 share, ratio {share / 0.05:.2f}, target 0.05, "
        f"{'ok' if share <= 0.05 else 'short'}"
    )
    print()
    print(*lines, sep="\n")
    return int(any(line.endswith("short") for line in lines))


if __name__ == "__main__":
    sys.exit(main())
