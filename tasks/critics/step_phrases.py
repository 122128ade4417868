"""What the wording of a step says: how runs of one to three words and signs go together with first errors.

Two logistic models read a step's own words, with numbers masked: the hazard of the step, and whether it is the first wrong one of a solution
that is wrong. They learn how errors are worded ("mistakenly", "without a doubt", a claim where others calculate), which vectors of sentences
blur. Runs are hashed, so that a model is one array.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tasks.arrays import Floats
from tasks.critics.labelled import LabelledSolution
from tasks.critics.step_features import FORM
from tasks.seeding import seed_of

PHRASES: Final = (
    "worded_hazard", "worded_hazard_above_others", "worded_hazard_rank", "worded_first", "worded_first_below_most", "worded_first_rank",
)  # fmt: skip
BUCKETS: Final = 2**16  # of hashed runs
LONGEST: Final = 1_500  # characters of a step that are read
FOLDS: Final = 3
FEWEST: Final = (
    40  # solutions with a placed error that the models learn from; fewer teach only their own words
)
_TOKEN: Final = r"[\u4e00-\u9fff]|[^\W\d_\u4e00-\u9fff]+|\d|[^\w\s]"
_DIGITS: Final = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class StepPhrases:
    """The two models: `weights` (2, BUCKETS) of the hazard and of the first error, `bias` (2,)."""

    weights: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]

    def columns(self, steps: Sequence[str]) -> Floats:
        """Return the columns PHRASES of the steps of one solution, float64 (steps, len(PHRASES))."""
        return columns_of(np.asarray(hashed(steps) @ self.weights.T + self.bias, np.float64))


NO_PHRASES: Final = StepPhrases(np.zeros((2, BUCKETS), np.float32), np.zeros(2, np.float32))


def hashed(steps: Sequence[str]) -> Any:
    """Return the hashed runs of words of each step, a sparse matrix (steps, BUCKETS) with rows of length 1."""
    from sklearn.feature_extraction.text import HashingVectorizer

    reader = HashingVectorizer(
        n_features=BUCKETS, ngram_range=(1, 3), token_pattern=_TOKEN, alternate_sign=False, norm="l2"
    )
    return reader.transform([_DIGITS.sub("0", FORM.sub("", step[:LONGEST]).lower()) for step in steps])


def columns_of(odds: Floats) -> Floats:
    """Return the columns PHRASES by the log odds of the two models (steps, 2)."""
    hazard, first = odds[:, 0], odds[:, 1]
    others = (hazard.sum() - hazard) / max(1, len(hazard) - 1)
    return np.column_stack(
        [hazard, hazard - others, _ranks(hazard), first, first - first.max(initial=-50.0), _ranks(first)]
    )


def fit_phrases(solutions: Sequence[LabelledSolution], seed: int) -> tuple[StepPhrases, list[Floats]]:
    """Return the models, and the columns of each solution by models that were not trained on its question: what they say of solutions that
    they know would teach the trees to trust them too much."""
    tables = [hashed(one.steps) for one in solutions]
    folds = np.array([seed_of(seed, "phrases", one.group or one.id) % FOLDS for one in solutions])
    columns: list[Floats] = [np.zeros((len(one.steps), len(PHRASES))) for one in solutions]
    for fold in range(FOLDS):
        inside = np.flatnonzero(folds == fold).tolist()
        known = np.flatnonzero(folds != fold).tolist()
        model = _fitted([solutions[row] for row in known], [tables[row] for row in known])
        for row in inside:
            odds = tables[row] @ model.weights.T + model.bias
            columns[row] = columns_of(np.asarray(odds, np.float64))
    return _fitted(solutions, tables), columns


def _fitted(solutions: Sequence[LabelledSolution], tables: Sequence[Any]) -> StepPhrases:
    """Return the models of solutions with their hashed steps; those that say nothing where too few places are known."""
    from scipy.sparse import vstack
    from sklearn.linear_model import LogisticRegression

    placed = [row for row, one in enumerate(solutions) if one.first_error is not None]
    if len(placed) < FEWEST:
        return NO_PHRASES
    right = [row for row, one in enumerate(solutions) if one.correct]
    weights, bias = np.zeros((2, BUCKETS), np.float32), np.zeros(2, np.float32)
    for number, rows in enumerate(([*right, *placed], placed)):
        parts, labels = [], []
        for row in rows:
            place = solutions[row].first_error
            count = tables[row].shape[0] if number or place is None else place + 1
            parts.append(tables[row][:count])
            labels.append(np.arange(count) == (-1 if place is None else place))
        model = LogisticRegression(C=2.0, max_iter=60, solver="liblinear", random_state=0)
        model.fit(vstack(parts), np.concatenate(labels))
        weights[number], bias[number] = model.coef_[0], model.intercept_[0]
    return StepPhrases(weights, bias)


def _ranks(values: Floats) -> Floats:
    """Return the rank of each value from 0, the highest first."""
    return np.asarray(np.argsort(np.argsort(-values, kind="stable"), kind="stable"), np.float64)


def stored(phrases: StepPhrases) -> Mapping[str, npt.NDArray[Any]]:
    return {"phrases.weights": phrases.weights, "phrases.bias": phrases.bias}
