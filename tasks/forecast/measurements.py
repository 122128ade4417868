"""Measures what a simulated night is drawn from: shares, prices and errors of earlier forecasts.

They come from the lineages of published nights and from the ledger's calls. Where nothing was measured yet, the guesses
of this module are used.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import prompts
from storage.ledger import UsageTotals
from tasks.decontamination.benchmarks import Benchmarks
from tasks.decontamination.certificate import Certificate, planted
from tasks.forecast.simulation import MEASURED, CallsPerRow, KeptShare, NightPlan, Price, Selecting, error_of
from tasks.interleaving import CALLS
from tasks.llm.endpoint import Endpoint
from tasks.methods import PLUGINS, asks_model, calls_model, calls_per_row, method, role_of
from tasks.plugins import names
from tasks.scorers import scorer
from tasks.selection import calls_of, selector
from tasks.splitting import shares_of_formats
from tasks.stages.decontaminate import DecontaminateSettings
from tasks.stages.generate import GenerateSettings
from tasks.stages.mix import MixSettings
from tasks.stages.retrieve import AIMED, WeaknessSettings
from tasks.stages.select import STAGE as SELECT
from tasks.stages.select import SelectSettings
from tasks.stages.solve import SolveSettings
from tasks.taxonomy import SUBDOMAINS

# rows kept of a hundred, where no night was published yet
GUESSES = {
    "written": 93,
    "novel": 85,
    "solved": 95,
    "sampled": 65,
    "verified": 80,
    "scored": 95,
    "judged": 40,
    "usable": 75,
    "near": 5,
    "selected": 50,
}
ROLE_OF = {
    "extract_concepts": "teacher",
    "solve": "reasoner",
    "critique": "critic",
    "decontaminate": "critic",
    "probe": "student",
}  # the others are those of the methods
PROMPT_OF = {
    "solve": "solve_cot",
    "probe": "solve_cot",
    "sample": "solve_cot",
    "decontaminate": "same_problem",
}  # where a stage's prompt has another name
OTHERS = (
    "seeds",
    "known answers",
)  # ends of the titles of funnel lines about questions that the teacher did not write
PROBES = 144  # problems of the project's own probe set
# near pairs per leak that is planted to measure the rules; between 1.1 and 1.3 on sets of 1 to 300
NEAR_PER_LEAK = 1.2
SECONDS_PER_CALL = 5.0  # guess for an endpoint that was never called


@dataclass(frozen=True, slots=True)
class ForecastInputs:
    """What the forecast of a night is computed from.

    known: share of the target that is solved to calibrate the votes. usd, tokens, seconds: the limits; None: there is
    none. in_flight: most calls in flight per role. endpoints: by role or checkpoint, each of its models with its weight. nights: lineages of published nights, oldest
    first. calls: those of the ledger. published: rows of the version that the night builds on. texts: those whose concepts are extracted.
    canaries: those in each batch of the critic, of `shard_rows` questions. least_canaries: those in a night, at least.
    """

    target: int
    generate: GenerateSettings
    solve: SolveSettings
    mix: MixSettings
    weakness: WeaknessSettings
    decontaminate: DecontaminateSettings
    scorers: Sequence[str]
    known: float
    select: SelectSettings
    endpoints: Mapping[str, Sequence[tuple[Endpoint, float]]]
    nights: Sequence[Mapping[str, Any]]
    calls: Sequence[UsageTotals]
    in_flight: int = 64
    usd: float | None = None
    tokens: float | None = None
    seconds: float | None = None
    batch: bool = False
    published: int = 0
    texts: int = 0
    canaries: int = 0
    least_canaries: int = 0
    shard_rows: int = 256


def plan_of(inputs: ForecastInputs) -> NightPlan:
    """Return the plan that nights are simulated from."""
    nights = inputs.nights
    generate, mix = inputs.generate, inputs.mix
    funnels = [line for night in nights for line in night["funnel"]]
    asked_by = {name: calls_of(name, given, generate.methods) for name, given in inputs.select.by.items()}
    asking = [name for name in generate.methods if calls_model(name)]
    by_role = {name: calls for name in asking if (calls := _calls_of_method(name, inputs)) is not None}
    plan = NightPlan(
        target=inputs.target,
        waves=generate.waves,
        per_missing=generate.per_missing,
        per_call=generate.per_call,
        cells=len(generate.languages) * len(generate.subdomains or SUBDOMAINS),
        samples=inputs.solve.samples,
        best=min(mix.per_problem, inputs.solve.samples),
        reserved=inputs.weakness.share,
        aimed=AIMED if inputs.weakness.share else "",
        known=math.ceil(inputs.known * inputs.target),
        probes=PROBES if inputs.weakness.share else 0,
        shares={
            "written": _share("written", funnels, ["generate"]),
            "novel": _share("novel", funnels, ["similarity"]),
            "solved": _share("solved", funnels, ["solve"]),
            "verified": _share("verified", funnels, ["verify"]),
            "scored": _share("scored", funnels, [name for name in inputs.scorers if name != "critique"]),
            "judged": _judged(nights),
        },
        usable=_usable(nights),
        sampled=_sampled(nights) if inputs.solve.adaptive else None,
        writers=dict(generate.methods),
        solvers=frozenset(name for name in generate.methods if method(name).makes == "solutions"),
        texts=inputs.texts,
        prices={
            tag: _prices(tag, inputs)
            for tag in (
                *(name for name in asking if name not in by_role),
                *([AIMED] if inputs.weakness.share else []),
                "solve",
                "critique",
                "decontaminate",
                "probe",
                *(["extract_concepts"] if inputs.texts else []),
            )
        }
        | {
            name: _prices_by_role(name, {role: calls.mean for role, calls in of_roles.items()}, inputs)
            for name, of_roles in by_role.items()
        }
        | {name: _prices_by_role(name, asked, inputs) for name, asked in asked_by.items()},
        selectors=[
            Selecting(name, sum(asked.values()), _selected(name, nights), selector(name).whole)
            for name, asked in asked_by.items()
        ],
        judged=any("critic" in scorer(name).needs for name in inputs.scorers),
        canaries=inputs.canaries,
        least_canaries=inputs.least_canaries,
        known_questions=inputs.solve.canaries,
        shard_rows=inputs.shard_rows,
        in_flight=inputs.in_flight,
        usd=inputs.usd,
        tokens=inputs.tokens,
        seconds=inputs.seconds,
        batch=inputs.batch,
        **_decontamination(inputs),
    )
    errors = {name: error_of(name, logs, guessed=False) for name, logs in _errors(nights).items()}
    return replace(_paced(plan, nights), errors=errors, per_row=_per_row(plan, by_role, inputs))


def _decontamination(inputs: ForecastInputs) -> dict[str, Any]:
    """Return what the critic is asked for decontamination: nothing without benchmarks.

    To measure the rules it is asked nothing if a night has measured the same rules on the same files, since those
    completions are in the ledger.
    """
    settings = inputs.decontaminate
    if not settings.benchmarks or not settings.ask:
        return {}
    benchmarks = Benchmarks.load(settings.benchmarks)
    rows = pairs = 0
    known = False
    for night in inputs.nights:
        certificate = (
            Certificate.from_dict(night["decontamination"]) if night.get("decontamination") else None
        )
        if certificate is None or not certificate.sets:
            continue
        rows, pairs = rows + certificate.rows, pairs + sum(certificate.judged.values())
        known |= bool(certificate.judged) and not certificate.missing(benchmarks, settings.rules).files
    near = KeptShare(min(pairs, rows), rows) if rows else KeptShare(GUESSES["near"], 100, guessed=True)
    if known:
        return {"near": near}
    measured = NEAR_PER_LEAK * planted(benchmarks.items(), settings.planted)
    return {"near": near, "measured": measured, "unchecked": float(inputs.published if measured else 0)}


def _errors(nights: Iterable[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Return log(fact / forecast) of past nights by figure: of forecasts that rested on measurements, of nights that
    ran to their target, and of durations of nights that were neither resumed nor answered by the ledger."""
    logs: dict[str, list[float]] = {name: [] for name in MEASURED}
    for night in nights:
        forecast, ended = night.get("forecast") or {}, night["ended"]
        figures = forecast.get("figures")
        if not figures or "solve" in forecast.get("guessed", ("solve",)) or ended["by"] != "target":
            continue
        costs = night["costs"]
        calls = sum(cost["completions"] for cost in costs)
        tokens = sum(cost["prompt_tokens"] + cost["completion_tokens"] for cost in costs)
        expected = {name: figures[name][1] for name in ("calls", "tokens", "seconds")}
        if not all((calls, tokens, ended["seconds"], *expected.values())):
            continue
        logs["calls"].append(math.log(calls / expected["calls"]))
        logs["tokens"].append(math.log(tokens / calls / (expected["tokens"] / expected["calls"])))
        if not _replayed(night):
            logs["seconds"].append(math.log(ended["seconds"] / expected["seconds"]))
    return logs


