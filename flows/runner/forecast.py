"""A night's forecast from what this home has seen: its ledger's calls and its published nights' funnels."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import prompts
from flows.config.nightly import Nightly
from flows.runner.resources import Tools
from flows.settings import Settings
from storage.counting import counted
from storage.ledger import UsageTotals
from tasks.decontamination.benchmarks import Benchmarks
from tasks.decontamination.certificate import Certificate, planted
from tasks.forecast import MEASURED, Forecast, KeptShare, NightPlan, Price, error_of
from tasks.forecast import forecast as drawn
from tasks.points_in_time import moment
from tasks.scorers import scorer
from tasks.taxonomy import SUBDOMAINS

MOST_NIGHTS = 10  # that are looked back upon
# kept of a hundred, where no night was published yet
GUESSES = {
    "written": 93,
    "novel": 85,
    "solved": 95,
    "verified": 80,
    "scored": 95,
    "judged": 40,
    "usable": 75,
    "near": 5,
}
ROLE_OF = {
    "solve": "reasoner",
    "critique": "critic",
    "decontaminate": "critic",
    "probe": "student",
}  # the others are the teacher's
PROMPT_OF = {
    "solve": "solve_cot",
    "probe": "solve_cot",
    "decontaminate": "same_problem",
}  # where a stage's prompt has another name
OTHERS = ("seeds", "known answers")  # how titles of funnel lines end that are not of what was written
PROBES = 144  # problems of the project's own probe set
NEAR_PER_LEAK = (
    1.2  # near pairs of a leak that is planted to measure the rules; between 1.1 and 1.3 on sets of 1 to 300
)
SECONDS_A_CALL = 5.0  # guessed, of an endpoint that was never asked


def forecast(config: Nightly, tools: Tools) -> Forecast:
    """Return the forecast of a night from the history of this home; no model is asked."""
    nights = past_nights(tools)
    plan = plan_of(config, nights, tools.ledger().history(), tools.settings)
    if plan.measured and (base := tools.store.versions(config.dataset)):
        plan = replace(plan, unchecked=float(base[-1].rows))
    return replace(drawn(plan, seed=config.seed), nights=len(nights))


def plan_of(
    config: Nightly, nights: Sequence[Mapping[str, Any]], history: Sequence[UsageTotals], settings: Settings
) -> NightPlan:
    """Return what the forecast is drawn from: the configuration, lineages of past nights (oldest first), and the
    ledger's calls."""
    funnels = [line for night in nights for line in night["funnel"]]
    plan = NightPlan(
        target=config.target,
        waves=config.generate.waves,
        per_call=config.generate.per_call,
        cells=len(config.generate.languages) * len(config.generate.subdomains or SUBDOMAINS),
        samples=config.solve.samples,
        best=min(config.mix.per_problem, config.solve.samples),
        reserved=config.weakness.share,
        known=math.ceil(config.verify.known * config.target),
        probes=PROBES if config.weakness.share else 0,
        shares={
            "written": _share("written", funnels, ["generate"]),
            "novel": _share("novel", funnels, ["similarity"]),
            "solved": _share("solved", funnels, ["solve"]),
            "verified": _share("verified", funnels, ["verify"]),
            "scored": _share(
                "scored", funnels, [name for name in config.score.scorers if name != "critique"]
            ),
            "judged": _judged(nights),
        },
        usable=_usable(nights),
        writers=dict(config.generate.methods),
        prices={
            tag: _price(tag, history, settings)
            for tag in (*config.generate.methods, "solve", "critique", "decontaminate", "probe")
        },
        judged=any("critic" in scorer(name).needs for name in config.score.scorers),
        in_flight=settings.in_flight,
        usd=config.budget.usd,
        tokens=config.budget.tokens,
        seconds=_until(config.budget.deadline),
        batch=config.answers == "batch",
        **_decontamination(config, nights),
    )
    guessed = any(not plan.prices[tag].calls for tag in ("solve", *config.generate.methods))
    errors = {name: error_of(name, logs, guessed=guessed) for name, logs in _errors(nights).items()}
    return replace(_paced(plan, nights), errors={} if guessed else errors)


