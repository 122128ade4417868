"""Forecasts of simulated homes compared with the cost of their nights: how often the range contains the fact."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import prompts
from flows import nightly
from flows.config.nightly import Nightly
from flows.runner.decontamination import CERTIFY
from flows.runner.forecast_inputs import canary_notice, inputs_of, notice
from flows.runner.resources import is_model
from flows.runner.stages import Stage
from flows.settings import Settings
from storage.ledger import UsageTotals
from tasks.decontamination.benchmarks import Benchmarks
from tasks.decontamination.certificate import Certificate, planted
from tasks.demand import FIRST_GUESS, MARGIN
from tasks.forecast import Forecast, forecast
from tasks.forecast.measurements import NEAR_PER_LEAK, plan_of
from tasks.forecast.simulation import COVERAGE, CallsPerRow, KeptShare, NightPlan
from tasks.llm.sampling import THINKING_TOKENS
from tasks.methods import PLUGINS as METHODS
from tasks.methods import calls_model
from tasks.plugins import names
from tasks.scorers import scorer
from tasks.seeding import seed_of
from tasks.selection import PLUGINS as SELECTORS
from tasks.selection import calls_of
from tasks.stages.retrieve import AIMED

HOMES, NIGHTS = 50, 6
SHOWN = ("accepted", "calls", "tokens", "usd", "seconds")  # the figures of the report
ROLES = {"self_instruct": "teacher", "similar": "teacher", "solve": "reasoner", "critique": "critic", "probe": "student"}  # fmt: skip
PROMPTS = {"solve": "solve_cot", "probe": "solve_cot"}


class SimulatedHome:
    """A home with models of hidden habits: their lengths, speeds and error rates vary between homes, and less between
    the nights of one."""

    def __init__(self, number: int) -> None:
        self.rng = np.random.default_rng(seed_of("forecast", "home", number))
        self.settings = Settings.model_validate(
            {
                "teacher": {
                    "model": "m",
                    "base_url": "http://127.0.0.1:1/v1",
                    "price_in": 1.0,
                    "price_out": 3.0,
                }
            }
        )
        target = int(self.rng.choice([40, 200, 500, 2000]))
        self.config = Nightly.model_validate(
            {"target": target, "generate": {"methods": {"self_instruct": 1.0}}}
        )
        self.shares = {
            name: self.rng.beta(mean * 20, (1 - mean) * 20)
            for name, mean in {
                "written": 0.93, "novel": 0.85, "solved": 0.95, "verified": 0.8, "scored": 0.95, "judged": 0.4, "usable": 0.75,
            }.items()
        }  # fmt: skip
        # against the guess from the prompt's own length and cap
        self.length = np.exp(self.rng.normal(-0.2, 0.5))
        self.speed = 5.0 * np.exp(self.rng.normal(0, 0.6))  # seconds per call
        self.overhead = 0.01 * np.exp(self.rng.normal(0, 0.8))  # seconds per solution
        self.nights: list[dict[str, Any]] = []
        self.ledger: dict[str, list[float]] = defaultdict(lambda: [0, 0, 0, 0.0])  # calls, tokens, seconds

    def plan(self) -> Forecast:
        history = [
            UsageTotals(ROLES[tag], "m", tag, int(calls), int(calls), int(sent), int(written), 0, 0.0, seconds / calls, written / calls / 2)
            for tag, (calls, sent, written, seconds) in self.ledger.items()
        ]  # fmt: skip
        inputs = inputs_of(self.config, self.settings, nights=self.nights, calls=history)
        return forecast(inputs, seed=0)

    def night(self) -> dict[str, Any]:
        """Play one night through, write it down, and return its lineage."""
        expected, rng, config = self.plan(), self.rng, self.config
        # one night is not like another
        share = {name: min(0.99, value * np.exp(rng.normal(0, 0.03))) for name, value in self.shares.items()}
        length, speed, overhead = (np.exp(rng.normal(0, spread)) for spread in (0.08, 0.3, 0.3))
        best = min(config.mix.per_problem, config.solve.samples)
        questions = novel = accepted = 0
        orders: Counter[str] = Counter()
        parts = [round(config.target * (1 - config.weakness.share))] + [config.target] * config.generate.waves
        for number, part in enumerate(parts):
            missing = part - accepted
            if missing <= 0:
                continue
            rate = accepted / questions if accepted else best * FIRST_GUESS
            more = math.ceil(missing / rate * MARGIN)
            fresh = rng.binomial(rng.binomial(more, share["written"]), share["novel"])
            questions, novel = questions + more, novel + fresh
            method = "similar" if number == 1 else "self_instruct"
            orders[method] += math.ceil(more / config.generate.per_call)
            accepted += rng.binomial(fresh * best, share["usable"])
        known = math.ceil(config.verify.known * config.target)
        solutions = (novel + known) * config.solve.samples
        solved = rng.binomial(solutions, share["solved"])
        verified = rng.binomial(solved, share["verified"])
        scored = rng.binomial(verified, share["scored"])
        calls = {
            **orders,
            "solve": solutions,
            "critique": rng.binomial(scored, share["judged"]),
        }
        if config.weakness.share:
            calls["probe"] = 144
        calls = {tag: count for tag, count in calls.items() if count}
        busy, costs = 0.0, []
        for tag, count in calls.items():
            prompt = prompts.load(PROMPTS.get(tag, tag))
            sent = count * (len(prompt.body) / 4 + 200) * self.length * length
            written = count * prompt.front.max_tokens * 0.3 * self.length * length
            seconds = count * self.speed * speed
            busy += seconds / min(count, self.settings.in_flight)
            sums = self.ledger[tag]
            self.ledger[tag] = [
                old + new for old, new in zip(sums, (count, sent, written, seconds), strict=True)
            ]
            costs.append(
                {"role": ROLES[tag], "completions": count, "cached": 0, "prompt_tokens": sent, "completion_tokens": written, "usd": (sent + 3 * written) / 1e6}
            )  # fmt: skip
        lines = [
            ("generate", questions, None), ("similarity", None, novel), ("solve", solutions, solved),
            ("verify", solved, verified), ("heuristics", verified, scored), ("critique", scored, scored),
        ]  # fmt: skip
        written = round(novel / max(share["novel"], 0.01))
        sizes = {"generate": (questions, written), "similarity": (written, novel)}
        funnel = [
            dict(zip(("stage", "title", "asked", "kept"), (name, name, *sizes.get(name, (asked, kept))), strict=True))
            for name, asked, kept in lines
        ]  # fmt: skip
        record = {
            "funnel": funnel,
            "costs": costs,
            "service": [{"busy_s": busy}],
            "parameters": config.model_dump(mode="json"),
            "forecast": expected.record(),
            "ended": {
                "by": "target" if accepted >= config.target else "waves",
                "accepted": accepted,
                "resumed": False,
                "seconds": 20 + busy + solutions * self.overhead * overhead,
            },
        }  # fmt: skip
        self.nights.append(record)
        return record


def facts(record: dict[str, Any], target: int) -> dict[str, float]:
    costs = record["costs"]
    return {
        "accepted": min(record["ended"]["accepted"], target),
        "calls": sum(cost["completions"] for cost in costs),
        "tokens": sum(cost["prompt_tokens"] + cost["completion_tokens"] for cost in costs),
        "usd": sum(cost["usd"] for cost in costs),
        "seconds": record["ended"]["seconds"],
    }


@pytest.mark.slow
def test_ranges_hold_the_facts_of_fifty_homes() -> None:
    held: dict[str, Counter[str]] = {"first": Counter(), "later": Counter()}
    counted: Counter[str] = Counter()
    widths: list[float] = []
    for number in range(HOMES):
        home = SimulatedHome(number)
        for night in range(NIGHTS):
            record = home.night()
            when = "later" if night else "first"
            counted[when] += 1
            for name, fact in facts(record, home.config.target).items():
                low, likely, high = record["forecast"]["figures"][name]
                held[when][name] += low <= fact <= high
                if night == NIGHTS - 1 and name in ("calls", "tokens", "usd"):
                    widths.append((high - low) / likely)
    shares = {when: {name: held[when][name] / counted[when] for name in SHOWN} for when in held}
    print(shares, "width in the end", round(float(np.median(widths)), 2))
    for when, observed in shares.items():
        for name, share in observed.items():
            assert share >= COVERAGE, (when, name, share)
    # a range that contains everything has no information
    assert float(np.median(widths)) < 1.0


def test_resumed_and_replayed_nights_say_nothing_of_durations() -> None:
    home = SimulatedHome(0)
    for _ in range(3):
        home.night()
    before = home.plan().figures["seconds"]
    slow = home.nights[-1] | {"ended": home.nights[-1]["ended"] | {"seconds": 1e6, "resumed": True}}
    home.nights.append(slow)
    after = home.plan().figures["seconds"]
    assert abs(math.log(after[1] / before[1])) < 0.1  # only the shares of its rows count


def forecast_of(config: Nightly, nights: list[dict[str, Any]]) -> Forecast:
    return forecast(inputs_of(config, Settings(), nights=nights, calls=[]), seed=0)


def plan(config: Nightly, nights: list[dict[str, Any]]) -> NightPlan:
    return plan_of(inputs_of(config, Settings(), nights=nights, calls=[]))


def critic_calls(config: Nightly, nights: list[dict[str, Any]]) -> float:
    """The likely calls of decontamination."""
    return sum(one["calls"] for one in forecast_of(config, nights).stages if one["stage"] == "decontaminate")


def test_the_judge_of_decontamination_is_forecast_and_shown(tmp_path: Path) -> None:
    file = tmp_path / "exam.jsonl"
    file.write_text(
        "".join(
            f'{{"question": "Ann has {n} pens and buys {n + 2} more. How many has she?"}}\n'
            for n in (3, 5, 9)
        )
    )
    settings: dict[str, Any] = {"benchmarks": [str(file)]}
    config = Nightly.model_validate({"target": 20, "decontaminate": settings})
    expected = NEAR_PER_LEAK * planted(Benchmarks.load([file]).items(), 100)
    assert plan(config, []).measured == expected > 200
    expensive = forecast_of(config, [])
    assert critic_calls(config, []) > 0.7 * expected
    without = Nightly.model_validate({"target": 20})
    assert expensive.figures["calls"][1] - forecast_of(without, []).figures["calls"][1] > 0.7 * expected
    assert "Decontamination asks the critic about " in notice(expensive.record())
    # no critic is asked: no call, no line
    for some in ({}, {"benchmarks": [str(file)], "ask": False}):
        quiet = Nightly.model_validate({"target": 20, "decontaminate": some})
        assert critic_calls(quiet, []) == 0
        assert notice(forecast_of(quiet, []).record()) == ""


def test_rules_that_a_night_has_measured_are_not_measured_again(tmp_path: Path) -> None:
    file = tmp_path / "exam.jsonl"
    file.write_text('{"question": "Ann has 3 pens and buys 5 more. How many has she?"}\n')
    config = Nightly.model_validate({"target": 20, "decontaminate": {"benchmarks": [str(file)]}})
    files = Benchmarks.load([file]).files
    certificate = Certificate(
        tuple((name, digest, 1) for name, _, digest in files), tuple(config.decontaminate.rules), (), (), 0, None, 0,
        rows=400, judged={"different": 7, "same": 1},
    )  # fmt: skip
    home = SimulatedHome(3)
    night = home.night() | {"decontamination": certificate.to_dict()}
    night["service"] = [one | {"tag": "critique", "calls": 5} for one in night["service"][:1]]
    known = plan(config, [night])
    assert (known.measured, known.unchecked) == (0, 0)
    assert known.near == KeptShare(8, 400)
    (tmp_path / "exam.jsonl").write_text(
        '{"question": "Another one, of 17 words and 3 numbers, in another set?"}\n'
    )
    assert plan(config, [night]).measured > 0


def test_a_model_that_thinks_is_priced_by_its_limit_and_not_by_the_answers_of_others() -> None:
    def solving(**role: Any) -> float:
        reasoner = {"model": "r", "base_url": "http://127.0.0.1:1/v1", **role}
        settings = Settings.model_validate(
            {"teacher": {"model": "m", "base_url": "http://127.0.0.1:1/v1"}, "reasoner": reasoner}
        )
        others = [UsageTotals("reasoner", "other", "solve", 50, 50, 5_000, 10_000, 0, 0.0, 1.0, 20.0)]
        inputs = inputs_of(Nightly(), settings, nights=[], calls=others)
        return plan_of(inputs).prices["solve"][0].completion_tokens

    assert solving() == 200
    assert solving(reasoning=True) == 0.3 * THINKING_TOKENS
    assert solving(reasoning=True, max_tokens=10_000) == 3_000


def test_the_calls_for_canaries_are_stated() -> None:
    stages = [
        {
            "role": "critic",
            "canaries": 16.0,
            "calls": 160.0,
            "prompt_tokens": 1000.0,
            "completion_tokens": 600.0,
        },
        {
            "role": "reasoner",
            "canaries": 24.0,
            "calls": 600.0,
            "prompt_tokens": 900.0,
            "completion_tokens": 0.0,
        },
        {"role": "teacher", "canaries": 0.0, "calls": 20.0, "prompt_tokens": 9.0, "completion_tokens": 9.0},
    ]
    text = canary_notice({"stages": stages})
    assert "16 of the critic and 24 of the reasoner" in text
    assert "about 196 tokens" in text
    assert canary_notice({"stages": stages[2:]}) == canary_notice({}) == ""


def test_the_calls_of_selectors_are_forecast_by_model() -> None:
    by = {
        "pass_rate": {"samples": 4},
        "two_models": {"models": ["student", "hf:small"]},
        "naturalness": {"model": "hf:small"},
    }
    config = Nightly.model_validate({"target": 40, "select": {"by": by}})
    planned = plan(config, [])
    assert [(one.name, one.calls, one.whole) for one in planned.selectors] == [
        ("pass_rate", 4, False), ("two_models", 2, False), ("naturalness", 0, True),
    ]  # fmt: skip
    calls = {
        (one["stage"], one["role"]): one["calls"]
        for one in forecast_of(config, []).stages
        if one["stage"] in by
    }
    assert set(calls) == {("pass_rate", "student"), ("two_models", "student"), ("two_models", "checkpoint")}
    assert all(count > 10 for count in calls.values())


def test_every_stage_of_the_night_that_asks_a_model_has_a_line(tmp_path: Path) -> None:
    """A stage that is added to the night fails this test until a forecast counts its calls."""
    file = tmp_path / "exam.jsonl"
    file.write_text('{"question": "Ann has 3 pens and buys 5 more. How many has she?"}\n')
    methods = {name: 1.0 for name in names(METHODS) if calls_model(name)}
    given: dict[str, dict[str, Any]] = {name: {} for name in names(SELECTORS)} | {"subjects": {"by": "model"}}
    selectors = {name: own for name, own in given.items() if calls_of(name, own, methods)}
    config = Nightly.model_validate(
        {
            "generate": {"methods": methods},
            "decontaminate": {"benchmarks": [str(file)]},
            "select": {"by": selectors},
        }
    )
    inputs = inputs_of(config, Settings(), nights=[], calls=[], texts=10)
    lines = {line["stage"] for line in forecast(inputs, seed=0).stages}
    # stages that stand for plug-ins or share the calls of another -> the lines that have their calls
    of_others = {
        "generate": [*methods, AIMED],
        "select": selectors,
        "certify": ["decontaminate"],
        "score": [name for name in config.score.scorers if "critic" in scorer(name).needs],
    }
    stages = [one for one in (*vars(nightly).values(), CERTIFY) if isinstance(one, Stage)]
    asking = {one.name for one in stages if any(is_model(tool) for tool in one.needs.values())}
    assert {"generate", "solve", "probe", "decontaminate", "extract_concepts"} <= asking
    for stage in sorted(asking | of_others.keys()):
        assert set(of_others.get(stage, [stage])) <= lines, stage


def test_only_questions_of_its_methods_and_their_parents_are_answered_for_harder_than_parent() -> None:
    methods = {"evolve": 1.0, "self_instruct": 3.0}
    by = {"harder_than_parent": {"samples": 4}}
    config = Nightly.model_validate({"generate": {"methods": methods}, "select": {"by": by}})
    (selecting,) = plan(config, []).selectors
    assert selecting.calls == 2 * 4 / 4


def test_what_a_selector_keeps_is_measured_and_does_not_lower_what_the_mixture_can_take() -> None:
    home = SimulatedHome(0)
    night = home.night()
    kept = home.config.model_dump(mode="json") | {"select": {"by": {"pass_rate": {}}}}
    accepted = night["ended"]["accepted"]
    selected = night | {
        "parameters": kept,
        "ended": night["ended"] | {"accepted": accepted // 4},
        "funnel": [
            *night["funnel"],
            {"stage": "select", "title": "Select by pass_rate, wave 1", "asked": 400, "kept": 100},
        ],
    }
    config = Nightly.model_validate({"select": {"by": {"pass_rate": {}}}})
    (selecting,) = plan(config, [selected]).selectors
    assert selecting.kept == KeptShare(100, 400)
    assert plan(config, [selected]).usable.kept == pytest.approx(accepted, abs=4)


def test_a_method_is_priced_by_its_own_role_and_prompt() -> None:
    settings = Settings.model_validate(
        {
            role: {"model": role, "base_url": "http://127.0.0.1:1/v1", "price_in": price}
            for role, price in (("teacher", 1.0), ("reasoner", 5.0))
        }
    )
    config = Nightly.model_validate({"generate": {"methods": {"interleaved": 1.0}}})
    (priced,) = plan_of(inputs_of(config, settings, nights=[], calls=[])).prices["interleaved"]
    assert (priced.role, priced.model, priced.price_in) == ("reasoner", "reasoner", 5.0)
    prompt = prompts.load("solve_tir")
    assert priced.prompt_tokens == len(prompt.body) / 4 + 200
    assert priced.completion_tokens == 0.3 * prompt.front.max_tokens


def test_the_calls_of_a_conversation_are_stated_by_the_method_until_a_night_has_measured_them() -> None:
    methods = {"interleaved": 1.0, "tree_search": 1.0, "self_instruct": 1.0, "distill": 1.0}
    own = {"tree_search": {"rounds": 10, "width": 2}}
    config = Nightly.model_validate({"generate": {"methods": methods, "settings": own}})
    stated = plan(config, []).per_row
    assert set(stated) == {"interleaved", "tree_search", "distill"}
    assert stated["interleaved"] == CallsPerRow(2.3, guessed=True)
    assert stated["tree_search"] == CallsPerRow(pytest.approx(12.6), guessed=True)
    assert stated["distill"] == CallsPerRow(1.0)
    assert plan(config, []).solvers == {"interleaved", "tree_search", "distill"}
    night = SimulatedHome(1).night()
    counted = {
        "methods": [{"method": "interleaved", "requested": 40}, {"method": "self_instruct", "requested": 9}],
        "service": [{"tag": "interleaved", "role": "reasoner", "calls": 120, "busy_s": 1.0}],
    }
    resumed = night | counted | {"ended": night["ended"] | {"resumed": True}}
    measured = plan(config, [night | counted, resumed]).per_row
    assert measured["interleaved"] == CallsPerRow(pytest.approx(120 / 40 / 1.02))
    assert measured["tree_search"].guessed


def test_the_calls_that_confirm_a_composed_problem_are_priced_as_those_of_the_reasoner() -> None:
    settings = Settings.model_validate(
        {
            role: {"model": role, "base_url": "http://127.0.0.1:1/v1", "price_in": price}
            for role, price in (("teacher", 1.0), ("reasoner", 5.0))
        }
    )

    def priced(
        nights: list[dict[str, Any]], calls: list[UsageTotals], **own: Any
    ) -> tuple[dict[str, Any], CallsPerRow]:
        """Return the prices of compose by role, and its calls per row."""
        given = Nightly.model_validate(
            {"generate": {"methods": {"compose": 1.0}, "settings": {"compose": own}}}
        )
        night_plan = plan_of(inputs_of(given, settings, nights=nights, calls=calls))
        return {price.role: price for price in night_plan.prices["compose"]}, night_plan.per_row["compose"]

    prices, calls = priced([], [])
    assert calls == CallsPerRow(pytest.approx(3.2), guessed=True)
    assert {role: price.share for role, price in prices.items()} == {
        "teacher": pytest.approx(1.1 / 3.2),
        "reasoner": pytest.approx(2.1 / 3.2),
    }
    assert (prices["reasoner"].model, prices["reasoner"].price_in) == ("reasoner", 5.0)
    solving, writing = prompts.load("solve_cot"), prompts.load("compose")
    assert prices["reasoner"].prompt_tokens == len(solving.body) / 4 + 200
    assert prices["teacher"].prompt_tokens == len(writing.body) / 4 + 200
    assert set(priced([], [], trusted=False)[0]) == {"teacher"}

    # what the reasoner takes for a solution is known from its other solutions, then from those of the method
    def used(role: str, tag: str, completion_tokens: int) -> UsageTotals:
        return UsageTotals(role, role, tag, 10, 10, 1_000, completion_tokens, 0, 0.0, 1.0, 1.0)

    solved, questions, confirmed = (
        used("reasoner", "solve", 9_000),
        used("teacher", "compose", 700),
        used("reasoner", "compose", 5_000),
    )
    prices, _ = priced([], [solved, questions])
    assert (prices["reasoner"].completion_tokens, prices["teacher"].completion_tokens) == (900, 70)
    prices, _ = priced([], [solved, questions, confirmed])
    assert (prices["reasoner"].completion_tokens, prices["teacher"].completion_tokens) == (500, 70)

    night = SimulatedHome(1).night() | {
        "methods": [{"method": "compose", "requested": 100}],
        "service": [
            {"tag": "compose", "role": "teacher", "calls": 40, "busy_s": 1.0},
            {"tag": "compose", "role": "reasoner", "calls": 60, "busy_s": 1.0},
        ],
    }
    prices, calls = priced([night], [solved, questions, confirmed])
    assert calls == CallsPerRow(pytest.approx(1.0))
    assert prices["reasoner"].share == pytest.approx(0.6)


def test_interleaved_samples_of_solve_are_several_calls() -> None:
    assert "solve" not in plan(Nightly(), []).per_row
    config = Nightly.model_validate({"solve": {"tir_share": 0.5}})
    assert plan(config, []).per_row["solve"] == CallsPerRow(pytest.approx(1.65), guessed=True)
    assert plan(Nightly.model_validate({"solve": {"split": "rule"}}), []).per_row["solve"].mean > 1
    night = SimulatedHome(1).night()
    asked = sum(line["asked"] for line in night["funnel"] if line["stage"] == "solve")
    served = {"service": [{"tag": "solve", "calls": 2 * asked + 10, "busy_s": 1.0}]}
    canaries = {"canaries": [{"role": "reasoner", "calls": 10}]}
    alike = night | served | canaries | {"parameters": config.model_dump(mode="json")}
    assert plan(config, [alike]).per_row["solve"] == CallsPerRow(pytest.approx(2 / 1.02))
    other = night | served | canaries
    assert plan(config, [other]).per_row["solve"].guessed