def _replayed(night: Mapping[str, Any]) -> bool:
    """Return whether the night's duration is no measure: it was resumed, or the ledger answered much of it."""
    completions = sum(cost["completions"] for cost in night["costs"])
    cached = sum(cost["cached"] for cost in night["costs"])
    return bool(night["ended"]["resumed"] or cached > 0.2 * completions)


def _share(name: str, funnel: Iterable[Mapping[str, Any]], stages: list[str]) -> KeptShare:
    """Return the share of rows that the stages kept, of questions that the teacher wrote."""
    lines = [line for line in funnel if line["stage"] in stages and not line["title"].endswith(OTHERS)]
    asked, kept = sum(line["asked"] for line in lines), sum(line["kept"] for line in lines)
    if not stages:
        return KeptShare(1, 1)
    return KeptShare(kept, asked) if asked else KeptShare(GUESSES[name], 100, guessed=True)


def _judged(nights: Iterable[Mapping[str, Any]]) -> KeptShare:
    """Return the share of rows that the critic was asked about, of those that came to it."""
    came = sum(line["asked"] for night in nights for line in night["funnel"] if line["stage"] == "critique")
    asked = sum(_critiques(night) for night in nights)
    return KeptShare(min(asked, came), came) if came else KeptShare(GUESSES["judged"], 100, guessed=True)


