"""How many questions an arm of equal cost writes in each wave."""

from __future__ import annotations

import pytest

from flows.config.weakness import ArmNight, Weakness
from flows.runner.weakness_arms import affordable, own_costs, used_tokens


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


def test_what_measured_the_rules_is_no_cost_of_an_arm() -> None:
    critic = {
        "role": "critic",
        "completions": 700,
        "prompt_tokens": 164_000,
        "completion_tokens": 1_000,
        "usd": 1.5,
    }
    teacher = {
        "role": "teacher",
        "completions": 15,
        "prompt_tokens": 300,
        "completion_tokens": 30,
        "usd": 0.25,
    }
    asked_for_rows = {
        "role": "critic",
        "completions": 3,
        "prompt_tokens": 60,
        "completion_tokens": 6,
        "usd": 0.5,
    }
    both = {name: value + asked_for_rows[name] for name, value in critic.items() if name != "role"}
    lineage = {"costs": [{"role": "critic", **both}, teacher], "measuring_costs": [critic]}
    assert own_costs(lineage) == {"usd": 0.75, "tokens": 396, "calls": 18}
    assert own_costs({"costs": [teacher]}) == {"usd": 0.25, "tokens": 330, "calls": 15}
    assert own_costs({}) == {"usd": 0, "tokens": 0, "calls": 0}


def test_arms_have_equal_parts_of_what_the_search_has_left_of_the_budget() -> None:
    config = Weakness.model_validate(
        {"arms": ["skills", "random", "random-cost"], "budget": {"tokens": 190_000, "usd": 3.0}}
    )
    left = config.part_of_budget(usd=1.0, tokens=90_001)
    assert (left.usd, left.tokens) == (pytest.approx(1.0), 49_999)
    assert ArmNight.of(config, "skills", 5, "", "", budget=left).budget == left
    used_up = config.part_of_budget(usd=4.0, tokens=200_000)
    assert used_up.usd is not None
    assert 0 < used_up.usd < 1e-6
    assert used_up.tokens == 1
    assert Weakness().part_of_budget(tokens=5) == Weakness().budget