def _decontamination(config: Nightly, nights: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What the critic is asked for decontamination: nothing without benchmarks, and to measure the rules nothing where a
    night of this home has measured the same rules on the same files: its answers are in the ledger."""
    settings = config.decontaminate
    if not settings.benchmarks or not settings.ask:
        return {}
    benchmarks = Benchmarks.load(settings.benchmarks)
    rows = pairs = 0
    known = False
    for night in nights:
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
    return {"near": near, "measured": NEAR_PER_LEAK * planted(benchmarks.items(), settings.planted)}


def notice(record: Mapping[str, Any]) -> str:
    """One line about the calls that decontamination makes, of a forecast's record; "" where it makes none."""
    calls = sum(line["calls"] for line in record.get("stages", ()) if line["stage"] == "decontaminate")
    if calls < 1:
        return ""
    return (
        f"Decontamination asks the critic about {counted(round(calls), 'near pair')}, for the registered benchmarks "
        "(most of them once, to measure the rules); decontaminate.ask=false asks nothing"
    )


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


def past_nights(tools: Tools) -> list[Mapping[str, Any]]:
    """Lineages of the newest published nights, of every dataset."""
    store = tools.store
    versions = [version for dataset in store.datasets() for version in store.versions(dataset)]
    nights = [v for v in versions if v.lineage.get("flow") == "nightly" and "ended" in v.lineage]
    return [v.lineage for v in sorted(nights, key=lambda v: v.created)[-MOST_NIGHTS:]]


def _share(name: str, funnel: Iterable[Mapping[str, Any]], stages: list[str]) -> KeptShare:
    """What the teacher wrote counts; seeds and questions with known answers go other ways."""
    lines = [line for line in funnel if line["stage"] in stages and not line["title"].endswith(OTHERS)]
    asked, kept = sum(line["asked"] for line in lines), sum(line["kept"] for line in lines)
    if not stages:
        return KeptShare(1, 1)
    return KeptShare(kept, asked) if asked else KeptShare(GUESSES[name], 100, guessed=True)


def _judged(nights: Iterable[Mapping[str, Any]]) -> KeptShare:
    """Of the rows that came to the critic, those that it was asked about."""
    came = sum(line["asked"] for night in nights for line in night["funnel"] if line["stage"] == "critique")
    asked = sum(_critiques(night) for night in nights)
    return KeptShare(min(asked, came), came) if came else KeptShare(GUESSES["judged"], 100, guessed=True)


def _critiques(night: Mapping[str, Any]) -> int:
    """Completions of the stage critique: of the critic, without those of decontamination, where it made any."""
    if (night.get("decontamination") or {}).get("sets"):
        return sum(line["calls"] for line in night["service"] if line["tag"] == "critique")
    return sum(cost["completions"] for cost in night["costs"] if cost["role"] == "critic")


def _usable(nights: Iterable[Mapping[str, Any]]) -> KeptShare:
    """Rows that the mixtures could take, of those that their novel questions could have given."""
    usable = possible = 0.0
    for night in nights:
        novel = sum(line["kept"] for line in night["funnel"] if line["stage"] == "similarity")
        parameters = night["parameters"]
        best = min(parameters["mix"]["per_problem"], parameters["solve"]["samples"])
        usable, possible = usable + night["ended"]["accepted"], possible + novel * best
    return KeptShare(usable, possible) if possible else KeptShare(GUESSES["usable"], 100, guessed=True)


def _price(tag: str, history: Iterable[UsageTotals], settings: Settings) -> Price:
    """What a call of this stage takes: of this model if it was ever asked, else of any, else guessed."""
    role = ROLE_OF.get(tag, "teacher")
    endpoint = settings.endpoint(role)
    of_stage = [group for group in history if group.tag == tag and group.completions]
    groups = [group for group in of_stage if group.model == endpoint.model] or of_stage
    calls = sum(group.calls for group in groups)
    own: dict[str, Any] = {
        "role": role,
        "model": endpoint.model,
        "price_in": endpoint.price_in,
        "price_out": endpoint.price_out,
        "batched": bool(endpoint.base_urls),
    }
    if not calls:
        name = PROMPT_OF.get(tag, tag)
        prompt = prompts.load(name if f"{name}.en" in prompts.names() else "self_instruct")
        return Price(
            prompt_tokens=len(prompt.body) / 4 + 200, completion_tokens=prompt.front.max_tokens * 0.3, sd=0.0,
            seconds=SECONDS_A_CALL, tries=1.02, calls=0, **own,
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


def _until(deadline: str | None) -> float | None:
    if deadline is None:
        return None
    now = datetime.now().astimezone()
    return max(1.0, (moment(deadline, now) - now).total_seconds())
