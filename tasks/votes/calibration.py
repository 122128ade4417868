"""What votes are worth: a calibrated probability that a solution is right.

A logistic regression on a few features of the votes, fitted on rows whose truth is known and refitted every night.
The weights are drawn towards where they were before instead of zero, so that a handful of labelled rows
corrects them and none leaves them as they are. The first ones are Dawid and Skene's (1979) for independent
voters with the reliabilities stated below.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.votes.collect import Floats, Mask, Votes

FEATURES = (
    "constant", "reference", "programs", "worked", "agree", "against", "rival", "lead", "alone", "critic", "unread",
)  # fmt: skip
# log-odds. A trusted answer is wrong in one of 100 questions; programs and worked solutions are right four times
# in five, a critic in 85 of 100 cases (ANCHORS' trained critic), so that each weighs the logarithm of its odds;
# every doubling of the votes behind an answer is taken for as much as one critic
_PRIOR = {
    "constant": 0.5, "reference": 4.6, "programs": 1.4, "worked": 1.0, "agree": 1.0, "against": -0.4, "rival": -0.6,
    "lead": 0.6, "alone": -0.3, "critic": 1.7, "unread": -6.0,
}  # fmt: skip
PRIOR_ROWS = 100  # how many labelled rows the prior weighs: the samples of a question are no independent rows
MOST_ROWS = 1000  # the weight of all earlier nights together: models and questions change


def features(votes: Votes) -> Floats:
    """(n, len(FEATURES)) float64, in the order of FEATURES; columns only."""
    read = votes.readable.astype(float)
    columns = (
        np.ones(len(votes)),
        votes.reference,
        read * _lead(votes.programs, votes.programs_against),
        read * _lead(votes.worked, votes.worked_against),
        read * np.log1p(votes.agree),
        read * np.log1p(votes.against),
        read * np.log1p(votes.rival),
        read * np.sign(votes.agree + 1 - votes.rival) * (votes.agree + votes.against > 0),
        read * (votes.agree + votes.against == 0),
        votes.critic,
        1 - read,
    )
    return np.column_stack(columns)


def _lead(same: Floats, other: Floats) -> Floats:
    """The share of the voters that agrees less the share that does not."""
    return (same - other) / np.maximum(same + other, 1)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Weights of FEATURES, and how many labelled rows they rest on (0: the prior)."""

    weights: tuple[float, ...]
    rows: int = 0

    def probability(self, votes: Votes) -> Floats:
        """The probability that each row's solution is right, (n,) in [0, 1], to four digits: the order of a
        sum, which a processor chooses, must not show."""
        return np.round(_logistic(features(votes) @ np.array(self.weights)), 4)

    def to_dict(self) -> dict[str, Any]:
        return {"weights": dict(zip(FEATURES, self.weights, strict=True)), "rows": self.rows}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Calibration:
        """The calibration that `to_dict` wrote. Where it is of other features, as an older version's may be,
        the prior."""
        weights = record.get("weights", {})
        if set(weights) != set(FEATURES):
            return prior()
        return cls(tuple(float(weights[name]) for name in FEATURES), int(record["rows"]))


def prior() -> Calibration:
    """What the votes are taken to be worth before any row with a known truth has been seen."""
    return Calibration(tuple(_PRIOR[name] for name in FEATURES))


def fit(votes: Votes, truth: npt.ArrayLike, base: Calibration | None = None) -> Calibration:
    """Weights fitted to rows whose truth (n,) is known: the most likely ones given `base` (else the prior).

    `base` counts for PRIOR_ROWS and for the rows it was fitted on, so a night of few labelled rows moves it
    little. The reference vote is hidden, for on such rows it *is* the truth, and keeps its weight. Deterministic:
    a convex problem, solved by L-BFGS, to four digits.
    """
    labels = np.asarray(truth, dtype=np.float64)
    if labels.shape != (len(votes),) or not np.isin(labels, (0.0, 1.0)).all():
        raise ValueError(f"truth: expected {len(votes)} values of 0 or 1, got shape {labels.shape}")
    base = base or prior()
    if len(labels) == 0:
        return base
    centre, known = np.array(base.weights), min(base.rows, MOST_ROWS)
    stiffness = (
        PRIOR_ROWS + known
    ) / 4  # of a logistic's likelihood, at most, for each row and unit of a feature
    table = features(replace(votes, reference=np.zeros(len(votes))))

    from scipy.optimize import minimize  # slow to load, and of use to the one stage that fits

    def loss(weights: Floats) -> tuple[float, Floats]:
        margin = table @ weights
        gap = weights - centre
        value = np.logaddexp(0, margin).sum() - labels @ margin + 0.5 * stiffness * gap @ gap
        return float(value), table.T @ (_logistic(margin) - labels) + stiffness * gap

    found = minimize(loss, centre, jac=True, method="L-BFGS-B", options={"maxiter": 500, "gtol": 1e-7})
    return Calibration(tuple(round(float(weight), 4) for weight in found.x), known + len(labels))


def held_out(
    votes: Votes, truth: npt.ArrayLike, fold: npt.ArrayLike, base: Calibration | None = None
) -> Floats:
    """The probability (n,) that each row gets from a fit on the rows of all other folds. `fold`: a number for each
    row; rows of one question belong into one fold."""
    folds, labels = np.asarray(fold), np.asarray(truth)
    found = np.zeros(len(votes))
    for number in np.unique(folds):
        inside = folds == number
        found[inside] = fit(votes.take(~inside), labels[~inside], base).probability(votes.take(inside))
    return found


def _logistic(margin: Floats) -> Floats:
    result: Floats = np.exp(-np.logaddexp(0, -margin))
    return result


def disputed(votes: Votes, calibration: Calibration, sure: float = 0.95) -> Mask:
    """The rows that need the expensive judge, (n,) bool: where the votes are not this sure, either way (at 1
    they never are). A trusted answer settles a row, and so does having none."""
    probability = calibration.probability(votes)
    settled = (probability > sure) | (probability < 1 - sure) | (votes.reference != 0) | ~votes.readable
    return np.asarray(~settled, dtype=np.bool_)
