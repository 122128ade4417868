"""Is a solution right? The votes on it, and what they are worth as a probability.

Voters: the trusted answer, the answers of programs, of worked solutions, the majority of all samples, a
critic. Their agreement with a row's answer makes a few features (`features`), and a logistic regression on
them, fitted on rows whose truth is known and refitted nightly, makes `correctness`. The weights are drawn towards
a prior instead of zero, so that a handful of labelled rows corrects the prior and none leaves it as it is.

Self-consistency: Wang et al. 2022, arXiv:2203.11171. Voters weighed by their reliability: Dawid and Skene
1979; the prior below is theirs for independent voters with the reliabilities stated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.optimize import minimize

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Votes:
    """One entry a row, all of length n. Absent voters are 0 and change nothing."""

    reference: Floats  # +1 equals the trusted answer, -1 differs, 0 none is known or it cannot be compared
    programs: Floats  # other programs' answers to the question: share that agrees less share that does not
    worked: Floats  # the same of worked solutions
    agree: Floats  # how many other samples of the question have the same answer
    against: Floats  # how many have another one
    rival: Floats  # how many of those stand behind one answer, at most
    critic: Floats  # +1 certain that it is right, -1 that it is wrong, 0 not asked
    readable: Mask  # the row has an answer

    def __len__(self) -> int:
        return len(self.readable)

    def take(self, rows: Mask | Integers) -> Votes:
        return Votes(*(getattr(self, field.name)[rows] for field in fields(self)))


def collect(
    question: npt.ArrayLike,
    answer: npt.ArrayLike,
    *,
    program: npt.ArrayLike | None = None,
    reference: npt.ArrayLike | None = None,
    critic: npt.ArrayLike | None = None,
) -> Votes:
    """The votes on n rows, from columns.

    question: the question of each row, any values (ids). answer: the class of each row's answer among its question's
    (tasks.answers.group), negative where it has none. program: whether the row is a program. reference: +1, -1
    or 0. critic: a score in [0, 1], nan where the critic was not asked.
    """
    _, questions = np.unique(np.asarray(question), return_inverse=True)
    classes = np.asarray(answer, dtype=np.int64)
    count = len(classes)
    readable = classes >= 0
    is_program = np.zeros(count, bool) if program is None else np.asarray(program, bool)
    width = int(classes.max(initial=0)) + 1
    cell = questions * width + np.maximum(classes, 0)
    cells = int(questions.max(initial=0) + 1) * width

    def tally(voters: Mask) -> tuple[Floats, Floats]:
        """Votes of others for the row's answer, and for any other answer."""
        counts = np.bincount(cell[voters & readable], minlength=cells).reshape(-1, width)
        itself = (voters & readable).astype(np.int64)
        same = np.where(readable, counts[questions, np.maximum(classes, 0)] - itself, 0)
        return same.astype(float), (counts.sum(axis=1)[questions] - itself - same).astype(float)

    agree, against = tally(np.ones(count, bool))
    boards = np.bincount(cell[readable], minlength=cells).reshape(-1, width)[questions]
    boards[np.arange(count)[readable], classes[readable]] = 0
    scores = np.full(count, np.nan) if critic is None else np.asarray(critic, dtype=np.float64)
    return Votes(
        reference=np.zeros(count) if reference is None else np.asarray(reference, dtype=np.float64),
        programs=_share(*tally(is_program)),
        worked=_share(*tally(~is_program)),
        agree=agree,
        against=against,
        rival=boards.max(axis=1, initial=0).astype(float),
        critic=np.nan_to_num(2 * scores - 1),
        readable=readable,
    )


def from_rows(rows: pa.Table, answer: npt.ArrayLike, critic: str = "answer") -> Votes:
    """The votes on a table of storage.rows.SCHEMA, after verification: the verdict `equivalent`, the score named
    `critic`, and the classes of the answers (see collect)."""
    equivalent = pc.map_lookup(rows.column("verdicts"), "equivalent", "first").to_numpy()
    scores = pc.map_lookup(rows.column("scores"), critic, "first")
    return collect(
        rows.column("problem_id").to_numpy(),
        answer,
        program=pc.equal(rows.column("solution_format"), "pot").fill_null(False).to_numpy(),
        reference=np.where(equivalent == "equal", 1.0, np.where(equivalent == "different", -1.0, 0.0)),
        critic=scores.cast(pa.float64()).fill_null(float("nan")).to_numpy(),
    )


def _share(agree: Floats, against: Floats) -> Floats:
    return (agree - against) / np.maximum(agree + against, 1)


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
PRIOR_ROWS = 25.0  # how many labelled rows the prior weighs


