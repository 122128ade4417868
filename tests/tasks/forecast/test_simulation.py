"""The forecast against nights whose outcome is known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tasks.forecast.simulation import (
    MEASURED,
    CallsPerRow,
    Error,
    KeptShare,
    NightPlan,
    Price,
    Selecting,
    error_of,
    simulate,
)

SURE = KeptShare(1, 1_000_000)


def price(role: str, calls: int = 100_000, **more: float) -> Price:
    fields = {"prompt_tokens": 100.0, "completion_tokens": 50.0, "sd": 10.0, "seconds": 2.0, "tries": 1.0}
    return Price(role, "m", **(fields | more), calls=calls, price_in=1.0, price_out=2.0, batched=True)  # type: ignore[arg-type]


PLAN = NightPlan(
    target=1000,
    waves=4,
    per_call=5,
    cells=10,
    samples=4,
    best=2,
    reserved=0.0,
    probes=0,
    known=0,
    shares=dict.fromkeys(("written", "novel", "solved", "verified", "scored", "judged"), KeptShare(1e6, 1e6)),
    usable=KeptShare(750_000, 1_000_000),
    writers={"self_instruct": 1.0},
    prices={"self_instruct": [price("teacher")], "solve": [price("reasoner")], "critique": [price("critic")]},
    in_flight=64,
    errors={name: Error(0.0, 1e-9, 100) for name in MEASURED},  # nights that are all alike
)


def likely(plan: NightPlan) -> dict[str, float]:
    return {name: figure[1] for name, figure in simulate(plan).figures.items()}


def test_the_arithmetic_of_a_sure_night() -> None:
    """1,000 rows at 1.5 rows a question: 734 questions, 147 to 150 calls for them, 4 solutions and critiques each."""
    estimate = likely(PLAN)
    assert estimate["accepted"] == pytest.approx(1000, rel=0.01)
    assert estimate["questions"] == pytest.approx(1000 / 1.5 * 1.1, rel=0.05)
    assert estimate["calls"] == pytest.approx(estimate["questions"] * (1 / 5 + 8), rel=0.03)
    assert estimate["tokens"] == pytest.approx(estimate["calls"] * 150, rel=0.1)
    assert estimate["usd"] == pytest.approx(estimate["calls"] * (100 + 2 * 50) / 1e6, rel=0.1)
    assert estimate["usd_batch"] == pytest.approx(estimate["usd"] / 2, rel=1e-6)
    assert estimate["seconds"] == pytest.approx(
        20 + estimate["calls"] * 2 / 64 + estimate["questions"] * 4 * 0.01, rel=0.2
    )


@pytest.mark.parametrize("cap", [{}, {"usd": 0.2}, {"tokens": 100_000.0}])
def test_the_stages_sum_to_the_likely_figures(cap: dict[str, float]) -> None:
    unsure = [price("teacher", calls=0), price("teacher", calls=0, share=0.3)]
    estimate = simulate(
        replace(
            PLAN,
            reserved=0.2,
            aimed="similar",
            probes=144,
            canaries=2,
            prices=dict(PLAN.prices) | {"similar": unsure, "probe": [price("student")]},
            **cap,  # type: ignore[arg-type]
        )
    )
    sums = {
        name: sum(line[name] for line in estimate.stages)
        for name in ("calls", "prompt_tokens", "completion_tokens", "usd")
    }
    assert sums["calls"] == pytest.approx(estimate.figures["calls"][1])
    assert sums["prompt_tokens"] + sums["completion_tokens"] == pytest.approx(estimate.figures["tokens"][1])
    assert sums["usd"] == pytest.approx(estimate.figures["usd"][1])


def test_the_reserved_part_is_written_by_the_method_for_failures() -> None:
    """1,000 rows at 1.5 rows a question, of which a fifth are written for failures, with a tenth more in each part."""
    aimed = replace(
        PLAN,
        reserved=0.2,
        aimed="similar",
        per_row={"self_instruct": CallsPerRow()},
        prices=dict(PLAN.prices) | {"similar": [price("teacher")]},
    )
    estimate = simulate(aimed)
    calls = {stage["stage"]: stage["calls"] for stage in estimate.stages}
    questions = estimate.figures["questions"][1]
    assert calls["self_instruct"] == pytest.approx(0.88 * questions, rel=0.1)
    assert calls["similar"] == pytest.approx((questions - calls["self_instruct"]) / 5, rel=0.2)


def test_methods_call_per_row_per_call_or_not_at_all() -> None:
    mixed = replace(
        PLAN,
        writers={"self_instruct": 2.0, "evolve": 1.0, "families": 1.0},
        per_row={"evolve": CallsPerRow()},
        prices=dict(PLAN.prices) | {"evolve": [price("teacher")]},
    )
    estimate, questions = simulate(mixed), likely(mixed)["questions"]
    calls = {stage["stage"]: stage["calls"] for stage in estimate.record()["stages"]}
    assert calls["self_instruct"] == pytest.approx(questions / 2 / 5, rel=0.05)
    assert calls["evolve"] == pytest.approx(questions / 4, rel=0.05)
    assert "families" not in calls


def test_the_concepts_of_each_text_without_any_are_a_call() -> None:
    indexed = replace(PLAN, texts=120, prices=dict(PLAN.prices) | {"extract_concepts": [price("teacher")]})
    calls = {stage["stage"]: stage["calls"] for stage in simulate(indexed).record()["stages"]}
    assert calls["extract_concepts"] == pytest.approx(120, rel=0.03)
    assert likely(indexed)["calls"] == pytest.approx(likely(PLAN)["calls"] + 120, rel=0.03)


def test_every_range_holds_its_likely_value_and_guesses_widen_it() -> None:
    sure = simulate(PLAN)
    guesses = {name: KeptShare(80, 100, guessed=True) for name in PLAN.shares}
    unsure = simulate(
        replace(PLAN, shares=guesses, prices=PLAN.prices | {"solve": [price("reasoner", calls=0)]})
    )
    for estimate in (sure, unsure):
        assert all(low <= mid <= high for low, mid, high in estimate.figures.values())

    def width(estimate: object, name: str) -> float:
        low, mid, high = estimate.figures[name]  # type: ignore[attr-defined]
        return float((high - low) / mid)

    assert width(unsure, "tokens") > 2 * width(sure, "tokens")
    assert set(unsure.guessed) == {*guesses, "solve"}
    assert sure.guessed == []


def test_a_method_without_a_measured_call_widens_its_own_share_only() -> None:
    def width(plan: NightPlan) -> float:
        low, mid, high = simulate(plan).figures["tokens"]
        return (high - low) / mid

    def with_evolve(calls: int, weight: float) -> NightPlan:
        return replace(
            PLAN,
            writers={"self_instruct": 1.0, "evolve": weight},
            per_row={"evolve": CallsPerRow()},
            prices=PLAN.prices | {"evolve": [price("teacher", calls=calls)]},
        )

    measured, guessed = with_evolve(100_000, 0.1), with_evolve(0, 0.1)
    assert width(guessed) < 2 * width(measured)
    assert width(with_evolve(0, 100.0)) > 2 * width(guessed)
    stages = {stage["stage"]: stage["guessed"] for stage in simulate(guessed).stages}
    assert stages == {"self_instruct": False, "evolve": True, "solve": False, "critique": False}
    assert simulate(guessed).guessed == ["evolve"]


def test_the_calls_of_conversations_are_counted_per_row() -> None:
    talking = replace(
        PLAN,
        writers={"self_instruct": 1.0, "tree_search": 1.0},
        solvers=frozenset({"tree_search"}),
        per_row={"tree_search": CallsPerRow(11.0), "solve": CallsPerRow(1.5, guessed=True)},
        prices=PLAN.prices | {"tree_search": [price("reasoner")]},
    )
    estimate, questions = simulate(talking), likely(talking)["questions"]
    calls = {stage["stage"]: stage["calls"] for stage in estimate.stages}
    assert calls["tree_search"] == pytest.approx(11 * questions / 2, rel=0.05)
    # the other half of the rows are questions, with four samples each
    assert calls["solve"] == pytest.approx(1.5 * 4 * questions / 2, rel=0.05)
    assert calls["critique"] == pytest.approx(4 * questions / 2 + questions / 2, rel=0.05)
    assert estimate.guessed == ["solve"]


@pytest.mark.parametrize(
    ("cap", "limit"),
    [({"usd": 0.2}, "usd"), ({"tokens": 100_000}, "tokens"), ({"seconds": 60.0}, "deadline")],
)
def test_a_cap_cuts_the_night_and_is_named(cap: dict[str, float], limit: str) -> None:
    whole, cut = likely(PLAN), simulate(replace(PLAN, **cap))  # type: ignore[arg-type]
    assert cut.ends == {limit: 1.0}
    assert cut.figures["accepted"][1] < whole["accepted"] / 2
    name = {"usd": "usd", "tokens": "tokens", "deadline": "seconds"}[limit]
    assert cut.figures[name][2] == pytest.approx(next(iter(cap.values())), rel=0.01)


def test_batch_prices_count_against_the_cap_where_batches_are_used() -> None:
    cap = likely(PLAN)["usd"] * 0.75
    assert "usd" in simulate(replace(PLAN, usd=cap)).ends
    assert "usd" not in simulate(replace(PLAN, usd=cap, batch=True)).ends


def test_waves_that_do_not_suffice_are_named() -> None:
    hard = replace(PLAN, waves=1, usable=KeptShare(50, 1000))
    estimate = simulate(hard)
    assert estimate.ends["waves"] > 0.99
    assert estimate.figures["accepted"][1] < 200


def test_the_same_seed_gives_the_same_simulate() -> None:
    assert simulate(PLAN, seed=3) == simulate(PLAN, seed=3)


def test_errors_of_earlier_nights_shift_and_widen_a_range() -> None:
    prior = error_of("seconds", (), guessed=False)
    twice = error_of("seconds", [0.7] * 20, guessed=False)
    assert prior.mean == 0
    assert 0.5 < twice.mean < 0.7
    assert twice.spread < prior.spread  # they were all alike
    wild = error_of("seconds", [-1.0, 1.0] * 10, guessed=False)
    assert wild.spread > 2 * prior.spread
    assert error_of("seconds", (), guessed=True).spread > prior.spread
    shifted = simulate(replace(PLAN, errors=PLAN.errors | {"seconds": twice}))
    assert shifted.figures["seconds"][1] > 1.5 * simulate(PLAN).figures["seconds"][1]
    assert shifted.figures["calls"] == simulate(PLAN).figures["calls"]


def test_canaries_are_calls_of_the_critic_in_each_batch() -> None:
    """About 734 questions in three batches of 256 or fewer, two canaries each."""
    plain, ridden = simulate(PLAN), simulate(replace(PLAN, canaries=2))
    calls = [
        next(stage["calls"] for stage in one.stages if stage["stage"] == "critique")
        for one in (plain, ridden)
    ]
    assert 5.5 <= calls[1] - calls[0] <= 10
    assert ridden.figures["tokens"][1] > plain.figures["tokens"][1]
    floor = simulate(replace(PLAN, canaries=2, least_canaries=30))
    more = next(stage["calls"] for stage in floor.stages if stage["stage"] == "critique") - calls[0]
    assert 29.5 <= more <= 32
    assert simulate(replace(PLAN, least_canaries=30)).figures == plain.figures


def test_canaries_of_the_reasoner_are_calls_in_each_batch() -> None:
    """About 734 questions in three batches, two canaries of four samples each."""
    plain, ridden = simulate(PLAN), simulate(replace(PLAN, known_questions=2))
    before, after = (
        next(stage for stage in one.stages if stage["stage"] == "solve") for one in (plain, ridden)
    )
    assert before["canaries"] == 0
    assert after["calls"] - before["calls"] == pytest.approx(after["canaries"], abs=4)
    assert 3 * 2 * PLAN.samples <= after["canaries"] <= 5 * 2 * PLAN.samples


def stage_calls(plan: NightPlan, name: str) -> float:
    return sum(one["calls"] for one in simulate(plan).stages if one["stage"] == name)


def test_a_selector_is_asked_about_every_new_question_and_more_are_written_for_what_it_drops() -> None:
    """With half of the rows kept, twice the questions are needed; each is sent to the student eight times."""
    prices = PLAN.prices | {"pass_rate": [price("student")]}
    half = Selecting("pass_rate", 8, KeptShare(5e5, 1e6), whole=False)
    plan = replace(PLAN, prices=prices, selectors=[half])
    figures = likely(plan)
    assert figures["accepted"] == pytest.approx(1000, rel=0.02)
    assert figures["questions"] == pytest.approx(2 * likely(PLAN)["questions"], rel=0.1)
    assert stage_calls(plan, "pass_rate") == pytest.approx(8 * figures["questions"], rel=0.03)
    # a second one is asked about what the first has left
    second = replace(half, name="two_models", calls=2)
    both = replace(plan, prices=prices | {"two_models": [price("reasoner")]}, selectors=[half, second])
    assert stage_calls(both, "two_models") == pytest.approx(stage_calls(both, "pass_rate") / 8, rel=0.05)


def test_a_selector_of_whole_nights_is_given_more_rows_by_the_waves_that_are_left() -> None:
    thinned = replace(PLAN, selectors=[Selecting("naturalness", 0, KeptShare(5e5, 1e6), whole=True)])
    before, after = likely(PLAN), likely(thinned)
    assert after["questions"] == pytest.approx(2 * before["questions"], rel=0.1)
    assert after["accepted"] == pytest.approx(1000, rel=0.02)
    (only,) = (likely(replace(one, waves=1)) for one in (thinned,))
    assert only["questions"] < 1.2 * before["questions"]
    assert 400 < only["accepted"] < 650


def test_a_low_share_of_kept_rows_makes_no_huge_wave() -> None:
    hardly = Selecting("pass_rate", 0, KeptShare(1e4, 1e6), whole=False)
    free, bound = (
        likely(replace(PLAN, selectors=[hardly], per_missing=most))["questions"] for most in (1e9, 5)
    )
    assert bound <= 5 * PLAN.target * PLAN.waves < free
