"""How good a critic is: its measures on labelled solutions, with bootstrap intervals, beside baselines.

The measures follow ProcessBench (arXiv:2412.06559): of the wrong solutions with a known place, the share whose first wrong step is named
exactly; of the right ones, the share in which no wrong step is named; F1 is the harmonic mean of the two. Accuracy, balanced accuracy,
the area under the ROC curve and the expected calibration error judge the probability that the solution is right.

Solutions of one question are not independent, so the bootstrap draws questions (groups) and not solutions. All critics are resampled by
the same draws, so the interval of a difference is that of a paired comparison.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tasks.arrays import Floats, Mask
from tasks.critics import CriticOpinion
from tasks.critics.labelled import LabelledSolution
from tasks.seeding import seed_of

RESAMPLES = 1000
BINS = 10  # of equal width, of the expected calibration error
MEASURES = (
    "accuracy",
    "balanced_accuracy",
    "auroc",
    "ece",
    "first_error_found",
    "right_unblamed",
    "f1",
    "agreement",
)
NOT_NAMED = -1  # the place of the first wrong step where a critic names none


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a critic says about each of a list of solutions.

    `right`: the probability that the solution is right, float64 (n,). `first_wrong`: the place of its first wrong step counted from 0,
    NOT_NAMED where the critic names none, int64 (n,). A solution counts as right from `threshold` on.
    """

    name: str
    right: Floats
    first_wrong: npt.NDArray[np.int64]
    threshold: float = 0.5

    @property
    def says_right(self) -> Mask:
        return self.right >= self.threshold

    def take(self, rows: Mask) -> Opinion:
        return Opinion(self.name, self.right[rows], self.first_wrong[rows], self.threshold)


def opinion_of(name: str, opinions: Sequence[CriticOpinion]) -> Opinion:
    """Return the opinion of a critic of any kind: its probabilities or, where it was not calibrated, its scores; a solution that it has no
    opinion on gets the mean of the others."""
    values = [one.right if one.right is not None else one.answer for one in opinions]
    given = [value for value in values if value is not None]
    mean = sum(given) / len(given) if given else 0.5
    return Opinion(
        name,
        np.array([mean if value is None else value for value in values], np.float64),
        np.array([NOT_NAMED if one.first_wrong is None else one.first_wrong for one in opinions], np.int64),
    )


@dataclass(frozen=True, slots=True)
class Truth:
    """The labels of a list of solutions as arrays.

    `place`: the first wrong step, NOT_NAMED where there is none or it is unknown. `placed`: whether the solution is counted by the
    measures of steps: its set names the places of errors, and the solution is right or its place is known. `strong`: the score of a
    strong model, NaN where there is none. `groups`: numbers of the questions from 0.
    """

    right: Mask
    place: npt.NDArray[np.int64]
    placed: Mask
    strong: Floats
    groups: npt.NDArray[np.int64]

    @classmethod
    def of(cls, solutions: Sequence[LabelledSolution]) -> Truth:
        with_places = {one.source for one in solutions if one.first_error is not None}
        _, groups = np.unique([one.group or one.id for one in solutions], return_inverse=True)
        return cls(
            np.array([one.correct for one in solutions], bool),
            np.array(
                [NOT_NAMED if one.first_error is None else one.first_error for one in solutions], np.int64
            ),
            np.array(
                [
                    one.source in with_places and (one.correct or one.first_error is not None)
                    for one in solutions
                ],
                bool,
            ),
            np.array([np.nan if one.strong is None else one.strong for one in solutions]),
            groups.astype(np.int64),
        )

    def __len__(self) -> int:
        return len(self.right)

    def take(self, rows: Mask) -> Truth:
        _, groups = np.unique(self.groups[rows], return_inverse=True)
        return Truth(
            self.right[rows], self.place[rows], self.placed[rows], self.strong[rows], groups.astype(np.int64)
        )


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measure with its 95 % interval; NaN where it is not defined, such as balanced accuracy without wrong solutions."""

    value: float
    low: float
    high: float

    def record(self) -> dict[str, float | None]:
        """Return the estimate as JSON has it: an undefined one is null."""
        return {
            name: None if np.isnan(number) else round(float(number), 6)
            for name, number in (("value", self.value), ("low", self.low), ("high", self.high))
        }


@dataclass(frozen=True, slots=True)
class CriticMeasures:
    """One critic's measures on one list of solutions, by the names of MEASURES, and the counts behind them."""

    name: str
    solutions: int
    right: int
    questions: int
    placed_wrong: int
    estimates: Mapping[str, Estimate]
    draws: Mapping[str, Floats] = field(
        repr=False, default_factory=dict
    )  # per resample, for paired differences