def _critiques(night: Mapping[str, Any]) -> int:
    """Return the completions of the stage critique on rows: those of the critic without those for decontamination and those on
    canaries."""
    records = [record for record in night.get("canaries") or () if record["role"] == "critic"]
    canaries = int(sum(record["calls"] for record in records))
    if (night.get("decontamination") or {}).get("sets"):
        calls = int(sum(line["calls"] for line in night["service"] if line["tag"] == "critique"))
    else:
        calls = int(sum(cost["completions"] for cost in night["costs"] if cost["role"] == "critic"))
    return max(0, calls - canaries)


def _usable(nights: Iterable[Mapping[str, Any]]) -> KeptShare:
    """Return the share of rows that the mixtures could take, of those that the novel questions could have given."""
    usable = possible = 0.0
    for night in nights:
        novel = sum(line["kept"] for line in night["funnel"] if line["stage"] == "similarity")
        parameters = night["parameters"]
        best = min(parameters["mix"]["per_problem"], parameters["solve"]["samples"])
        # what its selectors dropped could have been taken
        taken = math.prod(
            _selected(name, [night]).mean() for name in parameters.get("select", {}).get("by", {})
        )
        usable, possible = usable + night["ended"]["accepted"] / taken, possible + novel * best
    return KeptShare(usable, possible) if possible else KeptShare(GUESSES["usable"], 100, guessed=True)


def _selected(name: str, nights: Iterable[Mapping[str, Any]]) -> KeptShare:
    """Return the share of the rows that came to a selector which it kept."""
    lines = [line for night in nights for line in night["funnel"]]
    return _share("selected", [line for line in lines if f" by {name}," in line["title"]], [SELECT])


