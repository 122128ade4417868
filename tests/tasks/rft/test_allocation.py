"""How many samples a question gets and how many right ones stay: DART-Math's two rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.rft.allocation import SampleSettings, Solved, Tally, next_samples, staying
from tasks.worth import Worth


def tally(right: int, wrong: int, lost: int = 0) -> Tally:
    one = Tally()
    for worth, count in ((Worth.RIGHT, right), (Worth.WRONG, wrong), (Worth.INFRASTRUCTURE, lost)):
        for _ in range(count):
            one.add(worth)
    return one


@pytest.mark.parametrize(
    ("right", "wrong", "uniform", "prop2diff"),
    [(8, 0, 8, 1), (6, 2, 8, 2), (4, 4, 8, 4), (1, 7, 8, 7), (0, 8, 8, 8), (0, 0, 8, 8)],
)
def test_how_many_right_solutions_stay(right: int, wrong: int, uniform: int, prop2diff: int) -> None:
    rate = tally(right, wrong).fail_rate
    assert staying(rate, "uniform", 8) == staying(rate, "fixed", 8) == uniform
    assert staying(rate, "prop2diff", 8) == prop2diff


def test_a_failure_of_ours_does_not_make_a_question_hard() -> None:
    assert tally(4, 0, lost=12).fail_rate == 0
    assert tally(0, 0, lost=12).fail_rate is None
    assert tally(2, 2).fail_rate == tally(2, 2, lost=5).fail_rate == 0.5


def test_an_easy_question_gets_one_round_and_a_hard_one_all() -> None:
    settings = SampleSettings(samples=8, most_samples=32, most=4, allocate="prop2diff")
    assert next_samples(Tally(), settings) == 8
    assert next_samples(tally(8, 0), settings) == 0
    assert next_samples(tally(0, 8), settings) == 8  # no more than it had
    assert next_samples(tally(0, 28), settings) == 4  # what is left
    assert next_samples(tally(0, 32), settings) == 0


def test_a_question_without_a_right_sample_is_given_up_at_its_bound() -> None:
    settings = SampleSettings(samples=8, most_samples=64, unsolved_after=20, most=4, allocate="prop2diff")
    assert settings.tries == 20
    assert next_samples(tally(0, 16), settings) == 4  # no more than the bound
    assert next_samples(tally(0, 20), settings) == 0
    assert next_samples(tally(0, 12, lost=8), settings) == 0  # tries, whether they could be judged or not
    assert next_samples(tally(1, 19), settings) == 20  # one that was solved once may have all samples
    assert SampleSettings(samples=8, most_samples=64).tries == 64
    assert SampleSettings(samples=8, allocate="fixed").tries == 8


@pytest.mark.parametrize(
    ("right", "wrong", "lost", "solved"),
    [
        (3, 0, 2, Solved.ALWAYS),
        (3, 1, 0, Solved.SOMETIMES),
        (0, 1, 9, Solved.NEVER),
        (0, 0, 9, Solved.UNKNOWN),
        (0, 0, 0, Solved.UNKNOWN),
    ],
)
def test_whether_a_question_is_solved(right: int, wrong: int, lost: int, solved: Solved) -> None:
    assert tally(right, wrong, lost).solved is solved


def test_uniform_samples_until_every_question_has_as_many() -> None:
    settings = SampleSettings(samples=8, most_samples=64, most=6, allocate="uniform")
    assert next_samples(tally(5, 3), settings) == 2  # one is missing at a rate of 6 in 10
    assert next_samples(tally(6, 2), settings) == 0
    assert next_samples(tally(8, 0), settings.model_copy(update={"most": 12})) == 5


def test_fixed_is_one_round() -> None:
    settings = SampleSettings(samples=40, most_samples=8, most=4, allocate="fixed")
    assert next_samples(Tally(), settings) == 40
    assert next_samples(tally(0, 40), settings) == 0


@given(
    rule=st.sampled_from(["fixed", "uniform", "prop2diff"]),
    samples=st.integers(1, 16),
    more=st.integers(0, 48),
    most=st.integers(1, 16),
    chance=st.integers(0, 3),
)
def test_rounds_end_within_the_most_samples(
    rule: str, samples: int, more: int, most: int, chance: int
) -> None:
    settings = SampleSettings(allocate=rule, samples=samples, most_samples=samples + more, most=most)  # type: ignore[arg-type]
    one, rounds = Tally(), 0
    while count := next_samples(one, settings):
        for number in range(count):
            one.add(Worth.RIGHT if (one.sampled + number) % 4 < chance else Worth.WRONG)
        rounds += 1
    assert rounds <= samples + more
    assert samples <= one.sampled <= samples + (0 if rule == "fixed" else more)
    enough = one.right >= staying(one.fail_rate, settings.allocate, most)
    assert enough or rule == "fixed" or one.sampled == samples + more


@pytest.mark.parametrize(
    "given",
    [
        {"samples": 9, "most_samples": 8},
        {"samples": 9, "unsolved_after": 8},
        {"most_samples": 16, "unsolved_after": 17},
        {"temperatures": [9.0]},
        {"prompt": "question", "pot_share": 0.5},
    ],
)
def test_settings_that_contradict_each_other_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SampleSettings.model_validate(given)