def draws_of(truth: Truth, resamples: int, seed: int) -> Floats:
    """Return how often each solution is in each resample, float64 (resamples, n): questions are drawn with replacement. The first row is
    all ones, the sample itself."""
    rng = np.random.default_rng(seed_of(seed, "critic bootstrap"))
    questions = int(truth.groups.max(initial=-1)) + 1
    counts = np.ones((resamples + 1, len(truth)))
    if questions:
        drawn = rng.multinomial(questions, np.full(questions, 1 / questions), size=resamples)
        counts[1:] = drawn[:, truth.groups]
    return counts


def measure(
    truth: Truth,
    opinion: Opinion,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    only: Sequence[str] = MEASURES,
) -> CriticMeasures:
    """Return the measures of a critic. Two critics that are measured with one truth and seed are resampled alike.

    Raises ValueError if the opinion is about another number of solutions.
    """
    if len(opinion.right) != len(truth):
        raise ValueError(f"{len(opinion.right)} opinions on {len(truth)} solutions")
    weights = draws_of(truth, resamples, seed)
    draws = {name: _MEASURES[name](truth, opinion, weights) for name in only}
    return CriticMeasures(
        opinion.name,
        len(truth),
        int(truth.right.sum()),
        len(np.unique(truth.groups)),
        int((truth.placed & ~truth.right).sum()),
        {name: _estimate(values) for name, values in draws.items()},
        draws,
    )


def difference(one: CriticMeasures, other: CriticMeasures, name: str) -> Estimate:
    """Return the paired difference of a measure (one minus other) with its interval. Both must have been measured with one seed."""
    return _estimate(one.draws[name] - other.draws[name])


