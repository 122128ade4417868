"""Publishing a night: the taken rows become a version, every other row stays with its reason."""

from __future__ import annotations

import platform
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from importlib import metadata
from typing import Any

import pyarrow as pa
from prefect.runtime import flow_run

from flows.runner.after_publication import Finished, finish
from flows.runner.artifacts import refusals_shown
from flows.runner.critic_gate import trusted_critics
from flows.runner.decontamination import CERTIFY, certificate, enough_recall, standing
from flows.runner.drift_gate import drift
from flows.runner.gates import gates_of
from flows.runner.learnt_limits import token_limits
from flows.runner.method_funnel import method_funnel
from flows.runner.night import Night
from flows.runner.resources import Tools
from flows.runner.stages import FunnelEntry, Stage, Step
from flows.runner.variety import variety
from flows.runner.verifier import COLUMNS as VERIFIER_COLUMNS
from flows.runner.verifier import certified, reliable_verifier
from flows.runner.verifier import lineage_of as verifier_lineage
from flows.settings import NIGHT_ROLES
from prompts.overlay import overlaid
from storage.datasets.versions import Version, today
from storage.errors import Conflict
from storage.rows import column
from storage.stage_cache.shards import Ref
from tasks.canaries.batch import totals as canary_totals
from tasks.code_commit import code
from tasks.format_shares import FORMATS
from tasks.llm.costs import total
from tasks.llm.endpoint import Endpoint
from tasks.replies.solutions import removed_in_all
from tasks.review.refit import JUDGED
from tasks.scorers.trained_critic import judged_by
from tasks.selection import traces

PACKAGES = (
    "datasketch",
    "deltalake",
    "duckdb",
    "faiss-cpu",
    "math-verify",
    "prefect",
    "pyarrow",
    "sympy",
    "torch",
)
MOST_RACES = 10
MEASURING_COSTS = "measuring_costs"  # key of a lineage


def publish(night: Night, taken: Ref, *, again: Callable[[], Step], look: Stage, certify: Stage) -> Version:
    """Publish the new version: the rows of the base, and the chosen rows that pass the last comparison with the benchmarks
    (`certify`). Published rows that were never compared with one of them are compared now (`look`), and are left out if
    they hold an item.

    If another publisher was first, `again` (de-duplication) compares the rows with what that one published, and
    publication is tried on top of it. Raises Conflict if MOST_RACES others were first, and Finished if the other one was
    this same night, started twice.
    """
    line, config = night.line, night.config
    measured = drift(night)
    for attempt in range(MOST_RACES):
        stands = standing(line, night.base, night.inputs.against, look)
        (gated,) = line.run(
            certify, night.inputs.against.measure(), [taken], title=_counted(certify, attempt)
        )
        shown = certificate(line, gated)
        reliable = certified(
            (line.kept([ref], list(VERIFIER_COLUMNS)) for ref in [*stands, gated]), line.tools.judge()
        )
        line.store_candidates(night.inputs.run, whole=("ingest", "similarity"))
        try:
            with refusals_shown(config.dataset, line.tools.settings):
                version = line.tools.store.publish(
                    config.dataset,
                    (line.kept([ref]) for ref in [*stands, gated]),
                    mode="overwrite" if stands else "append",
                    expected=night.base.table_version if night.base else None,
                    lineage=lineage(night, gated)
                    | {
                        "decontamination": shown.to_dict(),
                        **verifier_lineage(reliable),
                        "drift": measured.record(),
                        "canaries": canary_totals(line.facts()),
                    },
                    gates=[
                        *gates_of(config.gates, new=gated.kept, dropped=partial(_why_few, night)),
                        enough_recall(shown, config.gates.min_recall),
                        reliable_verifier(reliable, config.gates),
                        measured.gate(),
                        trusted_critics(config.dataset, line.facts()),
                    ],
                    date=today(),
                )
            finish(line.tools, version)
            return version
        except Conflict:
            if attempt + 1 == MOST_RACES:
                raise
            night.rebase()
            first = night.base
            if first and (first.lineage.get("flow"), first.lineage.get("run")) == (
                config.flow,
                night.inputs.run,
            ):
                finish(line.tools, first)
                raise Finished(first, night.inputs.note) from None
            unique = again()
            title = _counted(unique.stage, attempt + 1)
            (taken,) = line.run(unique.stage, unique.call(), [taken], title=title)
    raise AssertionError("unreachable")


def _why_few(night: Night) -> str:
    """Return why there are few new rows, with a fix."""
    return night.planner.nothing_to_do() or night.line.most_dropped()


def _counted(stage: Stage, attempt: int) -> str:
    return f"{stage.title}, again ({attempt})" if attempt else stage.title


