"""The probability that a solution is right, from the votes on it.

It is a logistic regression on a few features of the votes, fitted on rows whose truth is known and refitted every
night. The weights are regularised towards their earlier values instead of zero, so that a handful of labelled rows
corrects them, and without labelled rows they stay as they are. The first weights are Dawid and Skene's (1979) for
independent voters with the reliabilities stated below.

Three rules keep a fit from claiming more than the samples show:

- Replies to a question that give no answer count against those that do: the lead of an answer is scaled by the share of
  the replies that answered, and the number of the others has a weight of its own.

- Without a trusted answer or a critic, the answer that most samples give counts as more likely right than wrong, and
  every other one as less, whatever the weights say. A fit may decide against the majority only where it was right
  significantly more often on questions that were left out of it (`overrules`), in this night and in earlier ones.
- `adapted` compares how often the samples agree with how often they agreed on the calibrating questions. Where
  they agree less, the questions are harder for these models than those, and an agreement proves less: the log-odds of
  likely answers are scaled down. This covers questions of another difficulty and models of another strength. It does
  not cover samples that repeat one another's mistakes more often than on the calibrating questions: nothing in the
  votes shows that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.arrays import Floats, Mask
from tasks.voting.votes import Integers, Votes

FEATURES = (
    "constant", "reference", "programs", "worked", "agree", "against", "rival", "lead", "alone", "abstained", "critic",
    "unread",
)  # fmt: skip
# log-odds. A trusted answer is wrong in one of 100 questions; programs and worked solutions are right four times
# in five, a critic in 85 of 100 cases (ANCHORS' trained critic), so that each weighs the logarithm of its odds;
# every doubling of the votes for an answer weighs as much as one critic
_PRIOR = {
    "constant": 0.5, "reference": 4.6, "programs": 1.4, "worked": 1.0, "agree": 1.0, "against": -0.4, "rival": -0.6,
    "lead": 0.6, "alone": -0.3, "abstained": -0.4, "critic": 1.7, "unread": -6.0,
}  # fmt: skip
PRIOR_ROWS = 100  # labelled rows that the prior weighs: the samples of a question are not independent
MOST_ROWS = 1000  # the weight of all earlier nights together: models and questions change
ALTERNATIVES = 4  # wrong answers that samples choose among, in the model behind `adapted`
ADAPT_ROWS = 50  # rows with the agreement of the labelled rows that are added to a table's rows
SIGNIFICANT = 0.01  # chance that a fit that is no better than the majority may overrule it
_LEAST = 0.01  # log-odds at which the majority's side is taken where the weights say otherwise


def features(votes: Votes) -> Floats:
    """Return the features of n rows, (n, len(FEATURES)) float64, in the order of FEATURES."""
    read = votes.readable.astype(float)
    # two of two that agree while two more give no answer are half a lead
    answered = 1 + votes.agree + votes.against
    answering = read * answered / (answered + votes.abstained)
    columns = (
        np.ones(len(votes)),
        votes.reference,
        answering * _lead(votes.programs, votes.programs_against),
        answering * _lead(votes.worked, votes.worked_against),
        read * np.log1p(votes.agree),
        read * np.log1p(votes.against),
        read * np.log1p(votes.rival),
        read * np.sign(votes.agree + 1 - votes.rival) * (votes.agree + votes.against > 0),
        read * (votes.agree + votes.against == 0),
        read * np.log1p(votes.abstained),
        votes.critic,
        1 - read,
    )
    return np.column_stack(columns)


def _lead(same: Floats, other: Floats) -> Floats:
    """Return the share of the voters that agree minus the share that do not."""
    return (same - other) / np.maximum(same + other, 1)


@dataclass(frozen=True, slots=True)
class Calibration:
    """The weights of FEATURES and what the labelled rows behind them showed.

    rows: how many labelled rows the weights rest on; 0 for the prior. agreement: the share of the other samples that
    gave the same answer, averaged over the labelled rows; None where there were none. opposed, opposed_right: on how
    many labelled rows left out of a fit the weights decided against the majority of the samples, and on how many of
    them they were right. overrules: whether they may, which these two numbers decide. confidence: the factor in (0, 1]
    on the log-odds of likely answers.
    """

    weights: tuple[float, ...]
    rows: int = 0
    agreement: float | None = None
    opposed: int = 0
    opposed_right: int = 0
    overrules: bool = False
    confidence: float = 1.0

    def probability(self, votes: Votes) -> Floats:
        """Return the probability that each row's solution is right, (n,) in [0, 1].

        It is rounded to four digits: the order of a sum, which a processor chooses, must not show.
        """
        table = features(votes)
        weights = np.array(self.weights)
        outside = np.isin(FEATURES, ("reference", "critic"))  # these two votes do not come from the samples
        samples = table[:, ~outside] @ weights[~outside]
        if not self.overrules:
            leads = majority(votes)
            samples = np.where(leads, np.maximum(samples, _LEAST), np.minimum(samples, -_LEAST))
        samples = np.where(samples > 0, self.confidence * samples, samples)
        return np.round(_logistic(samples + table[:, outside] @ weights[outside]), 4)

    def adapted(self, votes: Votes) -> Calibration:
        """Return the calibration for rows on which the samples agree as they do in `votes`.

        Where they agree less than on the labelled rows, `confidence` becomes the mean of 1 and the ratio of what one
        more agreeing sample proves here to what it proved there. ADAPT_ROWS rows of the labelled rows' agreement are
        counted with `votes`, so that a small table changes little.
        """
        if self.agreement is None:
            return self
        shares = _agreement(votes)
        here = (shares.sum() + ADAPT_ROWS * self.agreement) / (len(shares) + ADAPT_ROWS)
        ratio = _evidence(here) / _evidence(self.agreement)
        return replace(self, confidence=round((1 + min(1.0, ratio)) / 2, 4))

    def to_dict(self) -> dict[str, Any]:
        """Return the calibration as it is stored in a version's lineage."""
        return asdict(self) | {"weights": dict(zip(FEATURES, self.weights, strict=True))}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Calibration:
        """Return the calibration that `to_dict` wrote; the prior where it is of other features, as an older version's
        may be."""
        weights = record.get("weights", {})
        if set(weights) != set(FEATURES):
            return prior()
        return cls(
            tuple(float(weights[name]) for name in FEATURES),
            int(record["rows"]),
            record.get("agreement"),
            int(record.get("opposed", 0)),
            int(record.get("opposed_right", 0)),
            bool(record.get("overrules", False)),
        )


