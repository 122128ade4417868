"""What a run of the flow weakness would cost, before its arms are written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flows.config.weakness import EQUAL_COST, ArmNight, Weakness
from flows.runner.decontamination import Decontamination, stored_measurement
from flows.runner.forecast_inputs import inputs_of, past_nights
from flows.runner.resources import Tools
from tasks.decontamination.certificate import planted
from tasks.forecast.measurements import NEAR_PER_LEAK, plan_of, price_of_call
from tasks.forecast.simulation import simulate
from tasks.stages.diagnose import STAGE as DIAGNOSE

COSTS = ("calls", "tokens", "usd")


def estimate(
    config: Weakness, tools: Tools, held_out: str, against: Decontamination, failures: int, clusters: int
) -> dict[str, Any]:
    """Return the likely `calls`, `tokens` and `usd` of measuring the rules of decontamination (`measuring`), and of each arm that asks the
    teacher (`arms`). What the ledger has answers to costs nothing more, which is known of the measurement alone."""
    measuring = dict.fromkeys(COSTS, 0.0)
    settings = against.config
    if settings.ask and against.benchmarks.files and stored_measurement(tools, against) is None:
        leaks = planted(against.benchmarks.items(), settings.planted) + len(against.pairs)
        measuring = _calls("decontaminate", "critic", NEAR_PER_LEAK * leaks, tools)
    arms = {}
    for arm in config.writes():
        if arm == EQUAL_COST:
            continue
        night = ArmNight.of(config, arm, config.rows, held_out, "")
        inputs = inputs_of(night, tools.settings, nights=past_nights(tools), calls=tools.ledger().history())
        # the budget is not asked for: an estimate that it has cut would not show that it is too small
        plan = replace(plan_of(inputs), measured=0.0, unchecked=0.0, cells=clusters, usd=None, tokens=None)
        figures = simulate(plan, seed=config.seed).figures
        arms[arm] = {name: figures[name][1] for name in COSTS}
        if arm == "skills":
            asked = _calls(DIAGNOSE, "teacher", failures, tools)
            arms[arm] = {name: arms[arm][name] + asked[name] for name in COSTS}
    if EQUAL_COST in config.writes() and arms:
        arms[EQUAL_COST] = dict(max(arms.values(), key=lambda one: one["tokens"]))
    return {"measuring": measuring, "arms": arms}


def _calls(tag: str, role: str, calls: float, tools: Tools) -> dict[str, float]:
    """Return what so many calls of a stage take."""
    members = tools.settings.mix(role)
    weights = sum(weight for _, weight in members)
    history = tools.ledger().history()
    prices = [price_of_call(tag, endpoint, weight / weights, history) for endpoint, weight in members]
    return {
        "calls": sum(calls * one.share * one.tries for one in prices),
        "tokens": sum(
            calls * one.share * one.tries * (one.prompt_tokens + one.completion_tokens) for one in prices
        ),
        "usd": sum(
            calls
            * one.share
            * one.tries
            * (one.prompt_tokens * one.price_in + one.completion_tokens * one.price_out)
            for one in prices
        )
        / 1e6,
    }
