"""Simulates DRAWS nights of a plan, and gives the range of each figure over them.

Every share, length and price per call is drawn around what earlier nights and the ledger measured, with the uncertainty
of that measurement, and the waves run as in the flow. Guesses are drawn with a wide spread.

The uncertainty of the measurements does not cover that nights differ: other questions, a busier machine, a slower
endpoint. Each simulated night is therefore multiplied by errors of the size that forecasts have had: the spreads of
MEASURED and GUESSED_SPREAD count as PRIOR_NIGHTS nights, and the nights of a home, forecast against fact, correct them.
A range is meant to contain the fact in a share COVERAGE of the nights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.arrays import Floats
from tasks.canaries.questions import EVERY
from tasks.demand import FIRST_GUESS, MARGIN

DRAWS = 2000
COVERAGE = 0.8  # share of nights whose fact is within the range
RANGE = (10, 50, 90)  # percentiles: low, likely, high
GUESSED = 8  # observations that a guess counts as
MOST = (
    150  # observations that a measured share counts as at most: nights differ more than their row counts say
)

# standard deviation between nights of log(fact / forecast): where earlier nights were measured, and for guesses
MEASURED = {"calls": 0.12, "tokens": 0.12, "seconds": 0.35}
GUESSED_SPREAD = {"calls": 0.30, "tokens": 0.70, "seconds": 0.90}
PRIOR_NIGHTS = 4

# figure -> the columns of the stages that sum to it
SUMMED = {"calls": ("calls",), "tokens": ("prompt_tokens", "completion_tokens"), "usd": ("usd",)}
ADDED = [name for names in SUMMED.values() for name in names]


@dataclass(frozen=True, slots=True)
class KeptShare:
    """`kept` of `asked` rows; `guessed` if no rows were counted."""

    kept: float
    asked: float
    guessed: bool = False

    def mean(self) -> float:
        """Return the share, which is never 0 or 1."""
        return min(max(self.kept / self.asked if self.asked else 0.5, 0.002), 0.998)

    def draw(self, rng: np.random.Generator) -> Floats:
        """Return shares (DRAWS,) between 0 and 1."""
        mean = self.mean()
        weight = GUESSED if self.guessed else min(max(self.asked, 2.0), MOST)
        return rng.beta(mean * weight, (1 - mean) * weight, DRAWS)


@dataclass(frozen=True, slots=True)
class Price:
    """What one call of a stage takes on average, measured over `calls` calls (0: guessed).

    sd: the standard deviation of the completion tokens. tries: calls paid per completion used. price_in, price_out: USD
    per million tokens. batched: the endpoint has a Batch API, where calls cost `batch` times as much. share: the
    part of the stage's calls that this model answers.
    """

    role: str
    model: str
    prompt_tokens: float
    completion_tokens: float
    sd: float
    seconds: float
    tries: float
    calls: int
    price_in: float = 0.0
    price_out: float = 0.0
    batched: bool = False
    batch: float = 0.5
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class CallsPerRow:
    """How many calls a stage takes per row that it is asked for, on average; `guessed` if no night has measured it."""

    mean: float = 1.0
    guessed: bool = False


@dataclass(frozen=True, slots=True)
class Error:
    """How a home's forecasts of a figure compared with the facts: the mean of log(fact / forecast), the standard
    deviation to draw with, and the degrees of freedom of Student's t that it is worth."""

    mean: float
    spread: float
    freedom: int

    def draw(self, rng: np.random.Generator) -> Floats:
        """Return factors (DRAWS,) on a figure."""
        return np.exp(self.mean + self.spread * rng.standard_t(self.freedom, DRAWS))


def error_of(name: str, logs: Sequence[float], *, guessed: bool) -> Error:
    """Return the error of a figure ("calls", "tokens" per call, "seconds") after nights with these values of
    log(fact / forecast)."""
    spread = (GUESSED_SPREAD if guessed else MEASURED)[name]
    count = len(logs)
    mean = float(np.sum(logs)) / (count + PRIOR_NIGHTS)
    squares = PRIOR_NIGHTS * spread**2 + float(np.sum((np.asarray(logs) - mean) ** 2))
    freedom = PRIOR_NIGHTS + count
    return Error(mean, (squares / freedom * (1 + 1 / freedom)) ** 0.5, freedom)


@dataclass(frozen=True, slots=True)
class Selecting:
    """A selector. calls: completions that it requests per question that comes to it. kept: the share of rows that it keeps. whole: it
    chooses after the waves for the target, and waves that are left write rows in place of those that it drops."""

    name: str
    calls: float
    kept: KeptShare
    whole: bool


