"""The classifier of mathematics: what it recalls, that it is deterministic, and how it is stored."""

from __future__ import annotations

import random

import numpy as np
import pytest

from tasks.documents.web.recall import Classifier, RecallSettings, Sample, TooFewTexts, sampled, trained

NOUNS = ["equation", "triangle", "matrix", "integral", "polynomial", "theorem", "sequence", "function"]
OTHERS = ["recipe", "football", "holiday", "election", "garden", "phone", "movie", "weather"]


def mathematics(rng: random.Random) -> str:
    a, b = rng.randint(2, 99), rng.randint(2, 99)
    return (
        f"Let x be the root of the {rng.choice(NOUNS)} \\({a}x + {b} = {a * b}\\). We prove that the {rng.choice(NOUNS)} has "
        f"a solution, hence \\frac{{{a}}}{{{b}}} is rational."
    )


def everyday(rng: random.Random) -> str:
    return (
        f"The best {rng.choice(OTHERS)} of the year was shown on {rng.choice(OTHERS)} day, with {rng.randint(2, 99)} photos "
        f"of a {rng.choice(OTHERS)} and the people who like it."
    )


def samples(count: int, share: float, seed: int, host: str = "") -> list[Sample]:
    rng = random.Random(seed)
    texts = [mathematics(rng) if n < share * count else everyday(rng) for n in range(count)]
    return sampled(((text, host) for text in texts), count)


def test_mathematics_is_recalled_and_other_pages_are_not() -> None:
    classifier, report = trained(samples(300, 1, 1), samples(600, 0, 2), RecallSettings(rounds=1))
    rng = random.Random(3)
    assert (classifier.scores([mathematics(rng) for _ in range(100)]) >= classifier.threshold).mean() > 0.85
    assert (classifier.scores([everyday(rng) for _ in range(100)]) >= classifier.threshold).mean() < 0.05
    assert report.recall >= 0.95
    assert report.precision > 0.95
    assert report.held_out_positives > 20


def test_the_threshold_follows_the_stated_recall() -> None:
    positives, negatives = samples(400, 1, 1), samples(400, 0, 2)
    thresholds = []
    for recall in (0.5, 0.9, 1.0):
        _, report = trained(positives, negatives, RecallSettings(recall=recall))
        assert recall <= report.recall < recall + 0.05
        thresholds.append(report.threshold)
    assert thresholds == sorted(thresholds, reverse=True)


def test_the_order_of_the_texts_changes_nothing() -> None:
    positives, negatives = samples(200, 1, 1), samples(300, 0.1, 2)
    first, report = trained(positives, negatives, RecallSettings(rounds=2))
    random.Random(0).shuffle(positives)
    random.Random(1).shuffle(negatives)
    again, other = trained(positives, negatives, RecallSettings(rounds=2))
    assert first.to_bytes() == again.to_bytes()
    assert report == other


def test_a_stored_classifier_scores_alike() -> None:
    classifier, _ = trained(samples(100, 1, 1), samples(100, 0, 2), RecallSettings())
    stored = Classifier.from_bytes(classifier.to_bytes())
    texts = [one.text for one in samples(50, 0.5, 3)]
    np.testing.assert_array_equal(stored.scores(texts), classifier.scores(texts))
    assert stored.threshold == classifier.threshold
    with pytest.raises((ValueError, KeyError)):
        Classifier.from_bytes(b"\x80\x04\x95 a pickle")


def test_a_further_round_leaves_recalled_pages_and_their_hosts_out_of_the_negatives() -> None:
    mixed = samples(300, 0.3, 2, "forum.org") + samples(300, 0, 4, "news.org")
    _, one = trained(samples(300, 1, 1), mixed, RecallSettings(rounds=1))
    _, two = trained(samples(300, 1, 1), mixed, RecallSettings(rounds=2))
    assert one.rounds == (len(mixed),)
    assert two.rounds[1] <= 300  # all that is left is of news.org
    assert two.precision > one.precision


def test_too_few_texts_are_an_error() -> None:
    with pytest.raises(TooFewTexts, match=r"5 positives.*Fix: "):
        trained(samples(5, 1, 1), samples(50, 0, 2), RecallSettings())
    positives = samples(50, 1, 1)
    with pytest.raises(TooFewTexts, match=r"0 pages beside them.*Fix: "):
        trained(positives, positives, RecallSettings())


def test_a_draw_takes_each_text_once_and_not_by_order() -> None:
    texts = [(f"text {n}", "") for n in range(1000)]
    drawn = sampled([*texts, *texts], 10)
    assert len({one.text for one in drawn}) == 10
    assert sampled(reversed(texts), 10) == drawn
