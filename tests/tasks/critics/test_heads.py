"""The heads of trained critics: what boosted trees add, that their probabilities are those of unseen questions, and solutions without samples."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from tasks.critics import heads
from tasks.critics.kinds import Signals

COUNT = 900


def signals(seed: int = 0) -> tuple[Signals, npt.NDArray[np.bool_], list[str]]:
    """Signals of which the input says little and the context, not linearly, almost all."""
    rng = np.random.default_rng(seed)
    context = rng.standard_normal((COUNT, 4))
    labels = (context[:, 0] * context[:, 1] > 0) ^ (rng.random(COUNT) < 0.05)
    inputs = (labels * 0.5 + rng.standard_normal(COUNT))[:, None]
    places = np.full(COUNT, -1)
    return Signals(inputs, places, context=context), labels, [f"question {n // 3}" for n in range(COUNT)]


@pytest.mark.slow
def test_boosted_trees_read_what_the_logistic_head_cannot() -> None:
    given, labels, groups = signals()
    fitted = heads.fit(given, labels, groups, seed=1)
    other, truth, _ = signals(seed=5)
    right = heads.alone(fitted.arrays, other)
    assert len(heads.alone(fitted.arrays, Signals(other.inputs[:0], other.places[:0]))) == 0
    assert ((right >= 0.5) == truth).mean() > 0.85
    plain = heads.fit(Signals(given.inputs, given.places), labels, groups, seed=1)
    assert ((heads.alone(plain.arrays, other) >= 0.5) == truth).mean() < 0.75
    # the probabilities that thresholds are chosen by are those of unseen questions
    assert abs(float(fitted.right[labels].mean()) - float(right[truth].mean())) < 0.05
    again = heads.fit(given, labels, groups, seed=1)
    assert (again.right == fitted.right).all()


def test_few_solutions_boost_nothing() -> None:
    given, labels, groups = signals()
    assert given.context is not None
    few = Signals(given.inputs[:200], given.places[:200], context=given.context[:200])
    fitted = heads.fit(few, labels[:200], groups[:200], seed=1)
    assert not any(name.startswith("boosted") for name in fitted.arrays)
    assert (heads.alone(fitted.arrays, few) == fitted.right).all()


def test_a_solution_without_other_samples_has_the_probability_of_its_text() -> None:
    given, labels, groups = signals()
    plain = Signals(given.inputs, given.places)
    fitted = heads.fit(plain, labels, groups, seed=1)
    shares = np.where(np.arange(COUNT) % 2, np.nan, np.where(labels, 0.9, 0.1))
    arrays = fitted.arrays | heads.fit_with_samples(given.inputs, shares, labels)
    right = heads.with_samples(arrays, given.inputs, shares, fitted.right)
    assert (right[1::2] == fitted.right[1::2]).all()
    assert ((right >= 0.5) == labels)[::2].mean() > 0.95


def test_a_step_is_named_where_the_place_is_sure_and_the_solution_is_likely_to_be_wrong() -> None:
    rng = np.random.default_rng(1)
    labels = rng.random(COUNT) < 0.5
    right = np.clip(np.where(labels, 0.6, 0.4) + 0.2 * rng.standard_normal(COUNT), 0.01, 0.99)
    located = np.where(rng.random(COUNT) < 0.5, 0.95, 0.05)
    hit = rng.random(COUNT) < located
    steps = [np.array([1 - one / 2, 0.9, 0.9]) for one in located]
    given = Signals(right[:, None], np.zeros(COUNT, np.int64), steps, located=located)
    everything = np.ones(COUNT, bool)
    arrays = heads.fit_naming(given, right, labels, hit & ~labels, everything)
    unblamed = heads.blameless(arrays, given, right)

    def named(score: npt.NDArray[np.float64]) -> float:
        """The share of the wrong solutions whose place is named where one in ten right ones is blamed."""
        below = score < np.quantile(score[labels], 0.1)
        return float((below & hit)[~labels].mean())

    assert named(unblamed) > named(right) + 0.05
    assert heads.fit_naming(Signals(given.inputs, given.places), right, labels, hit, everything) == {}
    assert (heads.blameless({}, given, right) == right).all()
    assert heads.fit_naming(given, right, labels, hit & ~labels, np.zeros(COUNT, bool)) == {}