def _sampled(nights: Iterable[Mapping[str, Any]]) -> KeptShare:
    """Return the share of the samples that nights with solve.adaptive asked for, of those that they could have."""
    asked = possible = 0
    for night in nights:
        solve = night["parameters"]["solve"]
        if solve.get("adaptive"):
            lines = [line for line in night["funnel"] if not line["title"].endswith("known answers")]
            asked += sum(line["asked"] for line in lines if line["stage"] == "solve")
            # de-duplication may go on after `similarity`; what it keeps last is what is solved
            stage = "semantic" if any(line["stage"] == "semantic" for line in lines) else "similarity"
            possible += solve["samples"] * sum(line["kept"] for line in lines if line["stage"] == stage)
    return KeptShare(asked, possible) if possible else KeptShare(GUESSES["sampled"], 100, guessed=True)


def _calls_of_method(name: str, inputs: ForecastInputs) -> dict[str, CallsPerRow] | None:
    """Return how many calls of each role a method takes per row that it is asked for: as earlier nights have measured it where it can
    vary, else as the method states it. None: its calls are for several rows."""
    stated = calls_per_row(name, inputs.generate.settings.get(name, {}))
    if stated is None:
        return None
    if list(stated.values()) == [1.0]:
        return {role: CallsPerRow() for role in stated}
    return {
        role: _measured_per_row(name, role, inputs) or CallsPerRow(calls, guessed=True)
        for role, calls in stated.items()
    }


def _per_row(
    plan: NightPlan, by_role: Mapping[str, Mapping[str, CallsPerRow]], inputs: ForecastInputs
) -> dict[str, CallsPerRow]:
    """Return how many calls methods take per row that they are asked for, of all roles, and `solve` per sample."""
    per_row = {
        name: CallsPerRow(sum(one.mean for one in calls.values()), any(one.guessed for one in calls.values()))
        for name, calls in by_role.items()
    }
    if share := _interleaved_share(inputs.solve):
        alike = [night for night in inputs.nights if _same_formats(night, inputs.solve)]
        stated_share = CallsPerRow(1 + share * (CALLS - 1), guessed=True)
        per_row["solve"] = _measured_per_sample(plan, alike) or stated_share
    return per_row


def _measured_per_row(name: str, role: str, inputs: ForecastInputs) -> CallsPerRow | None:
    """Return the calls of a role by a method per row that it was asked for, None if no night has measured it."""
    calls = rows = 0
    for night in inputs.nights:
        requested = sum(line["requested"] for line in night.get("methods", ()) if line["method"] == name)
        if requested and not _replayed(night):
            served = [line for line in night["service"] if (line["tag"], line["role"]) == (name, role)]
            calls += sum(line["calls"] for line in served)
            rows += requested
    tries = _tries(_prices_by_role(name, {role: 1.0}, inputs)) if calls else 1.0
    return CallsPerRow(calls / rows / tries) if calls else None


def _measured_per_sample(plan: NightPlan, nights: Iterable[Mapping[str, Any]]) -> CallsPerRow | None:
    """Return the calls of the stage solve per sample that it was asked for, None if no night has measured it."""
    calls = samples = 0
    for night in nights:
        if _replayed(night):
            continue
        hidden = [one for one in night.get("canaries") or () if one["role"] == "reasoner"]
        calls += sum(line["calls"] for line in night["service"] if line.get("tag") == "solve")
        calls -= int(sum(record["calls"] for record in hidden))
        samples += sum(line["asked"] for line in night["funnel"] if line["stage"] == "solve")
    return CallsPerRow(calls / samples / _tries(plan.prices["solve"])) if calls > 0 and samples else None


def _tries(prices: Sequence[Price]) -> float:
    """Return the calls paid per completion, over the models that share a stage."""
    return sum(price.tries * price.share for price in prices)


def _interleaved_share(settings: SolveSettings) -> float:
    """Return the expected share of interleaved samples; where the parts of a question decide, that of a question of both kinds."""
    return settings.tir_share if settings.split == "off" else max(shares_of_formats(0.5).values())


