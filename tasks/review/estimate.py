"""The error rate of a version, estimated from people's judgements of some rows and the predictions for all of them.

The estimate is prediction-powered (Angelopoulos et al. 2023, "Prediction-powered inference") with the power tuning of PPI++
(Angelopoulos, Duchi and Zrnic 2023): the mean prediction over all rows, plus the mean error of the prediction on the judged
rows, where the prediction counts as much as it helps and not at all where it does not. Judged rows count by the inverse of
their probability of being drawn. The interval is Korn and Graubard's (1998) for weighted samples: Clopper and Pearson's with the number
of judgements that a uniform review would need for the same variance, so that a version in which no wrong row was seen
still gets an honest upper end. Measured coverage: docs/log.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from storage.counting import counted
from tasks.arrays import Floats, Mask
from tasks.review.draw import Drawn

LEVEL = 0.95
MOST_GAIN = (
    4.0  # a prediction may stand for this many times the judgements at most: its variance is itself estimated
)


@dataclass(frozen=True, slots=True)
class ErrorRate:
    """An estimated share of wrong rows with its interval at LEVEL.

    judged: the judgements behind it. weight: how much the predictions count, from 0 to 1. like: the number of uniform
    judgements that would be as precise. Where every row was judged, the rate is counted and not estimated: low = rate = high.
    """

    rate: float
    low: float
    high: float
    judged: int
    weight: float
    like: float


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What the uniform part alone shows: of `rows` judged rows `wrong` were wrong, so that at LEVEL at most `at_most` of the
    `population` rows of the version are."""

    rows: int
    wrong: int
    at_most: float
    population: int

    @property
    def words(self) -> str:
        """The statement for people, such as "60 rows, 0 wrong: at most 4.9 % wrong at 95 %"."""
        if self.rows >= self.population:
            return f"all {counted(self.rows, 'row')}, {self.wrong} wrong: {100 * self.at_most:.1f} % wrong, without sampling error"
        return f"{counted(self.rows, 'row')}, {self.wrong} wrong: at most {100 * self.at_most:.1f} % wrong at {100 * LEVEL:.0f} %"