def majority(votes: Votes) -> Mask:
    """Return the rows, (n,) bool, whose answer more samples give than any other answer; none of those that tie."""
    return np.asarray(votes.readable & (votes.agree + 1 > votes.rival), dtype=np.bool_)


def _agreement(votes: Votes) -> Floats:
    """Return the share of the question's other answers that are the row's, for rows with an answer and other answers."""
    others = votes.agree + votes.against
    counted = votes.readable & (others > 0)
    return np.asarray(votes.agree[counted] / others[counted])


def _evidence(agreement: float) -> float:
    """Return the log-odds that one more agreeing sample adds.

    Samples that are right with probability a, and otherwise give one of ALTERNATIVES wrong answers at random, agree with
    probability a^2 + (1 - a)^2 / ALTERNATIVES; the vote of one is then worth log(a ALTERNATIVES / (1 - a)).
    """
    k = ALTERNATIVES
    discriminant = max((1 + k) * agreement - 1, 0.0)
    accuracy = (1 + (k * discriminant) ** 0.5) / (1 + k)
    accuracy = min(max(accuracy, 1 / (1 + k) + 1e-3), 1 - 1e-3)
    return float(np.log(accuracy * k / (1 - accuracy)))


def prior() -> Calibration:
    """Return the calibration that is used as long as there is no row with a known truth."""
    return Calibration(tuple(_PRIOR[name] for name in FEATURES))


def fit(
    votes: Votes,
    truth: npt.ArrayLike,
    base: Calibration | None = None,
    fold: npt.ArrayLike | None = None,
) -> Calibration:
    """Return the calibration fitted to rows whose truth (n,) is known: the most likely weights given `base`, else the
    prior.

    `base` counts as PRIOR_ROWS rows and the rows that it was fitted on, so a night of few labelled rows moves it
    little. The vote of the trusted answer is hidden, because on such rows it is the truth, and keeps its weight. `fold` (n,)
    numbers the parts that are left out in turn to decide whether the weights may overrule the majority; rows of one question
    belong into one part. Without `fold` they may not. The result is deterministic: a convex problem, solved by L-BFGS to four
    digits.
    """
    labels = np.asarray(truth, dtype=np.float64)
    if labels.shape != (len(votes),) or not np.isin(labels, (0.0, 1.0)).all():
        raise ValueError(f"truth: expected {len(votes)} values of 0 or 1, got shape {labels.shape}")
    base = base or prior()
    if len(labels) == 0:
        return base
    shares = _agreement(votes)
    known = min(base.rows, MOST_ROWS)
    opposed, right = (0, 0) if fold is None else _opposed(votes, labels, np.asarray(fold), base)
    if base.rows:  # earlier nights fade as their weights do
        opposed += base.opposed * known // base.rows
        right += base.opposed_right * known // base.rows
    return Calibration(
        _weights(votes, labels, base),
        known + len(labels),
        round(float(shares.mean()), 4) if len(shares) else base.agreement,
        opposed,
        right,
        _significant(right, opposed),
    )


