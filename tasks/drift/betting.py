"""A sequential test of whether bounded quantities have changed, night after night, with a stated rate of false alarms.

The test bets against the hypothesis that nothing has changed, after Waudby-Smith and Ramdas, "Estimating means of bounded
random variables by betting" (arXiv:2010.09686): a capital is multiplied by 1 + bet * (value - mean) for every value. While
the mean of the values, given all before, is at most `mean`, the expected capital does not grow, so that a large capital is
evidence of a larger mean, whatever the distribution. The capital is shared among bets that suit changes of different sizes.

A change may begin in any night, and the mean before it is not known. For a supposed mean, the capital of the change of night k
is the product of two: until that night it bets that the mean is smaller than supposed, from then on that it is larger. Were
the supposed mean the true one, the expectation of every such capital would be at most 1, and that of their sum over k after n
nights at most n, as in the Shiryaev-Roberts procedure of Shin, Ramdas and Rinaldo, "E-detectors" (arXiv:2203.03532). The
evidence is the least such sum over all supposed means, which is at most the sum for the true one. So the probability that it
ever reaches NIGHTS / chance within NIGHTS nights is at most `chance`, by optional stopping at the first time that it does.
Nothing is lost to an estimate of the mean: if no mean agrees with the nights before and after, there was a change.

Several quantities can be tested together: their capitals of one night are multiplied, so that changes of each of them that are
too small to be seen add up.

What the rate of false alarms assumes: the means of all nights are in one interval whose width is the tolerance. It allows for what
differs between nights without a change of the model, such as their topics. What the test does not see: a change within the
tolerance, and a change of a distribution that leaves the mean of the values where it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tasks.arrays import Floats

NIGHTS = 1000  # for which the chance of a false alarm is stated
RANKED = 50  # values that the ranks of a quantity without a unit rest on, at least
# bets, as shares of the largest one that cannot lose everything; each suits changes of another size, and the capital is
# shared among them. Sets of four to eight, also without the smallest ones, see changes within a tenth of the same time.
FRACTIONS = np.array([0.5, 0.3, 0.18, 0.1, 0.06, 0.035, 0.02, 0.012])
LARGEST_LOGIT = 16.0  # supposed means are between those of plus and minus this logit

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class WatchedQuantity:
    """What is watched. `values`: the values in [0, 1] of the classes that are counted, (classes,); None: the share of the
    first RANKED values below the class, half of the class itself included, for quantities whose unit is not bounded. `tolerance`:
    how far the means of two nights may differ without a change."""

    values: Floats | None
    tolerance: float


class ChangeTest:
    """The test of one or several quantities in one direction, over the nights so far.

    watched: each quantity with the counts of its classes by night, (nights, classes), oldest night first; the numbers of nights
    are equal. increase: whether to look for an increase of the means, or else for a decrease. chance: the probability of a
    false alarm in NIGHTS nights of all `tests` that are run together.
    """

    def __init__(
        self,
        watched: Sequence[tuple[WatchedQuantity, Counts]],
        *,
        increase: bool,
        chance: float,
        tests: int,
    ) -> None:
        self._series = [_Series.of(quantity, counts, increase=increase) for quantity, counts in watched]
        self._nights = len(self._series[0].counts)
        self._each = chance / tests

    @property
    def threshold(self) -> float:
        """The logarithm of the sum of capitals that raises an alarm."""
        return float(np.log(NIGHTS / self._each))

    @property
    def alarm(self) -> bool:
        return self.evidence >= 1

    @property
    def evidence(self) -> float:
        """How much of the capital that raises an alarm there is after the last night, on the scale of its logarithm: 0 for no
        more than is expected without a change, 1 for an alarm."""
        expected = float(np.log(max(self._nights, 1)))
        return float(min(max((self._least[0] - expected) / (self.threshold - expected), 0.0), 1.0))

    @property
    def since(self) -> int:
        """The number of the night, from 0, with which the likeliest change begins; the number of nights where there is no
        night to compare with."""
        if self._nights < 2:
            return self._nights
        before, after = self._capitals(self._least[1])
        grown = _started(before, after) + after[:, :, -1:]
        return 1 + int(_log_sum(grown, axis=1)[0].argmax())

    @cached_property
    def pooled(self) -> Floats:
        """The mean of each quantity over all nights, in the direction of the test, (quantities,)."""
        return np.array([series.mean for series in self._series])

    def sums(self, means: Floats) -> Floats:
        """Return the logarithm of the sum of capitals after each night, (points, nights), for supposed means,
        (points, quantities), in the direction of the test. The least over all means is the evidence of that night."""
        before, after = self._capitals(means)
        sums = np.full((len(means), after.shape[2]), -np.inf)
        if after.shape[2] > 1:
            grown = np.logaddexp.accumulate(_started(before, after), axis=2) + after[:, :, 1:]
            sums[:, 1:] = _log_sum(grown, axis=1)
        return sums

    @cached_property
    def _least(self) -> tuple[float, Floats]:
        """The least sum after the last night, and the means, (1, quantities), at which it is: a convex problem."""
        from scipy.optimize import minimize  # slow to import, and only needed at the end of a night
        from scipy.special import expit, logit

        if self._nights < 2:
            return -np.inf, self.pooled[None, :]

        def last(logits: Floats) -> float:
            return float(self.sums(expit(logits)[None, :])[0, -1])

        start = np.clip(logit(np.clip(self.pooled, 1e-6, 1 - 1e-6)), -LARGEST_LOGIT, LARGEST_LOGIT)
        bounds = [(-LARGEST_LOGIT, LARGEST_LOGIT)] * len(start)
        best = minimize(last, start, method="L-BFGS-B", bounds=bounds)
        return float(best.fun), expit(best.x)[None, :]

    def _capitals(self, means: Floats) -> tuple[Floats, Floats]:
        """Return the logarithms of the capital that bets on smaller means, averaged over the bets, (points, nights), and of
        each bet on larger means, (points, bets, nights), since the first night."""
        smaller, larger = (np.zeros((len(means), len(FRACTIONS), self._nights)) for _ in range(2))
        for series, mean in zip(self._series, means.T, strict=True):
            larger += growth(series.values, series.counts, np.minimum(1.0, mean + series.tolerance))
            smaller += growth(1 - series.values, series.counts, 1 - mean)
        average = _log_sum(np.cumsum(smaller, axis=2), axis=1) - np.log(len(FRACTIONS))
        return average, np.cumsum(larger, axis=2)


@dataclass(frozen=True, slots=True)
class _Series:
    """One quantity over the nights. values: of the classes, (classes,), in the direction of the test. counts: (nights, classes)."""

    values: Floats
    counts: Floats
    tolerance: float

    @classmethod
    def of(cls, quantity: WatchedQuantity, counts: Counts, *, increase: bool) -> _Series:
        numbers, values = np.asarray(counts, dtype=np.float64), quantity.values
        if values is None:
            # ranks among the first values; those only define the unit, so that they are no evidence
            seen = np.cumsum(numbers.sum(axis=1))
            first = min(len(seen), int(np.searchsorted(seen, RANKED)) + 1)
            ranked = numbers[:first].sum(axis=0)
            values = (np.cumsum(ranked) - ranked / 2) / max(ranked.sum(), 1)
            numbers = np.concatenate([np.zeros_like(numbers[:first]), numbers[first:]])
        return cls(values if increase else 1 - values, numbers, quantity.tolerance)

    @property
    def mean(self) -> float:
        total = self.counts.sum()
        return float((self.counts @ self.values).sum() / total) if total else 0.5


def growth(values: Floats, counts: Floats, means: Floats) -> Floats:
    """Return the logarithm by which the capital of each bet on a larger mean grows in each night, (points, bets, nights).

    values: of the classes, (classes,), in [0, 1]. counts: (nights, classes). means: the supposed ones, (points,).
    """
    seen = counts.any(axis=0)
    shares = values[seen] / np.maximum(means, 1e-9)[:, None]
    factors = 1 - FRACTIONS[None, :, None] + FRACTIONS[None, :, None] * shares[:, None, :]
    return np.asarray(np.log(factors) @ counts[:, seen].T)


def _started(before: Floats, after: Floats) -> Floats:
    """Return the logarithm of the capital of a change of each night but the first, divided by the growth since the first
    night, (points, bets, nights - 1)."""
    started: Floats = before[:, None, :-1] - np.log(len(FRACTIONS)) - after[:, :, :-1]
    return started


def _log_sum(logs: Floats, axis: int) -> Floats:
    largest = logs.max(axis=axis, keepdims=True)
    shares = np.exp(logs - largest).sum(axis=axis)
    sums: Floats = largest.squeeze(axis) + np.log(shares)
    return sums