@dataclass(frozen=True, slots=True)
class NightPlan:
    """The night to forecast.

    cells: topics that questions are requested for, each in separate calls.
    shares: KeptShare by stage: written, novel, solved, verified, scored, and judged (what the critic is asked about).
    per_missing: questions of a wave for each missing row at most.
    usable: rows that the mixture can take per novel question, as a share of `best`.
    known: questions with known answers on which the votes are calibrated.
    writers: method -> weight; those without `prices` call no model. aimed: the method that writes the part `reserved` of the target.
    solvers: writers whose rows are solutions of questions that exist, so that `solve` requests no others for them.
    per_row: the calls of methods per row that they are asked for, instead of one per `per_call` rows; and of `solve` per sample.
    texts: those whose concepts the teacher is asked for, one call each.
    measured: near pairs that the critic reads once, to measure what the decontamination rules find.
    unchecked: published rows that are compared with benchmarks for the first time.
    near: near pairs per compared row; None if the critic is not asked about any.
    sampled: the share of `samples` that is requested where the votes decide how many; None: all of them.
    canaries: solutions with a known judgement in each batch of the critic, of `shard_rows` questions. least_canaries: in the night.
    known_questions: with known answers in each shard of `shard_rows` questions that are solved, one per EVERY questions at most.
    selectors: those that choose among the accepted rows, in order.
    overhead: seconds per solution besides waiting for models. start: seconds per run.
    errors: how earlier forecasts of calls, tokens per call and seconds compared with the facts.
    """

    target: int
    waves: int
    per_call: int
    cells: int
    samples: int
    best: int
    reserved: float
    probes: int
    known: int
    shares: Mapping[str, KeptShare]
    usable: KeptShare
    writers: Mapping[str, float]
    prices: Mapping[str, Sequence[Price]]
    aimed: str = ""
    per_missing: float = 5.0
    judged: bool = True
    in_flight: int = 64
    overhead: float = 0.01
    start: float = 20.0
    usd: float | None = None
    tokens: float | None = None
    seconds: float | None = None
    batch: bool = False
    measured: float = 0.0
    unchecked: float = 0.0
    near: KeptShare | None = None
    sampled: KeptShare | None = None
    canaries: int = 0
    least_canaries: int = 0
    known_questions: int = 0
    texts: int = 0
    solvers: frozenset[str] = frozenset()
    per_row: Mapping[str, CallsPerRow] = field(default_factory=dict)
    shard_rows: int = 256
    selectors: Sequence[Selecting] = ()
    errors: Mapping[str, Error] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Forecast:
    """The forecast of a night.

    figures: (low, likely, high) by figure. stages: by role, model and tag what each adds to the likely figures, which are their
    sums. ends: the share of simulated nights that each limit ended. history: calls that the figures are measured on. guessed: what
    was not measured.
    """

    figures: dict[str, tuple[float, float, float]]
    stages: list[dict[str, Any]]
    ends: dict[str, float]
    history: int = 0
    nights: int = 0
    guessed: list[str] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """Return the forecast as it is stored in a lineage."""
        return asdict(self)