def _weights(votes: Votes, labels: Floats, base: Calibration) -> tuple[float, ...]:
    centre, known = np.array(base.weights), min(base.rows, MOST_ROWS)
    stiffness = (
        PRIOR_ROWS + known
    ) / 4  # of a logistic's likelihood, at most, for each row and unit of a feature
    table = features(replace(votes, reference=np.zeros(len(votes))))

    from scipy.optimize import minimize  # slow to import, and only the stage that fits needs it

    def loss(weights: Floats) -> tuple[float, Floats]:
        margin = table @ weights
        gap = weights - centre
        value = np.logaddexp(0, margin).sum() - labels @ margin + 0.5 * stiffness * gap @ gap
        return float(value), table.T @ (_logistic(margin) - labels) + stiffness * gap

    solution = minimize(loss, centre, jac=True, method="L-BFGS-B", options={"maxiter": 500, "gtol": 1e-7})
    return tuple(round(float(weight), 4) for weight in solution.x)


def _opposed(votes: Votes, labels: Floats, folds: Integers, base: Calibration) -> tuple[int, int]:
    """Return on how many rows left out of the fit the samples' weights decide against the majority, and on how many of
    them they are right."""
    hidden = replace(votes, reference=np.zeros(len(votes)), critic=np.zeros(len(votes)))
    decisions = np.zeros(len(votes), dtype=bool)
    for number in np.unique(folds):
        inside = folds == number
        weights = _weights(votes.take(~inside), labels[~inside], base)
        decisions[inside] = Calibration(weights, overrules=True).probability(hidden.take(inside)) >= 0.5
    differ = decisions != majority(votes)
    return int(differ.sum()), int((decisions == (labels == 1))[differ].sum())


def _significant(right: int, opposed: int) -> bool:
    """Return whether decisions against the majority are right more often than not: a one-sided sign test."""
    from scipy.stats import binomtest

    return opposed > 0 and float(binomtest(right, opposed, alternative="greater").pvalue) < SIGNIFICANT


def fit_and_check(
    votes: Votes, truth: npt.ArrayLike, fold: npt.ArrayLike, base: Calibration | None = None
) -> tuple[Calibration, Floats]:
    """Return the calibration fitted to all rows, and the probability (n,) that each row gets when its fold is left out.

    On the rows left out the decisions (probability of at least 1/2) are never worse than those of the majority of the
    samples: where they would be, the fit may not overrule the majority, and where that does not suffice the critic's
    vote counts for nothing.
    """
    labels, folds = np.asarray(truth, dtype=bool), np.asarray(fold)
    reached = float((majority(votes) == labels).mean()) if len(labels) else 0.0
    calibration = fit(votes, labels, base, folds)
    probability = held_out(votes, labels, folds, base)
    for limited in (_without_overruling, _without_critic):
        if not len(labels) or float(((probability >= 0.5) == labels).mean()) >= reached:
            break
        calibration = limited(calibration)
        probability = held_out(votes, labels, folds, base, limited)
    return calibration, probability


def held_out(
    votes: Votes,
    truth: npt.ArrayLike,
    fold: npt.ArrayLike,
    base: Calibration | None = None,
    limited: Callable[[Calibration], Calibration] = lambda calibration: calibration,
) -> Floats:
    """Return the probability (n,) that each row gets from a fit on the rows of all other folds. `fold`: a number for
    each row; rows of one question belong into one fold. `limited` is applied to each fit."""
    folds, labels = np.asarray(fold), np.asarray(truth)
    probability = np.zeros(len(votes))
    for number in np.unique(folds):
        inside = folds == number
        fitted = fit(votes.take(~inside), labels[~inside], base, folds[~inside])
        probability[inside] = limited(fitted).probability(votes.take(inside))
    return probability


def _without_overruling(calibration: Calibration) -> Calibration:
    return replace(calibration, overrules=False)


def _without_critic(calibration: Calibration) -> Calibration:
    place = FEATURES.index("critic")
    weights = (*calibration.weights[:place], 0.0, *calibration.weights[place + 1 :])
    return replace(calibration, weights=weights, overrules=False)


def _logistic(margin: Floats) -> Floats:
    result: Floats = np.exp(-np.logaddexp(0, -margin))
    return result


def disputed(votes: Votes, calibration: Calibration, sure: float = 0.95) -> Mask:
    """Return the rows, (n,) bool, that the critic must read: those of which the votes are not `sure` either way.

    At `sure` = 1 these are all rows with an answer and without a trusted answer; other rows are never disputed.
    """
    probability = calibration.probability(votes)
    decided = (probability > sure) | (probability < 1 - sure) | (votes.reference != 0) | ~votes.readable
    return np.asarray(~decided, dtype=np.bool_)