@dataclass(frozen=True, slots=True)
class ErrorEstimate:
    """What the judgements of a queue say of its version. `whole` is None before the first usable judgement."""

    whole: ErrorRate | None
    acceptance: Acceptance | None
    subdomains: dict[str, ErrorRate] = field(default_factory=dict)
    unclear: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the estimate in JSON values, as a mark of the version stores it."""
        record = asdict(self)
        if self.acceptance is not None:
            record["acceptance"] |= {"words": self.acceptance.words}
        return record | {"level": LEVEL}


def estimate(drawn: Drawn, labels: Mapping[str, float | None]) -> ErrorEstimate:
    """Return the estimate from what reviewers say of the rows of a queue.

    labels: row id -> 0 (right) to 1 (wrong), the mean over its reviewers; None for a row that was looked at and is unclear.
    Rows of the queue without an entry were not looked at. In each part the rows up to the first one that nobody looked at
    count: what was judged out of order, such as rows that somebody searched for, was not drawn, and says nothing of the others.
    Unclear rows are left out and counted.
    """
    looked = np.array([one in labels for one in drawn.ids], dtype=bool)
    uniform, chosen = _reached(looked, drawn.uniform), _reached(looked, ~drawn.uniform)
    values = np.array(
        [np.nan if (label := labels.get(one)) is None else label for one in drawn.ids], dtype=np.float64
    )
    used = (uniform | chosen) & ~np.isnan(values)
    unclear = int(((uniform | chosen) & np.isnan(values)).sum())
    if not used.any():
        return ErrorEstimate(None, None, unclear=unclear)
    chance = probabilities(drawn, uniform, chosen)
    weight = _weight(values[used], drawn.wrong[used], chance[used])
    whole = error_rate(values[used], drawn.wrong[used], chance[used], *drawn.means[""], weight)
    names = np.array(drawn.subdomains)
    by_name = {}
    for name in sorted({str(one) for one in names[used]} - {""}):
        inside = used & (names == name)
        # of few judgements the variance is badly known: the gain over a uniform review is at most that of all judgements
        by_name[name] = error_rate(
            values[inside],
            drawn.wrong[inside],
            chance[inside],
            *drawn.means[name],
            weight,
            whole.like / whole.judged,
        )
    sample = values[uniform & ~np.isnan(values)]
    return ErrorEstimate(
        whole, acceptance(len(sample), int((sample > 0).sum()), drawn.population), by_name, unclear
    )


def probabilities(drawn: Drawn, uniform: Mask, chosen: Mask) -> Floats:
    """Return the probability of each row, (k,), of being among those of both masks.

    A row is in the uniform part, or, where it is not, among the chosen ones that precede the first one that is left out.
    """
    asked = int(drawn.uniform.sum())
    left = ~drawn.uniform & ~chosen
    threshold = float(drawn.priority[left].min()) if left.any() else drawn.beyond
    spread = np.sqrt(drawn.doubt * (1 - drawn.doubt))
    by_key = np.minimum(1.0, spread * threshold) if chosen.any() else np.zeros(len(drawn))
    count = max(drawn.population, 1)
    return np.asarray(uniform.sum() / count + (1 - asked / count) * by_key)


def error_rate(
    wrong: Floats,
    predicted: Floats,
    chance: Floats,
    mean: float,
    population: int,
    weight: float | None = None,
    gain: float = MOST_GAIN,
) -> ErrorRate:
    """Return the error rate of `population` rows whose mean prediction is `mean`, from n judged ones.

    wrong, predicted, chance: (n,) what reviewers say from 0 to 1, what was predicted, and the probability of being drawn.
    weight: of the predictions; None to choose it by these rows. gain: the uniform judgements that one of these may be worth at most.
    """
    if weight is None:
        weight = _weight(wrong, predicted, chance)
    inverse = 1 / chance
    total = inverse.sum()
    residual = wrong - weight * predicted
    centre = float(inverse @ residual / total)
    rate = min(1.0, max(0.0, weight * mean + centre))
    count = len(wrong)
    variance = float((inverse**2 * (1 - chance)) @ (residual - centre) ** 2) / total**2
    variance *= count / max(count - 1, 1)
    plain = float(total**2 / (inverse @ inverse))  # Kish's effective number of weighted judgements
    if count >= population:
        return ErrorRate(rate, rate, rate, count, weight, float(population))
    like = plain if rate in (0.0, 1.0) or variance <= 0 else rate * (1 - rate) / variance
    like = min(like, gain * count)
    low, high = clopper_pearson(rate * like, like)
    return ErrorRate(rate, low, high, count, round(weight, 4), round(like, 1))


def clopper_pearson(hits: float, trials: float, level: float = LEVEL) -> tuple[float, float]:
    """Return the two-sided interval of a share from `hits` of `trials`, which need not be integers."""
    from scipy.stats import beta  # slow to import

    tail = (1 - level) / 2
    low = 0.0 if hits <= 0 else float(beta.ppf(tail, hits, trials - hits + 1))
    high = 1.0 if hits >= trials else float(beta.ppf(1 - tail, hits + 1, trials - hits))
    return low, high


def acceptance(rows: int, wrong: int, population: int) -> Acceptance | None:
    """Return the statement of acceptance sampling. None without rows.

    The upper end is the exact one-sided one of draws without replacement from `population` rows, by the hypergeometric distribution: the
    largest number of wrong rows of the version with which at most `wrong` of `rows` would still be seen in more than 1 - LEVEL of all draws.
    In a large version it is that of Clopper and Pearson; where all rows were judged it is the share that was counted.
    """
    from scipy.stats import hypergeom  # slow to import

    if not rows:
        return None
    population = max(population, rows)
    low, high = wrong, population - (rows - wrong)  # what there is at least, and at most
    while low < high:
        middle = (low + high + 1) // 2
        if float(hypergeom.cdf(wrong, population, middle, rows)) > 1 - LEVEL:
            low = middle
        else:
            high = middle - 1
    return Acceptance(rows, wrong, low / population, population)


def _weight(wrong: Floats, predicted: Floats, chance: Floats) -> float:
    """Return the weight in [0, 1] of the predictions with which the estimate varies least."""
    inverse = 1 / chance
    matters = inverse**2 * (1 - chance)
    centred = predicted - inverse @ predicted / inverse.sum()
    spread = float(matters @ centred**2)
    if spread <= 0:
        return 0.0
    common = float(matters @ (centred * (wrong - inverse @ wrong / inverse.sum())))
    return min(1.0, max(0.0, common / spread))


def _reached(looked: Mask, part: Mask) -> Mask:
    """Return the rows of a part up to the first one that nobody looked at, (k,) bool."""
    places = np.flatnonzero(part)
    missing = np.flatnonzero(~looked[places])
    reached = np.zeros(len(part), dtype=bool)
    reached[places[: missing[0]] if len(missing) else places] = True
    return reached