def simulate(plan: NightPlan, *, seed: int = 0) -> Forecast:
    """Simulate DRAWS nights of the plan and return the range of each figure. Equal seeds give equal forecasts."""
    rng = np.random.default_rng(seed)
    share = {name: measured.draw(rng) for name, measured in plan.shares.items()}
    novel = share["written"] * share["novel"]
    per_question = novel * plan.usable.draw(rng) * plan.best
    left, comes, thinned = np.ones(DRAWS), {}, np.ones(DRAWS)
    for one in sorted(plan.selectors, key=lambda one: one.whole):
        comes[one.name], share_kept = left, one.kept.draw(rng)
        left = left * share_kept
        if one.whole:
            thinned = thinned * share_kept
        else:
            per_question = per_question * share_kept
    questions, orders, aimed, batches, short = _waves(plan, per_question, novel, thinned)
    weights = sum(plan.writers.values())
    of_writers = questions - aimed.questions
    # rows that are solutions already, and those that are questions to solve
    solved = of_writers * sum(plan.writers[name] for name in plan.solvers) / weights
    posed = questions - solved
    solutions = (posed * novel + plan.known) * plan.samples
    if plan.sampled is not None:
        solutions = solutions * np.maximum(plan.sampled.draw(rng), min(2 / plan.samples, 1.0))
    judged = solutions + solved * share["written"]
    calls = {
        tag: (of_writers * plan.per_row[tag].mean if tag in plan.per_row else orders) * weight / weights
        for tag, weight in plan.writers.items()
        if tag in plan.prices
    }
    if plan.aimed in plan.prices:
        calls[plan.aimed] = calls.get(plan.aimed, 0.0) + aimed.orders
    hidden = {
        "solve": np.minimum(batches * plan.known_questions, np.ceil(posed * novel / EVERY) + plan.waves)
        * (solutions / np.maximum(posed * novel + plan.known, 1))
    }
    hidden["solve"] = hidden["solve"] * plan.per_row.get("solve", CallsPerRow()).mean
    calls["solve"] = solutions * plan.per_row.get("solve", CallsPerRow()).mean + hidden["solve"]
    if plan.judged:
        asked = judged * share["solved"] * share["verified"] * share["scored"] * share["judged"]
        # a shard has at most as many as solutions that the critic is asked about
        most = np.maximum(batches * plan.canaries, plan.least_canaries if plan.canaries else 0)
        hidden["critique"] = np.minimum(asked, most)
        calls["critique"] = asked + hidden["critique"]
    if plan.near is not None:
        compared = judged * share["solved"] * share["verified"] * share["scored"] + plan.unchecked
        calls["decontaminate"] = plan.measured * _around(rng, 0.2) + compared * plan.near.draw(rng)
    for one in plan.selectors:
        if one.calls:
            calls[one.name] = questions * novel * comes[one.name] * one.calls
    if plan.texts:
        calls["extract_concepts"] = np.full(DRAWS, float(plan.texts))
    if plan.probes:
        calls["probe"] = np.full(DRAWS, float(plan.probes))
    guessed = {
        tag: plan.per_row.get(tag, CallsPerRow()).guessed
        or any(not price.calls for price in plan.prices[tag])
        for tag in calls
    }
    # what was measured has the error that forecasts have had, what was not a wider one, each one error for all of its parts
    factors = {
        kind: {
            name: (error_of(name, (), guessed=True) if kind else _measured(plan, name)).draw(rng)
            for name in MEASURED
        }
        for kind in (False, True)
    }
    batch = np.zeros(DRAWS)
    own_time = plan.start + solutions * plan.overhead * _around(rng, 0.25)
    wall = own_time * factors[guessed["solve"]]["seconds"]
    stages: list[dict[str, Any]] = []
    hidden_shares = []
    added: dict[str, list[Floats]] = {name: [] for name in ADDED}  # what each line adds to the sums
    parts = [(tag, count, price) for tag, count in calls.items() for price in plan.prices[tag]]
    for tag, count, price in parts:
        factor = factors[guessed[tag]]
        paid = np.ceil(count) * price.share * price.tries
        unsure = (
            0.5 if not price.calls else 0.04 + price.sd / max(price.completion_tokens, 1) / price.calls**0.5
        )
        tokens_in = paid * price.prompt_tokens * _around(rng, unsure / 2)
        tokens_out = paid * price.completion_tokens * _around(rng, unsure)
        usd = (tokens_in * price.price_in + tokens_out * price.price_out) / 1e6
        per_night = factor["calls"] * factor["tokens"]
        for name, values in (
            ("calls", paid * factor["calls"]),
            ("prompt_tokens", tokens_in * per_night),
            ("completion_tokens", tokens_out * per_night),
            ("usd", usd * per_night),
        ):
            added[name].append(values)
        batch = batch + usd * per_night * (price.batch if price.batched else 1.0)
        busy = paid * price.seconds / np.clip(paid, 1, plan.in_flight) * _around(rng, 0.1 + unsure / 2)
        wall = wall + busy * factor["seconds"]
        expected = float(np.mean(count))
        hidden_shares.append(float(np.mean(hidden[tag])) / expected if tag in hidden and expected else 0.0)
        stages.append(
            {
                "role": price.role,
                "model": price.model,
                "stage": tag,
                "guessed": guessed[tag],
            }
        )
    accepted = np.minimum(plan.target, questions * per_question * thinned)
    called, online = (sum(added[name], np.zeros(DRAWS)) for name in ("calls", "usd"))
    tokens = sum((*added["prompt_tokens"], *added["completion_tokens"]), np.zeros(DRAWS))
    cut, ends = _limits(plan, batch if plan.batch else online, tokens, wall, accepted, short)
    figures = {
        "questions": questions * factors[guessed["solve"]]["calls"] * cut,
        "calls": called * cut,
        "tokens": tokens * cut,
        "usd": online * cut,
        "usd_batch": batch * cut,
        "seconds": wall * cut,
        "accepted": np.floor(accepted * cut),
    }
    triples = {name: _triple(values) for name, values in figures.items()}
    for figure, names in SUMMED.items():
        places = [(number, name) for number in range(len(stages)) for name in names]
        divided = _divided(triples[figure][1], [added[name][number] * cut for number, name in places])
        for (number, name), value in zip(places, divided, strict=True):
            stages[number][name] = value
    for line, share_hidden in zip(stages, hidden_shares, strict=True):
        line["canaries"] = line["calls"] * share_hidden
    return Forecast(
        triples,
        stages,
        ends,
        sum(price.calls for prices in plan.prices.values() for price in prices),
        guessed=sorted(
            {name for name, measured in plan.shares.items() if measured.guessed}
            | {one.name for one in plan.selectors if one.kept.guessed}
            | ({"near"} if plan.near is not None and plan.near.guessed else set())
            | {tag for tag in calls if guessed[tag]}
        ),
    )


