"""Gathers what the forecast of a night is computed from: its configuration, past nights and the ledger's calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from flows.config.nightly import Nightly
from flows.runner.resources import Tools
from flows.runner.seed_files import seed_files
from flows.settings import NIGHT_ROLES, Settings
from storage.counting import counted
from storage.ledger import UsageTotals
from tasks.concepts.extraction import PROMPT as EXTRACTION
from tasks.concepts.extraction import without_concepts
from tasks.forecast import Forecast, ForecastInputs, forecast
from tasks.methods import texts_to_index
from tasks.points_in_time import moment
from tasks.selection import calls_of
from tasks.stages.ingest import ingest

MOST_NIGHTS = 10  # past nights that count, the newest ones


def forecast_of(config: Nightly, tools: Tools) -> Forecast:
    """Return the forecast of a night from the history of this home. No model is called."""
    versions = tools.store.versions(config.dataset)
    inputs = inputs_of(
        config,
        tools.settings,
        nights=past_nights(tools),
        calls=tools.ledger().history(),
        published=versions[-1].rows if versions else 0,
        texts=_texts(config, tools),
    )
    return forecast(inputs, seed=config.seed)


def inputs_of(
    config: Nightly,
    settings: Settings,
    *,
    nights: Sequence[Mapping[str, Any]],
    calls: Sequence[UsageTotals],
    published: int = 0,
    texts: int = 0,
) -> ForecastInputs:
    """Return what the forecast of a night is computed from. `published`: rows of the version that it builds on. texts: those whose
    concepts the teacher is asked for."""
    selecting = {
        model
        for name, given in config.select.by.items()
        for model in calls_of(name, given, config.generate.methods)
    }
    return ForecastInputs(
        target=config.target,
        generate=config.generate,
        solve=config.solve,
        mix=config.mix,
        weakness=config.weakness,
        decontaminate=config.decontaminate,
        scorers=config.score.scorers,
        known=config.verify.known,
        select=config.select,
        endpoints={name: settings.mix(name) for name in sorted({*NIGHT_ROLES, *selecting})},
        nights=nights,
        calls=calls,
        in_flight=settings.in_flight,
        usd=config.budget.usd,
        tokens=config.budget.tokens,
        seconds=_until(config.budget.deadline),
        batch=config.answers == "batch",
        published=published,
        texts=texts,
        canaries=config.score.canaries,
        least_canaries=config.score.least_canaries,
        shard_rows=config.shard_rows,
    )


def _texts(config: Nightly, tools: Tools) -> int:
    """Return how many texts of the seeds and the material have no concepts, no more than the night may ask about. Those that earlier
    nights asked about are answered by the ledger."""
    most = texts_to_index(config.generate.methods, config.generate.settings)
    if not most:
        return 0
    versions = [tools.store.resolve(name) for name in config.material.versions]
    tables = [ingest(seed_files(config), default_license=config.seeds.license).table]
    tables += [tools.store.sample(one, config.material.most, 0, tables[0].column_names) for one in versions]
    asked: int = sum(
        line["kept"] + line["rejected"]
        for night in past_nights(tools)
        for line in night["funnel"]
        if line["stage"] == EXTRACTION
    )
    texts = without_concepts(pa.concat_tables(tables)).num_rows
    return int(max(0, min(most, texts - asked)))


def past_nights(tools: Tools) -> list[Mapping[str, Any]]:
    """Return the lineages of the newest published nights of all datasets, oldest first."""
    nights = [
        v for v in tools.store.every_version() if v.lineage.get("flow") == "nightly" and "ended" in v.lineage
    ]
    return [v.lineage for v in sorted(nights, key=lambda v: v.created)[-MOST_NIGHTS:]]


def notice(record: Mapping[str, Any]) -> str:
    """Return a line about the calls for decontamination in the record of a forecast; empty if there are none."""
    calls = sum(line["calls"] for line in record.get("stages", ()) if line["stage"] == "decontaminate")
    if calls < 1:
        return ""
    return (
        f"Decontamination asks the critic about {counted(round(calls), 'near pair')}, for the registered benchmarks "
        "(most of them once, to measure the rules); decontaminate.ask=false asks nothing"
    )


def canary_notice(record: Mapping[str, Any]) -> str:
    """Return a line about the calls for canaries in the record of a forecast; empty if there are none."""
    stages = [line for line in record.get("stages", ()) if line.get("canaries", 0) >= 0.5]
    if not stages:
        return ""
    calls: Counter[str] = Counter()
    tokens = 0.0
    for line in stages:
        calls[line["role"]] += line["canaries"]
        tokens += (
            (line["prompt_tokens"] + line["completion_tokens"]) * line["canaries"] / max(line["calls"], 1)
        )
    by_role = " and ".join(f"{round(number):,} of the {role}" for role, number in sorted(calls.items()))
    return (
        f"Canaries: of these calls {by_role} are for solutions and questions that are known, about {tokens:,.0f} tokens; "
        "score.canaries=0 and solve.canaries=0 ask nothing"
    )


def _until(deadline: str | None) -> float | None:
    """Return the seconds from now to the deadline, at least 1."""
    if deadline is None:
        return None
    now = datetime.now().astimezone()
    return max(1.0, (moment(deadline, now) - now).total_seconds())
