"""How many questions an arm of equal cost writes in each wave."""

from __future__ import annotations

import pytest

from flows.runner.weakness_arms import affordable, used_tokens


@pytest.mark.parametrize("per_question", [40, 300, 2_000])
def test_waves_come_near_the_tokens_whatever_a_question_costs(per_question: int) -> None:
    tokens, written, used = 100_000, 0, 0
    for _ in range(3):
        more = affordable(tokens, used, written, 50)
        written += more
        used += more * per_question
    assert used == pytest.approx(tokens, rel=0.03)


def test_a_first_wave_that_used_too_much_is_the_last() -> None:
    assert affordable(1_000, 5_000, 10, 50) == 0
    assert affordable(1_000, 0, 0, 1) == 1


def test_tokens_of_a_cost_that_has_none_are_none() -> None:
    assert used_tokens([{"prompt_tokens": 3, "completion_tokens": 4}, {"usd": 1.0}]) == 7
    assert used_tokens([]) == 0
