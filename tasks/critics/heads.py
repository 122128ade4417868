"""The heads of trained critics: from the signals of a kind to the probability that a solution is right.

The head TEXT reads question and solution only. It is logistic. Where a kind gives a context and there are enough calibrating solutions, boosted
trees read more of a solution beside it (how hazards and features are spread over its steps, what its text is like); the log odds of both are added
and scaled by trees that were not trained on the question, so the probability stays calibrated. The head SAMPLES adds the share of the other samples
of the question that end in the same answer; a solution without other samples has the probability of TEXT.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.arrays import Floats, Mask
from tasks.critics.hazards import LEAST, MOST, probability
from tasks.critics.kinds import Signals
from tasks.critics.trees import Trees, train_trees
from tasks.seeding import seed_of

TEXT, SAMPLES, SCALING, NAMING = (
    "head",
    "head_with_samples",
    "scaling",
    "naming",
)  # the names of their arrays
BOOSTED, FOLDS = (
    3,
    4,
)  # boosted trees with different seeds, whose mean counts; parts of the calibrating questions
FEWEST_BOOSTING = 150  # solutions of each label that train boosted trees
FEWEST_NAMED = 30  # solutions of each kind that the head NAMING is fitted to; with fewer there is none
HIGHEST = 3  # hazards that it reads, the highest first
FEWEST_SAMPLED = 20  # solutions of each label with other samples that the head SAMPLES is fitted to; else it is fitted to all

HeadArrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class FittedHead:
    """The arrays of the head TEXT, and its probabilities of the calibrating solutions, each by trees that were not trained on its question."""

    arrays: dict[str, npt.NDArray[Any]]
    right: Floats


def alone(arrays: HeadArrays, signals: Signals) -> Floats:
    """Return the probability of being right by question and solution, float64 (n,)."""
    odds = _odds(arrays, TEXT, signals.inputs)
    if f"{SCALING}.weights" not in arrays or not len(odds):
        return probability(odds)
    assert signals.context is not None
    for number in range(BOOSTED):
        trees = Trees.from_arrays(
            {name: arrays[f"boosted{number}.{name}"] for name in Trees.__dataclass_fields__}
        )
        odds = odds + trees.log_odds(signals.context) / BOOSTED
    return probability(odds * arrays[f"{SCALING}.weights"][0] + arrays[f"{SCALING}.bias"][0])


def with_samples(arrays: HeadArrays, inputs: Floats, shares: Floats, without: Floats) -> Floats:
    """Return the probability of being right that reads besides how many of the other samples agree (n,), NaN where there are none: there it
    is that of `without`."""
    right = probability(_odds(arrays, SAMPLES, np.hstack([inputs, _agreement(shares)])))
    return np.asarray(np.where(np.isnan(shares), without, right))


def fit(signals: Signals, labels: Mask, groups: Sequence[str], seed: int) -> FittedHead:
    """Fit the head TEXT to calibrating solutions. `groups`: of their questions, which stay together when the trees are fitted to parts."""
    from sklearn.linear_model import LogisticRegression

    arrays = _fitted(TEXT, signals.inputs, labels)
    odds, context = _odds(arrays, TEXT, signals.inputs), signals.context
    folds = np.array([seed_of(seed, "fold", group) % FOLDS for group in groups])
    parts = [labels[folds != fold] for fold in range(FOLDS)]
    if context is None or any(min(one.sum(), (~one).sum()) < FEWEST_BOOSTING for one in parts):
        return FittedHead(arrays, probability(odds))
    unseen = odds.copy()
    for number in range(BOOSTED):
        for fold in range(FOLDS):
            inside = folds == fold
            if inside.any():
                trees = _boosted(context[~inside], labels[~inside], seed_of(seed, "boosted", number))
                unseen[inside] += trees.log_odds(context[inside]) / BOOSTED
        whole = _boosted(context, labels, seed_of(seed, "boosted", number))
        arrays |= {f"boosted{number}.{name}": values for name, values in whole.arrays().items()}
    scaling = LogisticRegression(C=1e6, max_iter=2000).fit(unseen[:, None], labels)
    arrays |= {f"{SCALING}.weights": scaling.coef_[0], f"{SCALING}.bias": scaling.intercept_}
    return FittedHead(arrays, probability(unseen * scaling.coef_[0][0] + scaling.intercept_[0]))


def fit_with_samples(inputs: Floats, shares: Floats, labels: Mask) -> dict[str, npt.NDArray[Any]]:
    """Fit the head SAMPLES to the calibrating solutions that have other samples, to all where these are too few."""
    there = ~np.isnan(shares)
    enough = min(labels[there].sum(), (~labels[there]).sum()) >= FEWEST_SAMPLED
    rows = there if enough else np.ones(len(labels), bool)
    return _fitted(SAMPLES, np.hstack([inputs, _agreement(shares)])[rows], labels[rows])


def fit_naming(
    signals: Signals, right: Floats, labels: Mask, hit: Mask, placed: Mask
) -> dict[str, npt.NDArray[Any]]:
    """Fit the head NAMING: it tells right solutions from wrong ones whose likeliest step is the first wrong one (`hit`), among those of
    `placed`, whose places are known. Naming the step of a wrong solution gains nothing where it is another step.

    Of all ways to name as many first wrong steps, the order by the ratio of these two probabilities blames the fewest right solutions (Neyman
    and Pearson 1933). Returns no arrays where there are too few solutions, or the kind does not say how sure it is of the place.
    """
    chosen = placed & (labels | hit)
    if signals.located is None or min((chosen & labels).sum(), (chosen & ~labels).sum()) < FEWEST_NAMED:
        return {}
    return _fitted(NAMING, _naming_inputs(signals, right)[chosen], labels[chosen])


def blameless(arrays: HeadArrays, signals: Signals, right: Floats) -> Floats:
    """Return how little speaks for naming a step, from 0 to 1, float64 (n,): by the head NAMING, or else the probability of being right."""
    if f"{NAMING}.weights" not in arrays or not len(right):
        return right
    return probability(_odds(arrays, NAMING, _naming_inputs(signals, right)))


def _naming_inputs(signals: Signals, right: Floats) -> Floats:
    """Return the log odds of being right and of the place, the highest hazards, and how many steps there are, float64 (n, 3 + HIGHEST)."""
    assert signals.located is not None
    assert signals.steps is not None
    highest = np.zeros((len(right), HIGHEST))
    for row, scores in enumerate(signals.steps):
        top = np.sort(1 - scores)[::-1][:HIGHEST]
        highest[row, : len(top)] = top
    sides = (np.clip(one, LEAST, MOST) for one in (right, signals.located))
    odds = [np.log(one / (1 - one)) for one in sides]
    return np.column_stack([*odds, highest, [len(one) for one in signals.steps]])


def _boosted(rows: Floats, labels: Mask, seed: int) -> Trees:
    weights = np.ones(len(labels))
    return train_trees(
        rows, labels.astype(np.int64), weights, seed=seed, rounds=80, rate=0.06, leaves=8, least=20
    )


def _agreement(shares: Floats) -> Floats:
    """Return what is read of the other samples, float64 (solutions, 3): whether there are any, and how many agree."""
    there = ~np.isnan(shares)
    known = np.where(there, shares, 0.5)
    return np.column_stack([there, known, (known - 0.5) ** 2 * there]).astype(np.float64)


def _odds(arrays: HeadArrays, head: str, inputs: Floats) -> Floats:
    scaled = np.clip((inputs - arrays[f"{head}.mean"]) / arrays[f"{head}.scale"], -5, 5)
    return np.asarray(scaled @ arrays[f"{head}.weights"] + arrays[f"{head}.bias"][0])


def _fitted(name: str, inputs: Floats, labels: Mask) -> dict[str, npt.NDArray[Any]]:
    """Return a logistic head as arrays."""
    from sklearn.linear_model import LogisticRegression

    mean, scale = inputs.mean(0), np.maximum(inputs.std(0), 1e-3)
    scaled = np.clip((inputs - mean) / scale, -5, 5)
    model = LogisticRegression(C=0.3, max_iter=2000).fit(scaled, labels)
    parts = {"mean": mean, "scale": scale, "weights": model.coef_[0], "bias": model.intercept_}
    return {f"{name}.{part}": values for part, values in parts.items()}