def features(votes: Votes) -> Floats:
    """(n, len(FEATURES)) float64, in the order of FEATURES; columns only."""
    read = votes.readable.astype(float)
    columns = (
        np.ones(len(votes)),
        votes.reference,
        read * votes.programs,
        read * votes.worked,
        read * np.log1p(votes.agree),
        read * np.log1p(votes.against),
        read * np.log1p(votes.rival),
        read * np.sign(votes.agree + 1 - votes.rival) * (votes.agree + votes.against > 0),
        read * (votes.agree + votes.against == 0),
        votes.critic,
        1 - read,
    )
    return np.column_stack(columns)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Weights of FEATURES, and how many labelled rows they were fitted on (0: the prior)."""

    weights: tuple[float, ...]
    rows: int = 0

    def probability(self, votes: Votes) -> Floats:
        """The probability that each row's solution is right, (n,) in (0, 1)."""
        return _logistic(features(votes) @ np.array(self.weights))

    def to_dict(self) -> dict[str, Any]:
        return {"weights": dict(zip(FEATURES, self.weights, strict=True)), "rows": self.rows}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Calibration:
        """The calibration that `to_dict` wrote; ValueError names what is missing or unknown."""
        weights = record.get("weights")
        if not isinstance(weights, Mapping) or set(weights) != set(FEATURES):
            odd = sorted(set(FEATURES) ^ set(weights or ()))
            raise ValueError(f"calibration: weights missing or unknown: {', '.join(odd)}; fit it again")
        return cls(tuple(float(weights[name]) for name in FEATURES), int(record.get("rows", 0)))


def prior() -> Calibration:
    """What the votes are taken to be worth before any row with a known truth has been seen."""
    return Calibration(tuple(_PRIOR[name] for name in FEATURES))


def fit(votes: Votes, truth: npt.ArrayLike, prior_rows: float = PRIOR_ROWS) -> Calibration:
    """Weights fitted to rows whose truth (n,) is known: the most likely ones given the prior.

    The reference vote is hidden, for on such rows it *is* the truth, and keeps its prior weight. Few rows move the
    prior little; none leave it. Deterministic (a convex problem, solved by L-BFGS).
    """
    labels = np.asarray(truth, dtype=np.float64)
    if labels.shape != (len(votes),) or not np.isin(labels, (0.0, 1.0)).all():
        raise ValueError(f"truth: expected {len(votes)} values of 0 or 1, got shape {labels.shape}")
    centre = np.array(prior().weights)
    if len(labels) == 0:
        return prior()
    table = features(replace(votes, reference=np.zeros(len(votes))))

    def loss(weights: Floats) -> tuple[float, Floats]:
        margin = table @ weights
        gap = weights - centre
        value = np.logaddexp(0, margin).sum() - labels @ margin + 0.5 * prior_rows / 4 * gap @ gap
        return float(value), table.T @ (_logistic(margin) - labels) + prior_rows / 4 * gap

    found = minimize(loss, centre, jac=True, method="L-BFGS-B", options={"maxiter": 500})
    return Calibration(tuple(float(weight) for weight in found.x), len(labels))


def _logistic(margin: Floats) -> Floats:
    result: Floats = np.exp(-np.logaddexp(0, -margin))
    return result


def disputed(
    votes: Votes, calibration: Calibration | None = None, tolerance: float = 0.05, quorum: int = 2
) -> Mask:
    """The rows that need the expensive judge, (n,) bool.

    With a calibration: where it is not sure, to within `tolerance`, either way. Without: where the votes
    disagree with each other, or fewer than `quorum` others have voted; a row whose answer everybody else has, or
    everybody else agrees against, is settled unless the critic says otherwise. A trusted answer settles a
    row, and so does having none.
    """
    if calibration is not None:
        probability = calibration.probability(votes)
        settled = (probability <= tolerance) | (probability >= 1 - tolerance)
    else:
        others = votes.agree + votes.against
        against_one = (votes.agree == 0) & (votes.rival == votes.against)
        side = np.where(votes.against == 0, 1.0, -1.0)
        unanimous = (others >= quorum) & ((votes.against == 0) | against_one)
        settled = unanimous & (votes.critic * side >= 0)
    return np.asarray(~(settled | (votes.reference != 0) | ~votes.readable), dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class Reliability:
    """A reliability diagram. `bins` holds (mean probability, share right, rows) of each bin that has rows;
    `ece` is the expected calibration error (Naeini et al. 2015), `accuracy` that of p >= 1/2."""

    bins: tuple[tuple[float, float, int], ...]
    ece: float
    accuracy: float


def reliability(probability: npt.ArrayLike, truth: npt.ArrayLike, bins: int = 10) -> Reliability:
    """Predicted against true, in `bins` bins of equal width."""
    p, right = np.asarray(probability, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if p.shape != right.shape or p.ndim != 1 or len(p) == 0:
        raise ValueError(
            f"reliability: needs rows, and as many truths as probabilities; got {p.shape}, {right.shape}"
        )
    place = np.minimum((p * bins).astype(np.int64), bins - 1)
    rows = np.bincount(place, minlength=bins)
    mean, share = (np.bincount(place, values, bins) / np.maximum(rows, 1) for values in (p, right))
    ece = float((rows * np.abs(mean - share)).sum() / len(p))
    filled = tuple((float(mean[i]), float(share[i]), int(rows[i])) for i in range(bins) if rows[i])
    return Reliability(filled, ece, float(((p >= 0.5) == (right == 1)).mean()))
