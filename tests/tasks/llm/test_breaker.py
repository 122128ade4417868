from __future__ import annotations

import pytest

from tasks.llm.breaker import LONGEST_COOLOFF, Breaker, BreakerState


def half_open() -> Breaker:
    breaker = Breaker(after=1, cooloff=1.0)
    breaker.failed(breaker.take(), 0.0)
    assert breaker.checked(breaker.generation, 1.0, healthy=True)
    assert breaker.state is BreakerState.HALF_OPEN
    return breaker


def test_failures_in_a_row_open_it_and_an_answer_between_them_does_not() -> None:
    breaker = Breaker(after=3, cooloff=1.0)
    calls = [breaker.take() for _ in range(6)]
    assert not any(breaker.failed(call, 0.0) for call in calls[:2])
    breaker.answered()
    assert [breaker.failed(call, 0.0) for call in calls[2:5]] == [False, False, True]
    assert (breaker.state, breaker.generation) == (BreakerState.OPEN, 1)
    assert 0.8 <= breaker.retry_at <= 1.2
    assert not breaker.failed(calls[5], 0.0)
    with pytest.raises(RuntimeError, match="open"):
        breaker.take()


def test_half_open_lets_one_call_through() -> None:
    breaker = half_open()
    trial = breaker.take()
    with pytest.raises(RuntimeError, match="half-open"):
        breaker.take()
    assert breaker.failed(trial, 2.0)
    assert (breaker.state, breaker.generation) == (BreakerState.OPEN, 2)


def test_a_trial_that_ends_without_a_report_is_due_again() -> None:
    breaker = half_open()
    breaker.ended(breaker.take())
    assert breaker.trial_due
    breaker.take()
    breaker.answered()
    assert breaker.state is BreakerState.CLOSED


def test_a_failure_from_before_the_opening_does_not_open_it_again() -> None:
    breaker = Breaker(after=1, cooloff=1.0)
    older, first = breaker.take(), breaker.take()
    assert breaker.failed(first, 0.0)
    breaker.checked(breaker.generation, 1.0, healthy=True)
    assert not breaker.failed(older, 1.0)
    assert breaker.trial_due
    breaker.ended(older)
    assert breaker.trial_due


def test_a_health_check_of_an_earlier_opening_changes_nothing() -> None:
    breaker = Breaker(after=1, cooloff=1.0)
    breaker.failed(breaker.take(), 0.0)
    earlier = breaker.generation
    breaker.answered()
    breaker.failed(breaker.take(), 5.0)
    assert not breaker.checked(earlier, 6.0, healthy=True)
    assert breaker.state is BreakerState.OPEN


def test_the_cool_off_doubles_up_to_its_longest_and_an_answer_resets_it() -> None:
    breaker = Breaker(after=1, cooloff=1.0)
    breaker.failed(breaker.take(), 0.0)
    for _ in range(10):
        breaker.checked(breaker.generation, 0.0, healthy=False)
    assert 0.8 * LONGEST_COOLOFF <= breaker.retry_at <= 1.2 * LONGEST_COOLOFF
    breaker.answered()
    breaker.failed(breaker.take(), 0.0)
    assert breaker.retry_at <= 1.2
