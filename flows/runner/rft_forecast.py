"""What a run of the flow `rft` will cost, before its first call: from the version's questions and the ledger's calls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from flows.config.rft import Rft
from flows.runner.resources import Tools
from flows.settings import SAMPLERS
from storage.counting import counted
from storage.datasets.versions import Version
from storage.ledger import UsageTotals
from tasks.forecast.measurements import price_of_call
from tasks.rft.allocation import SampleSettings, Tally, next_samples, staying
from tasks.rft.questions import questions_of
from tasks.scorers import scorer
from tasks.seeding import seed_of
from tasks.stages.sample import STAGE

DRAWN: Final = 400  # questions that are simulated
SPREAD: Final = 1.5  # of the fail rates of questions around their mean, as the sum of the two parameters of a beta distribution
PASS: Final = 0.65  # guess for the share of right samples, where no run has measured one
COLUMNS: Final = ("low", "likely", "high")


@dataclass(frozen=True, slots=True)
class RftForecast:
    """What a run is expected to take. Each figure has a low, a likely and a high value: the least and the most that the settings allow, and
    what the simulated questions need. `pass_rate` and the tokens per call are measured, or guesses."""

    version: str
    questions: int
    calls: tuple[int, int, int]
    judged: tuple[int, int, int]  # calls of the critic
    tokens: tuple[int, int, int]
    usd: tuple[float, float, float]
    seconds: tuple[float, float, float]
    solutions: int
    pass_rate: float
    measured: bool

    def record(self) -> dict[str, Any]:
        """Return the forecast as lineages store it."""
        return asdict(self)


def rft_forecast(config: Rft, version: Version, tools: Tools) -> RftForecast:
    """Return the forecast of a run. No model is called."""
    seed = seed_of(config.seed, "rft", version.digest)
    questions = sum(
        row.reason is None
        for part in questions_of(tools.store, version, config.questions, seed)
        for row in part
    )
    rate = _measured_rate(tools)
    settings = config.sample
    each, staying_each = simulated(settings, PASS if rate is None else rate)
    most = settings.samples if settings.allocate == "fixed" else settings.most_samples
    samples = (questions * settings.samples, round(questions * each), questions * most)
    usage = tools.ledger().history()
    members = tools.settings.mix(SAMPLERS)
    weights = sum(weight for _, weight in members)
    prices = [price_of_call(_tag(usage), one, weight / weights, usage) for one, weight in members]
    asked = [name for name in config.quality.scorers if "critic" in scorer(name).needs]
    looking = [name for name in config.steps.scorers if "critic" in scorer(name).needs]
    right = PASS if rate is None else rate
    hidden = math.ceil(questions / config.shard_rows) * config.quality.canaries * (len(asked) + len(looking))
    judged = tuple(round(count * (right * len(asked) + len(looking))) + hidden for count in samples)
    critic = price_of_call("critique", tools.settings.endpoint("critic"), 1.0, usage)
    tokens, usd, seconds = [], [], []
    for count, critiques in zip(samples, judged, strict=True):
        parts = [(count * price.share * price.tries, price) for price in prices]
        parts.append((critiques * critic.tries, critic))
        tokens.append(round(sum(n * (price.prompt_tokens + price.completion_tokens) for n, price in parts)))
        usd.append(
            sum(
                n * (price.prompt_tokens * price.price_in + price.completion_tokens * price.price_out) / 1e6
                for n, price in parts
            )
        )
        seconds.append(sum(n * price.seconds for n, price in parts) / tools.settings.in_flight)
    return RftForecast(
        version=str(version),
        questions=questions,
        calls=samples,
        judged=(judged[0], judged[1], judged[2]),
        tokens=(tokens[0], tokens[1], tokens[2]),
        usd=(usd[0], usd[1], usd[2]),
        seconds=(seconds[0], seconds[1], seconds[2]),
        solutions=round(questions * staying_each),
        pass_rate=right,
        measured=rate is not None,
    )


def simulated(settings: SampleSettings, rate: float) -> tuple[float, float]:
    """Return the mean number of samples of a question, and of right ones that stay at most, where a share `rate` of all samples is
    right."""
    rng = np.random.default_rng(0)
    rates = rng.beta(max(rate, 0.01) * SPREAD, max(1 - rate, 0.01) * SPREAD, DRAWN)
    samples = stay = 0
    for one in rates.tolist():
        tally = Tally()
        while more := next_samples(tally, settings):
            right = int(rng.binomial(more, one))
            tally.sampled, tally.right, tally.wrong = (
                tally.sampled + more,
                tally.right + right,
                tally.wrong + more - right,
            )
        samples += tally.sampled
        stay += min(tally.right, staying(tally.fail_rate, settings.allocate, settings.most))
    return samples / DRAWN, stay / DRAWN


def _tag(usage: Sequence[UsageTotals]) -> str:
    """Return the stage whose calls are most like those of the samplers: their own, or else those of a night's solutions."""
    return STAGE if any(group.tag == STAGE and group.completions for group in usage) else "solve"


def _measured_rate(tools: Tools) -> float | None:
    """Return the share of right ones among the judged samples of the newest run of this flow, None if there was none."""
    versions = [one for one in tools.store.every_version() if one.lineage.get("flow") == "rft"]
    for version in sorted(versions, key=lambda one: one.created, reverse=True):
        counts = version.lineage["samples"]
        if judged := counts["right"] + counts["wrong"]:
            return float(counts["right"] / judged)
    return None


def forecast_text(forecast: RftForecast) -> str:
    """Return the forecast for people, in Markdown."""
    lines = [
        f"{forecast.version}: {counted(forecast.questions, 'question')} with a known answer; nothing was asked or published.",
        "",
        f"| | {' | '.join(COLUMNS)} |",
        "|---|---:|---:|---:|",
    ]
    for title, values, shown in (
        ("samples", forecast.calls, "{:,.0f}"),
        ("calls of the critic", forecast.judged, "{:,.0f}"),
        ("tokens", forecast.tokens, "{:,.0f}"),
        ("price in USD", forecast.usd, "{:,.2f}"),
        ("seconds of calls", forecast.seconds, "{:,.0f}"),
    ):
        lines.append(f"| {title} | {' | '.join(shown.format(value) for value in values)} |")
    basis = "measured by an earlier run" if forecast.measured else "a guess, since no run has measured it"
    lines += [
        "",
        f"At most {counted(forecast.solutions, 'solution')} stay. A pass rate of {forecast.pass_rate:.0%} is {basis}; low is one round, high all samples that the settings allow.",
    ]
    return "\n".join(lines)
