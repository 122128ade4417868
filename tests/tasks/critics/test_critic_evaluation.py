"""The measures of critics: against scikit-learn and against counts by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from tasks.answers import Judge
from tasks.arrays import Floats, Mask
from tasks.critics.baselines import (
    agreement_shares,
    answer_agreement,
    best_threshold,
    majority,
    majority_of_source,
    step_checker,
)
from tasks.critics.evaluation import (
    NOT_NAMED,
    NOTHING,
    Opinion,
    Truth,
    difference,
    draws_of,
    measure,
    naming_points,
    reliability,
    threshold_for,
)
from tasks.critics.labelled import PLANTED, LabelledSolution, grouped
from tasks.critics.report import as_words
from tasks.critics.step_checker import check


def solutions(count: int = 60) -> list[LabelledSolution]:
    rng = np.random.default_rng(3)
    right = rng.random(count) < 0.4
    return [
        LabelledSolution(
            f"What is {n // 2} plus {n // 2 + 1}?",
            ("a", "b", f"The answer is {n}."),
            bool(right[n]),
            first_error=None if right[n] else int(rng.integers(3)),
            source="even" if n % 4 < 2 else "odd",
            group=str(n // 2),
            strong=None if n % 3 else float(right[n]),
        )
        for n in range(count)
    ]


def opinion(truth: Truth, *, noise: float, name: str = "critic") -> Opinion:
    rng = np.random.default_rng(5)
    right = np.clip(truth.right * 0.8 + 0.1 + noise * rng.standard_normal(len(truth)), 0, 1).round(2)
    return Opinion(name, right, np.where(right >= 0.5, NOT_NAMED, truth.place))


def test_measures_equal_those_of_scikit_learn() -> None:
    truth = Truth.of(solutions())
    opinions = opinion(truth, noise=0.5)
    measured = measure(truth, opinions, resamples=50)
    value = {name: estimate.value for name, estimate in measured.estimates.items()}
    assert value["auroc"] == pytest.approx(roc_auc_score(truth.right, opinions.right))
    assert value["balanced_accuracy"] == pytest.approx(
        balanced_accuracy_score(truth.right, opinions.says_right)
    )
    assert value["accuracy"] == pytest.approx(float((opinions.says_right == truth.right).mean()))
    judged = ~np.isnan(truth.strong)
    assert value["agreement"] == pytest.approx(
        float((opinions.says_right == (truth.strong > 0.5))[judged].mean())
    )


def test_a_resample_weighs_whole_questions_and_its_auroc_is_the_weighted_one() -> None:
    truth = Truth.of(solutions())
    opinions = opinion(truth, noise=0.5)
    weights = draws_of(truth, 20, 0)
    assert (weights[0] == 1).all()
    for question in range(30):
        assert (np.ptp(weights[:, truth.groups == question], axis=1) == 0).all()
    measured = measure(truth, opinions, resamples=20, seed=0)
    for draw, row in zip(measured.draws["auroc"], weights, strict=True):
        assert draw == pytest.approx(roc_auc_score(truth.right, opinions.right, sample_weight=row))


def test_steps_are_counted_exactly_and_f1_is_the_harmonic_mean() -> None:
    labels = [(True, None), (True, None), (False, 0), (False, 2), (False, 1), (False, None)]
    listed = [
        LabelledSolution(f"q{n}", ("a", "b", "c"), right, place, source="s", group=str(n))
        for n, (right, place) in enumerate(labels)
    ]
    named = np.array([NOT_NAMED, 1, 0, 2, 2, 0])
    measured = measure(Truth.of(listed), Opinion("c", np.full(6, 0.5), named), resamples=10)
    assert measured.placed_wrong == 3  # the last one's place is unknown
    assert measured.estimates["first_error_found"].value == pytest.approx(2 / 3)
    assert measured.estimates["right_unblamed"].value == pytest.approx(1 / 2)
    assert measured.estimates["f1"].value == pytest.approx(2 * (2 / 3) * (1 / 2) / (2 / 3 + 1 / 2))


def test_calibration_error_is_that_of_the_bins() -> None:
    listed = [LabelledSolution(f"q{n}", ("a",), n < 3, group=str(n)) for n in range(8)]
    opinions = Opinion("c", np.array([0.95] * 4 + [0.05] * 4), np.full(8, NOT_NAMED))
    measured = measure(Truth.of(listed), opinions, resamples=10, only=("ece",))
    ece = measured.estimates["ece"]
    assert ece.value == pytest.approx((4 * abs(0.95 - 0.75) + 4 * 0.05) / 8)
    assert ece.low <= ece.value <= ece.high
    assert [(one.count, one.right) for one in reliability(Truth.of(listed), opinions)] == [
        (4, 0.0),
        (4, 0.75),
    ]


def test_one_class_has_no_area_and_no_balanced_accuracy() -> None:
    listed = [LabelledSolution(f"q{n}", ("a",), False, 0, source="s", group=str(n)) for n in range(4)]
    measured = measure(Truth.of(listed), majority(listed), resamples=10)
    record = measured.estimates["auroc"].record()
    assert record == {"value": None, "low": None, "high": None}
    assert measured.estimates["balanced_accuracy"].record()["value"] is None


def test_a_paired_difference_excludes_zero_only_where_there_is_one() -> None:
    truth = Truth.of(solutions(400))
    good, poor = opinion(truth, noise=0.3), opinion(truth, noise=1.5)
    one, other = measure(truth, good), measure(truth, poor)
    gain = difference(one, other, "balanced_accuracy")
    assert gain.low > 0
    assert gain.value == pytest.approx(
        one.estimates["balanced_accuracy"].value - other.estimates["balanced_accuracy"].value
    )
    same = difference(one, measure(truth, good), "balanced_accuracy")
    assert (same.low, same.value, same.high) == (0, 0, 0)


def test_the_threshold_accepts_as_many_as_its_precision_allows() -> None:
    right = np.array([0.9, 0.8, 0.8, 0.6, 0.4, 0.2])
    labels = np.array([True, True, False, True, False, True])
    chosen = threshold_for(right, labels, 0.75)
    assert (chosen.value, chosen.precision, chosen.accepted) == (0.6, 0.75, pytest.approx(4 / 6))
    # of the two with 0.8 one is wrong: a threshold cannot be between them
    assert threshold_for(right, labels, 0.99).value == 0.9
    assert threshold_for(right, ~labels, 0.99).value == NOTHING


def test_majorities_name_the_most_common_place_where_they_say_wrong() -> None:
    listed = [
        LabelledSolution("q1", ("a",), True, source="good"),
        LabelledSolution("q2", ("a",), False, 1, source="bad"),
        LabelledSolution("q3", ("a",), False, 1, source="bad"),
        LabelledSolution("q4", ("a",), False, 0, source="bad"),
    ]
    assert majority(listed).first_wrong.tolist() == [1, 1, 1, 1]
    assert majority_of_source(listed).first_wrong.tolist() == [NOT_NAMED, 1, 1, 1]
    assert majority_of_source(listed).right.tolist() == [1, 0, 0, 0]


def test_answer_agreement_counts_the_other_samples_only() -> None:
    def sample(question: str, answer: str, **fields: object) -> LabelledSolution:
        return LabelledSolution(question, ("Let us see.", f"The answer is {answer}."), True, **fields)  # type: ignore[arg-type]

    listed = grouped(
        [
            sample("What is a half of one?", "1/2"),
            sample("What is a half of one?", "0.5"),
            sample("What is a half of one?", "2"),
            sample("What is a half of one?", "7", by=PLANTED),
            sample("What is three?", "3"),
        ]
    )
    with Judge(1) as judge:
        shares = agreement_shares(listed, judge)
        more = agreement_shares(listed, judge, [sample("What is three?", "4")])
    assert shares[:4].tolist() == [0.5, 0.5, 0.0, 0.0]
    assert np.isnan(shares[4])
    assert more[4] == 0.0
    assert answer_agreement(listed, shares).right.tolist() == [0.5, 0.5, 0.0, 0.0, 0.25]


def test_the_step_checker_names_the_step_that_it_recomputes_to_be_wrong() -> None:
    steps = [("2+2 = 4", "4*3 = 12", "The answer is 12."), ("2+2 = 5", "5*3 = 15", "The answer is 15.")]
    listed = [
        LabelledSolution("What is (2+2)*3?", own, n == 0, None if n == 0 else 0)
        for n, own in enumerate(steps)
    ]
    opinions = step_checker(listed, [check(one.steps, question=one.question) for one in listed])
    assert opinions.first_wrong.tolist() == [NOT_NAMED, 0]
    assert opinions.says_right.tolist() == [True, False]


def test_the_best_threshold_is_between_the_classes() -> None:
    right = np.array([0.1, 0.2, 0.3, 0.9])
    assert best_threshold(right, np.array([False, False, True, True])) == pytest.approx(0.25)
    assert best_threshold(right, np.array([True, True, True, True])) == 0.5


def test_a_step_is_named_below_the_probability_with_the_best_f1() -> None:
    labels = np.array([True, True, True, False, False, False, False, False])
    right = np.array([0.9, 0.8, 0.35, 0.6, 0.5, 0.3, 0.2, 0.1])
    located = np.array([False, False, False, True, True, False, True, True])
    everywhere = np.ones(8, bool)
    best = naming_points(right, labels, located, everywhere)[0]
    assert best.value == pytest.approx(0.7)  # 4 of 5 wrong ones are found, 2 of 3 right ones are not blamed
    assert (best.first_error_found, best.right_unblamed) == (pytest.approx(0.8), pytest.approx(2 / 3))

    def f1(at: float) -> float:
        named, unblamed = (located & ~labels & (right < at)).sum() / 5, (labels & (right >= at)).sum() / 3
        return 2 * named * unblamed / (named + unblamed) if named + unblamed else 0.0

    assert best.f1 == pytest.approx(f1(best.value))
    assert f1(best.value) == max(f1(at) for at in np.linspace(0, 1, 101))
    without_late = labels | (right < 0.4)
    lowest = naming_points(right, labels, located, without_late)[0]
    assert lowest.value == pytest.approx(0.25)  # the lowest of two that are equally good
    assert naming_points(right, labels, located, labels) == []
    assert naming_points(right, labels, located, ~labels) == []


def test_giving_up_f1_names_more_and_never_gives_up_more_than_stated() -> None:
    rng = np.random.default_rng(3)
    labels = rng.random(400) < 0.4
    right = np.clip(0.25 * labels + rng.random(400) * 0.75, 0, 1)
    located = ~labels & (rng.random(400) < 0.6)
    limits = (0.0, 0.01, 0.05, 1.0)
    points = naming_points(right, labels, located, np.ones(400, bool), limits)
    assert [one.given_up for one in points] == list(limits)
    for one, limit in zip(points, limits, strict=True):
        assert points[0].f1 - one.f1 <= limit
    named = [one.first_error_found for one in points]
    assert named == sorted(named)
    assert named[0] < named[2]
    assert named[-1] == pytest.approx(located.sum() / (~labels).sum())  # every step is named


def test_one_standard_error_is_what_f1_spreads_by() -> None:
    rng = np.random.default_rng(4)
    right_kept, wrong_named = 0.85, 0.55
    labels = np.r_[np.ones(400, bool), np.zeros(500, bool)]

    def drawn() -> tuple[Floats, Mask]:
        """Solutions of which a threshold keeps or names these shares on average; what is not named is not located either."""
        unnamed = np.where(labels, rng.random(900) < right_kept, rng.random(900) >= wrong_named)
        return unnamed.astype(float), ~labels & ~unnamed

    points = [
        naming_points(*pair[:1], labels, pair[1], np.ones(900, bool), (0.0, None))
        for pair in (drawn() for _ in range(400))
    ]
    spread = np.std([highest.f1 for highest, _ in points])
    errors = [within.given_up for _, within in points]
    assert np.mean(errors) == pytest.approx(spread, rel=0.15)
    assert all(within.standard_error and not highest.standard_error for highest, within in points)
    assert all(highest.f1 - within.f1 <= within.given_up for highest, within in points)


def test_the_standard_error_of_solutions_that_are_all_in_order_is_0() -> None:
    labels = np.r_[np.ones(5, bool), np.zeros(5, bool)]
    highest, within = naming_points(labels.astype(float), labels, ~labels, np.ones(10, bool), (0.0, None))
    assert within.given_up == 0
    assert within.value == highest.value


def test_what_was_read_is_written_as_the_words_of_the_command() -> None:
    data = [
        {"file": "a.jsonl", "sha256": ""},
        {"file": "b.jsonl", "sha256": "", "option": "--sample"},
        {"file": "math-sft@2026.11.20", "sha256": "", "option": "--version"},
    ]
    assert as_words(data) == ["a.jsonl", "--sample", "b.jsonl", "--version", "math-sft@2026.11.20"]