def ratio(one: CriticMeasures, other: CriticMeasures, name: str) -> Estimate:
    """Return the paired ratio of a measure with its interval; infinite where the other critic has 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return _estimate(one.draws[name] / other.draws[name])


def _estimate(draws: Floats) -> Estimate:
    """Return the estimate of a measure: `draws[0]` is the sample itself, the others are resamples."""
    if np.isnan(draws[0]) or not np.isfinite(draws[1:]).any():
        return Estimate(float(draws[0]), float("nan"), float("nan"))
    defined = draws[1:][~np.isnan(draws[1:])]
    low, high = np.quantile(defined, (0.025, 0.975), method="nearest")
    value = float(draws[0])  # resamples may all lie on one side of it, as those of a calibration error do
    return Estimate(value, min(float(low), value), max(float(high), value))


def _share(weights: Floats, hits: Mask, among: Mask) -> Floats:
    """Return the weighted share of `hits` among the solutions of a mask per resample, NaN where there are none."""
    total = weights[:, among].sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(weights[:, among & hits].sum(axis=1) / np.where(total > 0, total, np.nan))


def _accuracy(truth: Truth, opinion: Opinion, weights: Floats) -> Floats:
    return _share(weights, opinion.says_right == truth.right, np.ones(len(truth), bool))


def _balanced(truth: Truth, opinion: Opinion, weights: Floats) -> Floats:
    says = opinion.says_right
    return (_share(weights, says, truth.right) + _share(weights, ~says, ~truth.right)) / 2


def _auroc(truth: Truth, opinion: Opinion, weights: Floats) -> Floats:
    """Return the probability that a right solution has a higher score than a wrong one, ties counted as a half."""
    if truth.right.all() or not truth.right.any():
        return np.full(len(weights), np.nan)
    order = np.argsort(opinion.right, kind="stable")
    scores, ordered, right = opinion.right[order], weights[:, order], truth.right[order]
    starts = np.flatnonzero(np.r_[True, scores[1:] != scores[:-1]])
    good = np.add.reduceat(ordered * right, starts, axis=1)
    bad = np.add.reduceat(ordered * ~right, starts, axis=1)
    below = np.cumsum(bad, axis=1) - bad
    total = good.sum(axis=1) * bad.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((good * (below + bad / 2)).sum(axis=1) / np.where(total > 0, total, np.nan))


def _ece(truth: Truth, opinion: Opinion, weights: Floats) -> Floats:
    """Return the expected calibration error: the mean distance of probability and share right over BINS bins of equal width, weighted by
    their solutions (Naeini et al. 2015)."""
    bins = np.minimum((opinion.right * BINS).astype(np.int64), BINS - 1)
    error = np.zeros(len(weights))
    gaps = opinion.right - truth.right
    for number in range(BINS):
        inside = bins == number
        if inside.any():
            error += np.abs((weights[:, inside] * gaps[inside]).sum(axis=1))
    return np.asarray(error / np.maximum(weights.sum(axis=1), 1e-12))


def _first_error(truth: Truth, opinion: Opinion, weights: Floats) -> Floats:
    return _share(weights, opinion.first_wrong == truth.place, truth.placed & ~truth.right)


def _unblamed(truth: Truth, opinion: Opinion, weights: Floats) -> Floats:
    return _share(weights, opinion.first_wrong == NOT_NAMED, truth.placed & truth.right)


def _f1(truth: Truth, opinion: Opinion, weights: Floats) -> Floats:
    wrong, right = _first_error(truth, opinion, weights), _unblamed(truth, opinion, weights)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(wrong + right > 0, 2 * wrong * right / (wrong + right), wrong + right))


def _agreement(truth: Truth, opinion: Opinion, weights: Floats) -> Floats:
    """Return the share of the solutions with a strong model's score in which both say the same."""
    judged = ~np.isnan(truth.strong)
    return _share(weights, opinion.says_right == (truth.strong >= 0.5), judged)


_MEASURES: dict[str, Callable[[Truth, Opinion, Floats], Floats]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced,
    "auroc": _auroc,
    "ece": _ece,
    "first_error_found": _first_error,
    "right_unblamed": _unblamed,
    "f1": _f1,
    "agreement": _agreement,
}


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """One bin of a reliability plot: the mean probability of its solutions, the share of them that is right, and their number."""

    probability: float
    right: float
    count: int


def reliability(truth: Truth, opinion: Opinion) -> list[ReliabilityBin]:
    """Return the bins that have solutions, lowest probability first."""
    bins = np.minimum((opinion.right * BINS).astype(np.int64), BINS - 1)
    return [
        ReliabilityBin(
            float(opinion.right[bins == number].mean()),
            float(truth.right[bins == number].mean()),
            int((bins == number).sum()),
        )
        for number in range(BINS)
        if (bins == number).any()
    ]


@dataclass(frozen=True, slots=True)
class PrecisionThreshold:
    """The lowest probability from which on at least the stated share of the accepted solutions was right.

    `accepted`: the share of all solutions that it accepts. `value` is above 1, and nothing is accepted, if no threshold has the
    precision.
    """

    stated: float
    value: float
    precision: float
    accepted: float


NOTHING = 1.01  # a threshold that no probability reaches


def threshold_for(right: Floats, labels: Mask, stated: float) -> PrecisionThreshold:
    """Return the threshold with the most accepted solutions whose precision is at least `stated`."""
    order = np.argsort(-right, kind="stable")
    scores, good = right[order], np.cumsum(labels[order])
    count = np.arange(1, len(scores) + 1)
    last_of_score = np.r_[scores[1:] != scores[:-1], True] if len(scores) else np.zeros(0, bool)
    enough = np.flatnonzero((good / count >= stated) & last_of_score)
    if not len(enough):
        return PrecisionThreshold(stated, NOTHING, float("nan"), 0.0)
    at = int(enough[-1])
    return PrecisionThreshold(
        stated, float(scores[at]), float(good[at] / count[at]), float(count[at] / len(scores))
    )


