"""The stopping rule: what it decides, in how many rounds it asks, and that the stated error holds."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.voting import Calibration, StoppingRule, collect, fit, prior, reliability

# (answer, program) of the samples of a question; -1: no answer
Samples = list[tuple[int, bool]]


def undecided(*questions: Samples, rule: StoppingRule, left: int, **more: list[float]) -> list[bool]:
    place = [i for i, samples in enumerate(questions) for _ in samples]
    answers = [answer for samples in questions for answer, _ in samples]
    programs = [program for samples in questions for _, program in samples]
    votes = collect(place, answers, program=programs, **more)
    decisions: list[bool] = rule.undecided(votes, place, len(questions), left).tolist()
    return decisions


def rule(error: float = 0.05, rows: int = 2, agree: int = 2) -> StoppingRule:
    return StoppingRule(error, rows, agree, prior())


BOTH_AGREE: Samples = [(0, False), (0, True)]


def test_agreement_in_both_formats_is_enough_and_disagreement_is_not() -> None:
    assert undecided(
        BOTH_AGREE, [(0, False), (1, True)], [(0, False), (-1, True)], [], rule=rule(), left=2
    ) == [False, True, True, True]


def test_a_smaller_error_asks_for_more() -> None:
    two_words: Samples = [(0, False), (0, False)]
    assert undecided(BOTH_AGREE, two_words, rule=rule(0.2), left=2) == [False, False]
    assert undecided(BOTH_AGREE, two_words, rule=rule(0.001), left=2) == [True, True]


def test_nothing_is_asked_that_is_not_left() -> None:
    assert undecided([(0, False), (1, True)], rule=rule(), left=0) == [False]


def test_a_question_that_no_answer_can_win_any_more_is_given_up() -> None:
    apart: Samples = [(0, False), (1, True), (2, False), (3, True)]
    assert undecided(apart, rule=rule(agree=3, rows=3), left=1) == [False]
    assert undecided(apart, rule=rule(agree=3, rows=3), left=2) == [True]
    nothing: Samples = [(-1, False)] * 3
    assert undecided(nothing, [], rule=rule(), left=1) == [False, False]


def test_a_question_is_given_up_when_no_answer_can_become_likely_enough() -> None:
    apart: Samples = [(0, False), (1, False), (2, False)]
    three_of_four: Samples = [(0, False), (0, False), (1, False)]
    unread: Samples = [(-1, False), (-1, False), (-1, False)]

    def left_open(least: float, *, critic: bool) -> list[bool]:
        strict = StoppingRule(0.001, 2, 2, prior(), least, critic)
        return undecided(apart, three_of_four, unread, rule=strict, left=1)

    assert left_open(0.7, critic=False) == [False, True, False]
    assert left_open(0.7, critic=True) == [True, True, False]  # the critic may still speak for an answer
    assert left_open(0.0, critic=False) == [True, True, False]
    trusted = undecided(
        apart, rule=StoppingRule(0.001, 2, 2, prior(), 0.7, False), left=1, reference=[1.0, -1.0, -1.0]
    )
    assert trusted == [True]


def test_an_answer_that_no_further_sample_can_make_unlikely_is_decided() -> None:
    three: Samples = [(0, False)] * 3
    two_of_three: Samples = [(0, False), (0, False), (1, False)]

    def left_open(least: float, agree: int = 2) -> list[bool]:
        strict = StoppingRule(0.0001, 2, agree, prior(), least, critic=False)
        return undecided(three, two_of_three, rule=strict, left=1)

    assert left_open(0.7) == [False, True]
    assert left_open(0.0) == [True, True]  # where every sample counts, those of known questions
    assert left_open(0.7, agree=4) == [True, False]


@pytest.mark.parametrize("seed", [7, 8])
def test_deciding_early_never_accepts_what_all_samples_would_not(seed: int) -> None:
    """Whatever the last samples are, without a critic: a row that decided its question is likely enough at the end."""
    rng = np.random.default_rng(seed)
    samples, least = 6, 0.7
    answers = rng.choice([-1, 0, 1, 2], (3000, samples), p=[0.1, 0.7, 0.1, 0.1])
    calibration = _calibrated(np.random.default_rng(seed), 4)
    rule_ = StoppingRule(0.001, 2, 2, calibration, least, critic=False)
    programs = np.arange(samples) % 2 == 1
    final_place = np.repeat(np.arange(len(answers)), samples)
    final = collect(final_place, answers.ravel(), program=np.tile(programs, len(answers)))
    kept = (calibration.probability(final) >= least) & (final.agree + 1 >= 2) & final.readable
    decided = 0
    for seen in range(2, samples):
        place = np.repeat(np.arange(len(answers)), seen)
        votes = collect(place, answers[:, :seen].ravel(), program=np.tile(programs[:seen], len(answers)))
        left = samples - seen
        stopped = ~rule_.undecided(votes, place, len(answers), left, int(programs[seen:].sum()))
        leading = votes.readable & (votes.agree + 1 >= 2) & (calibration.probability(votes) >= least)
        rows = np.flatnonzero(stopped[place] & leading)
        decided += len(rows)
        of_final = place[rows] * samples + rows % seen
        assert kept[of_final].all()
    assert decided > 1000


@pytest.mark.parametrize(("critic", "least"), [(False, 0.7), (True, 0.97)])
def test_giving_up_never_loses_an_acceptable_answer(critic: bool, least: float) -> None:
    """Whatever the last samples and the critic say, a question that was given up has no row that would be kept."""
    rng = np.random.default_rng(3)
    samples = 6
    answers = rng.integers(-1, 7, (3000, samples))
    rule_ = StoppingRule(0.01, 2, 2, _calibrated(np.random.default_rng(7), 4), least, critic)
    programs = np.arange(samples) % 2 == 1
    given_up = 0
    for seen in range(2, samples):
        place = np.repeat(np.arange(len(answers)), seen)
        votes = collect(place, answers[:, :seen].ravel(), program=np.tile(programs[:seen], len(answers)))
        stopped = ~rule_.undecided(votes, place, len(answers), samples - seen, int(programs[seen:].sum()))
        likely = rule_.calibration.probability(votes) >= 1 - rule_.error
        accepted = votes.readable & (votes.agree + 1 >= 2) & (rule_.calibration.probability(votes) >= least)
        stopped[place[likely | accepted]] = False  # decided, not given up
        final_place = np.repeat(np.arange(len(answers)), samples)
        final = collect(
            final_place,
            answers.ravel(),
            program=np.tile(programs, len(answers)),
            critic=np.full(answers.size, 1.0) if critic else None,
        )
        kept = (rule_.calibration.adapted(final).probability(final) >= least) & (final.agree + 1 >= 2)
        assert not kept[stopped[final_place] & final.readable].any()
        given_up += int(stopped.sum())
    assert given_up > 100


def test_as_many_rows_must_share_the_answer_as_the_mixture_takes() -> None:
    assert undecided(BOTH_AGREE, rule=rule(rows=3), left=2) == [True]
    assert undecided([*BOTH_AGREE, (0, False)], rule=rule(rows=3), left=1) == [False]


def test_samples_that_differ_from_the_trusted_answer_leave_the_question_open() -> None:
    wrong = undecided(BOTH_AGREE, rule=rule(), left=1, reference=[-1.0, -1.0])
    right = undecided(BOTH_AGREE, rule=rule(), left=1, reference=[1.0, 1.0])
    mixed = undecided([(0, False), (1, True)], rule=rule(agree=4), left=1, reference=[1.0, -1.0])
    assert (wrong, right, mixed) == ([True], [False], [True])


@pytest.mark.parametrize(("samples", "rows"), [(1, 2), (2, 2), (4, 2), (8, 2), (64, 2), (8, 3), (2, 4)])
def test_rounds_cover_every_sample_once(samples: int, rows: int) -> None:
    rounds = list(rule(rows=rows).rounds(samples))
    assert [index for first, end in rounds for index in range(first, end)] == list(range(samples))
    assert rounds[0][1] == min(samples, max(2, rows))
    assert len(rounds) <= 2 + 2 * np.log2(samples + 1)


@pytest.mark.parametrize("error", [0.0, 1.0, -0.1])
def test_an_error_that_is_no_probability_is_refused(error: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        rule(error)


def simulated(rng: np.random.Generator, questions: int, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the answers (questions, samples), 0 the right one, of models whose accuracy differs by question and format."""
    accuracy = rng.beta(4, 1.6, (questions, 1)) + np.where(np.arange(samples) % 2, 0.05, 0.0)
    wrong = rng.integers(1, 5, (questions, samples))
    return np.where(rng.random((questions, samples)) < accuracy, 0, wrong), accuracy