def lineage(night: Night, taken: Ref) -> dict[str, Any]:
    """Return the lineage of the version. It has names, but no address and no key."""
    line = night.line
    rows = line.kept([taken], ["prompt", "license", "rejected"])
    return {
        "flow": night.config.flow,
        "run": night.inputs.run,
        "base": str(night.base) if night.base else None,
        "inputs": night.files,
        **({"material": night.inputs.material.records()} if night.inputs.material.versions else {}),
        "prompts": prompts_of(rows),
        "parameters": night.config.model_dump(mode="json"),
        "licenses": dict(sorted(Counter(str(name) for name in column(rows, "license")).items())),
        "calibration": (night.fitted or night.calibration.to_dict())
        | ({JUDGED: night.by_people} if night.by_people else {}),
        **({FORMATS: night.formats.to_list()} if night.formats.asked else {}),
        "funnel": [funnel_line(entry) for entry in line.funnel],
        "costs": total(line.facts()),
        # the part of the costs that measures the rules, which is the same for all rows that are compared with the same benchmarks
        MEASURING_COSTS: total(line.facts_of(CERTIFY.name)),
        **token_limits(line.tools),
        "removed": removed_in_all(line.facts()),
        "variety": variety(line.funnel),
        **({"concepts": night.planner.graphs} if night.planner.graphs else {}),
        **({"traces": compared} if (compared := traces.totals(line.facts())) else {}),
        "methods": method_funnel(line, night.accepted, taken),
        "service": service(line.tools, night.inputs.run),
        "engines": engines(line.tools),
        "forecast": night.inputs.note.forecast,
        "ended": {
            "by": night.ended,
            "target": night.config.target,
            "accepted": night.worth(),
            "questions": night.planner.demand.requested.total(),
            "seconds": round(time.monotonic() - night.started, 1),
            "resumed": any(entry.from_cache for entry in line.funnel if entry.stage != "ingest"),
        },
        "retrieval": [fact["index"] for fact in line.facts() if "index" in fact],
        **judged_by(line.facts()),
        **made_with(line.tools),
    }


def made_with(tools: Tools, roles: Sequence[str] = NIGHT_ROLES) -> dict[str, Any]:
    """Return what every flow records of its environment: the run, the models of `roles`, the code, the packages."""
    return {
        "prefect_run": str(flow_run.id or ""),
        "models": {role: _models(tools.settings.mix(role)) for role in roles},
        **replaced_prompts(tools),
        "code": code(),
        "environment": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in PACKAGES},
        },
    }


def prompts_of(rows: pa.Table) -> list[str]:
    """Return the prompts that wrote the rows, each with its version."""
    return sorted({ref for ref in column(rows, "prompt") if ref})


def replaced_prompts(tools: Tools) -> dict[str, Any]:
    """Return the prompts and conditions that an overlay replaced, each with the hash of its text; empty if none is."""
    replaced = overlaid(tools.settings.overlay())
    return {"prompt_overlay": replaced} if replaced else {}


def _models(members: Sequence[tuple[Endpoint, float]]) -> dict[str, Any]:
    """Return the model of a role as lineages store it. Of several, `models` has each with its weight."""
    each = [{"model": one.model, "revision": one.revision, "weight": weight} for one, weight in members]
    names = {name: ", ".join(str(one[name]) for one in each if one[name]) for name in ("model", "revision")}
    return names | {"models": each} if len(each) > 1 else names


def service(tools: Tools, run: str) -> list[dict[str, Any]]:
    """Return what the run paid for and how it was served since its first start, one entry per role and stage. The
    retries are those of this process."""
    retries = {
        (engine.endpoint.role, engine.endpoint.model, tag): sums.retries
        for engine in tools.engines().values()
        for tag, sums in engine.stats().by_tag.items()
    }
    return [
        asdict(line) | {"retries": retries.get((line.role, line.model, line.tag), 0)}
        for line in tools.ledger().served(run)
    ]


def engines(tools: Tools) -> list[dict[str, Any]]:
    """Return the retries, failures and limits of each role's engine in this process."""
    return [
        {
            "role": role,
            "cuts": stats.cuts,
            "breaker_opened": stats.breaker_opened,
            "retries": stats.retries,
            "failed": stats.failed,
            "errors": stats.errors,
            "limit": stats.limit,
            "dialect": list(stats.dialect),
            "capped": sum(sums.capped for sums in stats.by_tag.values()),
        }
        for role, engine in tools.engines().items()
        for stats in [engine.stats()]
    ]


def funnel_line(entry: FunnelEntry) -> dict[str, Any]:
    counts = entry.balance
    return {
        "stage": entry.stage,
        "title": entry.title,
        "asked": counts.asked,
        "kept": counts.kept,
        "rejected": counts.rejected,
        "not_taken": entry.not_taken,
        "failed": counts.failed,
    }