def _divided(likely: float, parts: Sequence[Floats]) -> list[float]:
    """Return what each part of a sum adds to its likely value, so that the parts sum to it."""
    weights = [float(np.median(part)) for part in parts]
    if not sum(weights):  # parts that most nights have none of
        weights = [float(np.mean(part)) for part in parts]
    total = sum(weights)
    return [likely * weight / total if total else 0.0 for weight in weights]


def _measured(plan: NightPlan, name: str) -> Error:
    """Return the error of a figure that rests on measurements."""
    return plan.errors.get(name) or error_of(name, (), guessed=False)


@dataclass(frozen=True, slots=True)
class _Aimed:
    """The questions, and the calls for them, that the method for failures of the student writes."""

    questions: Floats
    orders: Floats


def _waves(
    plan: NightPlan, per_question: Floats, novel: Floats, thinned: Floats
) -> tuple[Floats, Floats, _Aimed, Floats, npt.NDArray[np.bool_]]:
    """Return the questions that the flow would request in all, the calls of the writers, what is written for failures, the batches of the
    critic, and whether the waves were used up before the target, each (DRAWS,)."""
    questions, orders, accepted = np.zeros(DRAWS), np.zeros(DRAWS), np.zeros(DRAWS)
    aimed = _Aimed(np.zeros(DRAWS), np.zeros(DRAWS))
    batches = np.full(DRAWS, np.ceil(plan.known / plan.shard_rows))
    parts = [plan.target * (1 - plan.reserved)] + [float(plan.target)] * (
        plan.waves if plan.reserved else plan.waves - 1
    )
    for number, part in enumerate(parts[: plan.waves + bool(plan.reserved)]):
        until = np.where(accepted < plan.target - 1, part, plan.target / np.maximum(thinned, 1e-9))
        missing = np.maximum(0.0, until - accepted)
        measured = np.where(questions > 0, accepted / np.maximum(questions, 1), 0.0)
        rate = np.where(measured > 0, measured, plan.best * FIRST_GUESS)
        more = np.where(missing >= 1, np.ceil(missing * np.minimum(MARGIN / rate, plan.per_missing)), 0.0)
        calls = np.minimum(more, plan.cells) * np.ceil(np.maximum(more / plan.cells, 1) / plan.per_call)
        if plan.reserved and number == 1:  # what the first wave leaves of the target
            aimed = _Aimed(more, calls)
        else:
            orders = orders + calls
        batches = batches + np.ceil(more * novel / plan.shard_rows)
        questions, accepted = questions + more, accepted + more * per_question
    return questions, orders, aimed, batches, accepted * thinned < plan.target - 1


def _limits(
    plan: NightPlan,
    usd: Floats,
    tokens: Floats,
    seconds: Floats,
    accepted: Floats,
    short: npt.NDArray[np.bool_],
) -> tuple[Floats, dict[str, float]]:
    """Return the share (DRAWS,) of each simulated night that fits into its budget, and how often each limit came first."""
    caps = [("usd", plan.usd, usd), ("tokens", plan.tokens, tokens), ("deadline", plan.seconds, seconds)]
    left = np.array(
        [np.ones(DRAWS)] + [cap / np.maximum(need, 1e-12) for _, cap, need in caps if cap is not None]
    )
    first, cut = left.argmin(axis=0), np.minimum(1.0, left.min(axis=0))
    names = ["", *(name for name, cap, _ in caps if cap is not None)]
    ends = {name: float((first == i).mean()) for i, name in enumerate(names) if i}
    within = first == 0
    ends["waves"] = float((within & short).mean())
    ends["target"] = float((within & ~short).mean())
    return cut, {name: value for name, value in ends.items() if value > 0}


def _around(rng: np.random.Generator, spread: float) -> Floats:
    """Return factors (DRAWS,) around 1, at least a tenth."""
    return np.maximum(0.1, rng.normal(1.0, spread, DRAWS))


def _triple(values: Floats) -> tuple[float, float, float]:
    low, likely, high = np.percentile(values, RANGE)
    return float(low), float(likely), float(high)