def _same_formats(night: Mapping[str, Any], settings: SolveSettings) -> bool:
    solve = night["parameters"]["solve"]
    return all(solve.get(name) == getattr(settings, name) for name in ("tir_share", "split"))


def _prices(tag: str, inputs: ForecastInputs) -> list[Price]:
    """Return what a call of this stage takes, for each model that answers it."""
    role = ROLE_OF[tag] if tag in ROLE_OF else role_of(tag)
    return _prices_by_role(tag, {role: 1.0}, inputs)


def _prices_by_role(tag: str, asked: Mapping[str, float], inputs: ForecastInputs) -> list[Price]:
    """Return what a call of a stage, method or selector takes, for each model that it asks. asked: its calls by role or checkpoint, of
    which each has its share."""
    return [
        price_of_call(
            tag,
            endpoint,
            weight / sum(weight for _, weight in members) * calls / sum(asked.values()),
            inputs.calls,
        )
        for role, calls in asked.items()
        if calls
        for members in [inputs.endpoints[role]]
        for endpoint, weight in members
    ]


def price_of_call(tag: str, endpoint: Endpoint, share: float, measured: Sequence[UsageTotals]) -> Price:
    """Return what a call of the stage `tag` takes, of whose calls the model answers `share`: measured on this model if it was ever asked, else on any, else guessed.

    Answers of other models say nothing about the length of those of a model that thinks.
    """
    is_method = tag in names(PLUGINS)
    solves = is_method and endpoint.role != role_of(tag)  # a second role of a method solves its questions
    of_stage = [
        group
        for group in measured
        if group.tag == tag and group.completions and (not is_method or group.role == endpoint.role)
    ]
    if solves and not of_stage:
        of_stage = [group for group in measured if group.tag == "solve" and group.completions]
    groups = [group for group in of_stage if group.model == endpoint.model]
    groups = groups or ([] if endpoint.sampling.reasoning else of_stage)
    calls = sum(group.calls for group in groups)
    own: dict[str, Any] = {
        "role": endpoint.role,
        "model": endpoint.model,
        "share": share,
        "price_in": endpoint.price.prompt,
        "price_out": endpoint.price.completion,
        "batch": endpoint.price.batch,
        "batched": bool(endpoint.base_urls),
    }
    if not calls:
        name = PROMPT_OF.get("solve" if solves else tag, tag)
        if is_method and not solves:
            name = asks_model(tag).prompt
        # selectors ask for solutions
        known = name if f"{name}.en" in prompts.names() else "solve_cot"
        prompt = prompts.load(known, overlay=endpoint.prompts)
        limit = endpoint.sampling.limit(prompt.front.max_tokens)
        return Price(
            prompt_tokens=len(prompt.body) / 4 + 200, completion_tokens=limit * 0.3, sd=0.0,
            seconds=SECONDS_PER_CALL, tries=1.02, calls=0, **own,
        )  # fmt: skip

    def mean(name: str) -> float:
        return float(sum(getattr(group, name) * group.calls for group in groups) / calls)

    return Price(
        prompt_tokens=sum(group.prompt_tokens for group in groups) / calls,
        completion_tokens=sum(group.completion_tokens for group in groups) / calls,
        sd=mean("completion_sd"),
        seconds=mean("mean_elapsed"),
        tries=calls / sum(group.completions for group in groups),
        calls=calls if groups[0].model == endpoint.model else 0,
        **own,
    )


def _paced(plan: NightPlan, nights: Iterable[Mapping[str, Any]]) -> NightPlan:
    """Add the time that earlier nights took besides waiting for models. Resumed nights, and nights that the ledger
    answered, are left out."""
    solved: Counter[str] = Counter()
    for night in nights:
        ended = night["ended"]
        if _replayed(night):
            continue
        rows = sum(line["asked"] for line in night["funnel"] if line["stage"] == "solve")
        busy = sum(line["busy_s"] for line in night["service"])
        solved.update({"rows": rows, "ms": round(1000 * max(0.0, ended["seconds"] - busy - plan.start))})
    if not solved["rows"]:
        return plan
    return replace(plan, overhead=solved["ms"] / 1000 / solved["rows"])
