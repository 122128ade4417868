"""A sequential test of whether a bounded quantity has changed, night after night, with a stated rate of false alarms.

The test bets against the hypothesis that nothing has changed, after Waudby-Smith and Ramdas, "Estimating means of bounded
random variables by betting" (arXiv:2010.09686): a capital is multiplied by 1 + bet * (value - bound) for every value. While
the mean of the values, given all before, is at most `bound`, the expected capital does not grow, so that a large capital is
evidence of a larger mean, whatever the distribution. A change may begin in any night: the capitals that begin in each night
are summed, as in the Shiryaev-Roberts procedure of Shin, Ramdas and Rinaldo, "E-detectors" (arXiv:2203.03532). The
expected sum after n nights is at most n, and the probability that it ever reaches NIGHTS / chance within NIGHTS nights is at
most `chance`, by optional stopping at the first time that it does.

The bound is learnt: from the nights before the one in which a capital begins, until these have REFERENCE_ROWS values; from
then on it is fixed, so that a slow change is seen too. It is the upper confidence bound of their mean, by the same bets, plus the
tolerance of the quantity, which allows for what differs between nights without a change of the model, such as their topics.

What the rate of false alarms assumes: the mean of each night is within the tolerance of the mean of the reference nights. What the
test does not see: a change within the tolerance, and a change of a distribution that leaves the mean of the values where it was.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tasks.arrays import Floats

NIGHTS = 1000  # for which the chance of a false alarm is stated
REFERENCE_ROWS = 4000
# bets, as shares of the largest one that cannot lose everything; the capital is shared among them
FRACTIONS = np.array([0.5, 0.3, 0.18, 0.1, 0.06, 0.035, 0.02, 0.012])
STEPS = 24  # of the bisection for a confidence bound

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class WatchedQuantity:
    """What is watched. `values`: the values in [0, 1] of the classes that are counted, (classes,); None: the share of the
    reference below the class, half of the class itself included, for quantities whose unit is not bounded. `tolerance`: how far
    the mean of a night may be from that of the reference without a change."""

    values: Floats | None
    tolerance: float


class ChangeTest:
    """The test of one quantity in one direction. `add` the counts of each night, oldest first.

    increase: whether to look for an increase of the mean, or else for a decrease. chance: the probability of a false alarm in
    NIGHTS nights of all `tests` that are run together.
    """

    def __init__(self, quantity: WatchedQuantity, *, increase: bool, chance: float, tests: int) -> None:
        self._quantity, self._increase = quantity, increase
        self._each = chance / 2 / tests  # one half for the learnt bounds, the other for the sums
        self._reference: Floats | None = None  # the counts of the nights before, until they are enough
        # by reference: the value of each class, the bound, and the logarithm of the sum of capitals of each bet
        self._values = np.zeros((0, 0))
        self._bounds = np.zeros(0)
        self._logs = np.zeros((0, len(FRACTIONS)))
        self._learnt = 0  # how many references there are
        self._nights = 0
        self.capital = -np.inf  # the logarithm of the sum of all capitals
        self.since = 1  # number of the night, from 0, from which on every night has added evidence

    @property
    def threshold(self) -> float:
        """The logarithm of the sum that raises an alarm."""
        return float(np.log(NIGHTS / self._each))

    @property
    def alarm(self) -> bool:
        return bool(self.capital >= self.threshold)

    @property
    def evidence(self) -> float:
        """How much of the capital that raises an alarm there is, on the scale of its logarithm: 0 for none, 1 for an alarm."""
        return float(min(max(self.capital / self.threshold, 0.0), 1.0))

    def add(self, night: Counts) -> None:
        """Add the counts of the classes in one night, (classes,). A night without values changes nothing but its number."""
        counts = np.asarray(night, dtype=np.float64)
        if self._reference is not None and counts.sum():
            self._begin(self._reference)
            gains = growth(self._values, counts, self._bounds)
            self._logs += gains
            self.capital = float(np.logaddexp.reduce(self._logs, axis=None))
            if np.logaddexp.reduce(gains[-1]) < np.log(len(FRACTIONS)):
                self.since = self._nights + 1
        self._learn(counts)
        self._nights += 1

    def _begin(self, reference: Floats) -> None:
        """Begin a capital of 1 with this night, against the reference of the nights before it."""
        if len(self._values) < self._learnt:
            values = self._values_of(reference)
            bound = upper_bound(values, reference, self._each) + self._quantity.tolerance
            self._values = np.vstack([self._values.reshape(-1, len(values)), values])
            self._bounds = np.append(self._bounds, min(1.0, bound))
            self._logs = np.vstack([self._logs, np.full(len(FRACTIONS), -np.inf)])
        self._logs[-1] = np.logaddexp(self._logs[-1], -np.log(len(FRACTIONS)))

    def _learn(self, counts: Floats) -> None:
        if not counts.sum() or (self._reference is not None and self._reference.sum() >= REFERENCE_ROWS):
            return
        self._reference = counts if self._reference is None else self._reference + counts
        self._learnt += 1

    def _values_of(self, reference: Floats) -> Floats:
        values = self._quantity.values
        if values is None:
            below = np.cumsum(reference) - reference
            values = (below + reference / 2) / reference.sum()
        return values if self._increase else 1 - values


def upper_bound(values: Floats, counts: Floats, chance: float) -> float:
    """Return a number that the mean of the values, counted `counts` times, exceeds with a probability of at most `chance`,
    however often it is computed while values are added."""
    total = counts.sum()
    low, high = float(values @ counts / max(total, 1)), 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        # a mean of at least `middle` is a mean of the complements of at most 1 - middle
        capital = growth(1 - values[None, :], counts, np.array([1 - middle]))
        if np.logaddexp.reduce(capital, axis=None) - np.log(len(FRACTIONS)) >= -np.log(chance):
            high = middle
        else:
            low = middle
    return high


def growth(values: Floats, counts: Floats, bounds: Floats) -> Floats:
    """Return the logarithm by which the capital of each bet grows, (references, bets).

    values: (references, classes). counts: of the classes, (classes,). bounds: (references,).
    """
    seen = counts > 0
    bets = FRACTIONS[None, :] / np.maximum(bounds, 1e-9)[:, None]
    gains = (values[:, seen] - bounds[:, None])[:, None, :]
    logs: Floats = np.log1p(bets[:, :, None] * gains) @ counts[seen]
    return logs