@pytest.mark.parametrize("error", [0.05, 0.1, 0.2])
def test_the_stated_error_holds_on_new_questions(error: float) -> None:
    """Sampled round by round, the answers on which sampling stops early are wrong no more often than stated."""
    samples = 8
    calibration = _calibrated(np.random.default_rng(7), samples)
    answers, _ = simulated(np.random.default_rng(11), 6000, samples)
    stopping = StoppingRule(error, 2, 2, calibration)
    open_ = np.arange(len(answers))
    wrong = early = asked = 0
    for first, end in stopping.rounds(samples):
        asked += len(open_) * (end - first)
        if end == samples:
            break
        place = np.repeat(np.arange(len(open_)), end)
        votes = collect(
            place, answers[open_, :end].ravel(), program=np.tile(np.arange(end) % 2 == 1, len(open_))
        )
        again = stopping.undecided(votes, place, len(open_), samples - end)
        for row in answers[open_[~again], :end]:
            early += 1
            wrong += np.bincount(row).argmax() != 0
        open_ = open_[again]
    assert asked < 0.9 * answers.size
    # three standard deviations of the count, for the size of the simulation
    assert wrong <= error * early + 3 * (error * early) ** 0.5


def _calibrated(rng: np.random.Generator, samples: int) -> Calibration:
    """Return a calibration fitted to questions of which two, three, ... `samples` samples are known."""
    calibration = prior()
    for end in range(2, samples + 1):
        answers, _ = simulated(rng, 400, end)
        place = np.repeat(np.arange(len(answers)), end)
        votes = collect(place, answers.ravel(), program=np.tile(np.arange(end) % 2 == 1, len(answers)))
        calibration = fit(votes, answers.ravel() == 0, calibration)
    assert reliability(calibration.probability(votes), answers.ravel() == 0).ece < 0.1
    return calibration
