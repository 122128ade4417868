"""Tests whether the model outputs of a night differ from those of earlier nights.

Four quantities are measured per question and compared as means over questions: the share of solutions that the judging
stages accepted, the share of samples that agree with each other, the critic's score of the solutions that it was asked
about, and the length of a solution. At least one of them changes if a model was replaced under the same name, a critic was
sabotaged, or an endpoint began to truncate a prompt.

Nights differ by more than the sampling of their questions, so the allowance is a prediction interval: the variance
between nights is estimated from the earlier ones, starting from PRIOR_NIGHTS imaginary nights with the spread that each
measure states, and the new mean is compared by Student's t. All measures of a night together raise a false alarm with
the stated probability. The test does not detect a change so slow that each night stays within the interval of those before
it, and it cannot distinguish a change of the questions' difficulty from a change of the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.counting import counted
from tasks.arrays import Floats

PRIOR_NIGHTS = 4
MOST_NIGHTS = 30  # earlier nights that are compared with


@dataclass(frozen=True, slots=True)
class Measure:
    """A measured quantity. `title` is for people; `spread` is the standard deviation between nights that is assumed
    before any were seen, in the unit of the values."""

    title: str
    spread: float


MEASURES = {
    "acceptance": Measure("share of solutions accepted", 0.03),
    "agreement": Measure("share of samples that agree", 0.03),
    "critic": Measure("critic's score of solutions", 0.03),
    "length": Measure("length of a solution (log of characters)", 0.05),
}


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of a measure over the questions of one night, with its standard error."""

    mean: float
    error: float
    questions: int


@dataclass(frozen=True, slots=True)
class Shift:
    """A measure outside of the prediction interval [low, high] of the earlier nights, and the number of these nights."""

    measure: str
    value: float
    low: float
    high: float
    nights: int

    def __str__(self) -> str:
        title = MEASURES[self.measure].title
        nights = f"{counted(self.nights, 'earlier night')} {'allows' if self.nights == 1 else 'allow'}"
        return f"{title} {self.value:.3f}, {nights} {self.low:.3f} to {self.high:.3f}"


def measure(
    verified: Sequence[pa.Table], scored: Sequence[pa.Table], weighed: Sequence[pa.Table]
) -> dict[str, Mean]:
    """Return the measures of one night that have values.

    verified: every solution after verification, with `problem_id`, `solution` and `verdicts`. scored: the rows after
    the critic, with `problem_id` and `scores`. weighed: the rows after the votes were weighed, with `problem_id` and
    `rejected`. All three are tables of storage.rows.SCHEMA.
    """
    solved = _joined(verified, ["problem_id", "solution", "verdicts"])
    values = {
        "agreement": (solved.column("problem_id"), _share(solved.column("verdicts"), "consistent")),
        "length": (solved.column("problem_id"), _log_length(solved.column("solution"))),
    }
    judged = _joined(scored, ["problem_id", "scores"])
    opinion = pc.map_lookup(judged.column("scores"), "answer", "first").cast(pa.float64())
    values["critic"] = (judged.column("problem_id"), _numbers(opinion))
    means = {name: _mean(_per_question(ids, numbers)) for name, (ids, numbers) in values.items()}
    means["acceptance"] = _mean(_accepted(solved, _joined(weighed, ["problem_id", "rejected"])))
    return {name: means[name] for name in MEASURES if means[name].questions > 1}


def shifts(current: Mapping[str, Mean], earlier: Sequence[Mapping[str, Mean]], chance: float) -> list[Shift]:
    """Return the measures of the `current` night that are outside of the prediction interval of the `earlier` ones, newest last.

    `chance` is the probability of a false alarm per night, shared by all measures that can be compared.
    """
    pairs = {
        name: [night[name] for night in earlier[-MOST_NIGHTS:] if name in night]
        for name in MEASURES
        if name in current
    }
    pairs = {name: nights for name, nights in pairs.items() if nights}
    outside = []
    # Sidak's correction: it keeps the stated chance for correlated measures too, and for chances near 1
    each = 1 - (1 - chance) ** (1 / max(1, len(pairs)))
    for name, nights in pairs.items():
        low, high = _interval(current[name], nights, MEASURES[name].spread, each)
        if not low <= current[name].mean <= high:
            outside.append(Shift(name, current[name].mean, low, high, len(nights)))
    return outside