@dataclass(frozen=True, slots=True)
class NamingPoint:
    """A threshold below which a first wrong step is named, and what it trades on the solutions that it was chosen on.

    `given_up`: how far ProcessBench's F1 may fall below its highest value; `standard_error`: whether that is its standard error.
    `first_error_found`, `right_unblamed` and `f1` are measured on the solutions that chose it.
    """

    given_up: float
    value: float
    first_error_found: float
    right_unblamed: float
    f1: float
    standard_error: bool = False


STANDARD_ERROR = None  # as a value of `given_up`: one standard error of the highest F1
GIVEN_UP = (0.0, 0.01, STANDARD_ERROR, 0.05)  # of F1, at the operating points that a report shows


def naming_points(
    unblamed: Floats, labels: Mask, located: Mask, placed: Mask, given_up: Sequence[float | None] = GIVEN_UP
) -> list[NamingPoint]:
    """Return the operating points of naming a first wrong step, one per value of `given_up`: of the thresholds whose F1 is at most that much
    below the highest one, the one that finds most first errors, and of several such the lowest. None is one standard error of the highest F1,
    over the solutions of `placed` as independent draws: the solutions cannot rank thresholds that close (the rule of one standard error of
    Breiman, Friedman, Olshen and Stone 1984).

    `unblamed`: how little speaks for naming a step, from 0 to 1. `located`: whether the likeliest step is the first wrong one. Thresholds are
    in the middle between two values of the solutions of `placed`, whose places are known. Returns no points where one of the two labels is
    missing among these.
    """
    good, bad = placed & labels, placed & ~labels
    if not good.any() or not bad.any():
        return []
    values = np.unique(unblamed[placed])
    cuts = np.concatenate([[0.0], (values[1:] + values[:-1]) / 2, [1.0]])
    named = np.searchsorted(np.sort(unblamed[bad & located]), cuts, "left") / bad.sum()
    kept = 1 - np.searchsorted(np.sort(unblamed[good]), cuts, "left") / good.sum()
    total = named + kept
    means = np.divide(2 * named * kept, total, out=np.zeros(len(cuts)), where=total > 0)
    best = int(np.argmax(means))
    error = _standard_error(float(named[best]), int(bad.sum()), float(kept[best]), int(good.sum()))
    points = []
    for asked in given_up:
        limit = error if asked is None else asked
        if limit:
            allowed = np.flatnonzero(means >= means.max() - limit)
            at = int(allowed[np.argmax(named[allowed])])
        else:
            at = best
        value, share_named, share_kept, f1 = (float(each[at]) for each in (cuts, named, kept, means))
        points.append(NamingPoint(limit, value, share_named, share_kept, f1, asked is None))
    return points


def _standard_error(named: float, bad: int, kept: float, good: int) -> float:
    """Return the standard error of the harmonic mean of two shares of `bad` and `good` independent solutions, by the delta method."""
    if not named + kept:
        return 0.0
    slopes = (2 * other**2 / (named + kept) ** 2 for other in (kept, named))
    variances = (named * (1 - named) / bad, kept * (1 - kept) / good)
    return math.sqrt(sum(slope**2 * variance for slope, variance in zip(slopes, variances, strict=True)))


def by_part(solutions: Sequence[LabelledSolution], name: str) -> dict[str, Mask]:
    """Return the solutions of each value of `source`, `by`, `subdomain` or `kind` as a mask, largest first. Solutions without a value are in no
    part; kinds are of wrong solutions only."""
    values = [getattr(one, name) for one in solutions]
    names = sorted({value for value in values if value}, key=lambda value: (-values.count(value), value))
    return {str(one): np.array([value == one for value in values], bool) for one in names}