def to_record(measures: Mapping[str, Mean]) -> dict[str, dict[str, float]]:
    """Return the measures as a version's lineage keeps them."""
    return {
        name: {key: round(value, 6) for key, value in asdict(mean).items()} for name, mean in measures.items()
    }


def from_record(record: Mapping[str, Mapping[str, Any]]) -> dict[str, Mean]:
    """Return the measures that `to_record` wrote; measures of another version of this module are left out."""
    return {
        name: Mean(float(mean["mean"]), float(mean["error"]), int(mean["questions"]))
        for name, mean in record.items()
        if name in MEASURES
    }


def _interval(current: Mean, nights: Sequence[Mean], spread: float, chance: float) -> tuple[float, float]:
    from scipy.stats import t

    means = np.array([night.mean for night in nights])
    errors = np.array([night.error for night in nights])
    count = len(nights)
    centre = float(means.mean())
    # the variance of the means includes their sampling errors, which are known and are subtracted
    between = max(float(((means - centre) ** 2).sum() - (errors**2).sum() * (count - 1) / count), 0.0)
    freedom = PRIOR_NIGHTS + count - 1
    variance = (PRIOR_NIGHTS * spread**2 + between) / freedom
    deviation = (variance * (1 + 1 / count) + current.error**2 + float((errors**2).mean()) / count) ** 0.5
    reach = float(t.ppf(1 - chance / 2, freedom)) * deviation
    return centre - reach, centre + reach


def _joined(tables: Sequence[pa.Table], columns: list[str]) -> pa.Table:
    from storage.rows import empty

    return pa.concat_tables([table.select(columns) for table in tables] or [empty().select(columns)])


def _share(verdicts: pa.ChunkedArray, name: str) -> Floats:
    """Return the verdict "for/all" as a share, NaN where a row has none."""
    parts = pc.extract_regex(pc.map_lookup(verdicts, name, "first"), r"^(?P<part>\d+)/(?P<whole>\d+)$")
    part, whole = (_numbers(pc.struct_field(parts, key).cast(pa.float64())) for key in ("part", "whole"))
    return np.asarray(part / np.where(whole > 0, whole, np.nan))


def _log_length(texts: pa.ChunkedArray) -> Floats:
    characters = _numbers(pc.utf8_length(texts).cast(pa.float64()))
    return np.log1p(characters)


def _numbers(values: pa.ChunkedArray) -> Floats:
    return np.asarray(values.fill_null(float("nan")).to_numpy(), dtype=np.float64)


def _per_question(ids: pa.ChunkedArray, values: Floats) -> Floats:
    """Return the mean of each question's values that are numbers."""
    known = ~np.isnan(values)
    if not known.any():
        return np.zeros(0)
    _, question = np.unique(ids.to_numpy()[known].astype(str), return_inverse=True)
    return np.asarray(np.bincount(question, values[known]) / np.bincount(question))


def _accepted(solved: pa.Table, weighed: pa.Table) -> Floats:
    """Return the share of each question's solutions that were kept."""
    ids, solutions = np.unique(solved.column("problem_id").to_numpy().astype(str), return_counts=True)
    kept = weighed.filter(pc.is_null(weighed.column("rejected"))).column("problem_id").to_numpy().astype(str)
    place = np.searchsorted(ids, kept)
    return np.asarray(np.bincount(place, minlength=len(ids)) / solutions) if len(ids) else np.zeros(0)


def _mean(values: Floats) -> Mean:
    if len(values) < 2:
        return Mean(0.0, 0.0, len(values))
    return Mean(float(values.mean()), float(values.std(ddof=1) / len(values) ** 0.5), len(values))
