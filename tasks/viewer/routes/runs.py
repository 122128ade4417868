"""Runs that have not ended, and the same numbers for Prometheus.

What is shown comes from the notes that runs keep in the home, from what a night says of itself every few seconds (its funnel, the stages
that run, its endpoints), and from the ledger: what a run has paid, how many of the calls of its forecast it has made, how long it may
still take, and how the endpoints answer.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from storage import live_runs
from storage.ledger.service import Service, Spent, Traffic
from tasks.viewer.facts import funnel_lines
from tasks.viewer.site import Site

WINDOW_S: Final = 60.0  # of traffic
SILENT_S: Final = 60.0  # after which a run that said nothing may have been killed
FORGOTTEN_S: Final = 3600.0  # after which a run without a sign of life is not in progress any more
METRICS: Final = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


@dataclass(frozen=True, slots=True)
class RunState:
    """A run with a note. `since` is in Unix seconds; `calls` are those that it has made, `expected` those of its forecast (None without
    one); `done` is their share, at most 1, and `left_s` the time that the rest takes at the speed so far. `live` is what the run says of itself:
    its funnel so far, the stages that run now, and its models; empty before its first word. `silent_s`: since its last sign of life, which is
    what it said last, else the last answer to one of its calls, else its start. `stopped`: a limit ended it."""

    name: str
    since: float
    spent: Spent
    service: Sequence[Service]
    calls: int
    expected: float | None
    usd_expected: float | None
    done: float | None
    left_s: float | None
    live: Mapping[str, Any]
    silent_s: float | None
    stopped: bool = False

    @property
    def lost(self) -> bool:
        """Whether nothing says that the run is in progress: its process has ended without ending the run."""
        return self.stopped or (self.silent_s is not None and self.silent_s > FORGOTTEN_S)


def router(site: Site) -> APIRouter:
    """Return the routes of this topic."""
    routes = APIRouter()

    @routes.get("/runs")
    def runs(request: Request) -> Response:
        ended = [
            (version, version.lineage.get("ended") or {})
            for version in site.versions()[:20]
            if version.lineage.get("ended")
        ]
        return site.page(
            request,
            "runs.html",
            runs=_runs(site),
            traffic=site.ledger().traffic(WINDOW_S),
            window=WINDOW_S,
            silent=SILENT_S,
            ended=ended,
            funnel_lines=funnel_lines,
        )

    @routes.get("/metrics")
    def metrics() -> Response:
        return Response("".join(_metrics(site)), media_type=METRICS)

    return routes


def _runs(site: Site) -> list[RunState]:
    """Return the runs that have a note, which stays until the flow of its run has ended, and those that only say something, such as
    imports; the newest first."""
    states = []
    noted = {path.stem for path in (site.home / "runs").glob("*.json")}
    for name in live_runs.names(site.home):
        live = {} if name in noted else live_runs.read(site.home, name)
        if live and not live.get("noted", True) and time.time() - float(live.get("at", 0)) < FORGOTTEN_S:
            states.append(_state(site, name, {"since": live.get("since")}))
    for path in (site.home / "runs").glob("*.json"):
        note = _note(path)
        if note is not None:
            states.append(_state(site, path.stem, note))
    return sorted(states, key=lambda state: (state.lost, -state.since))


def _note(path: Path) -> dict[str, Any] | None:
    """Return a note, None if its run has just ended or it is no note; `./mathmill verify` names damaged ones."""
    try:
        note = orjson.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return note if isinstance(note, dict) else None


def _state(site: Site, name: str, note: Mapping[str, Any]) -> RunState:
    since = float(note.get("since") or 0.0)
    service = site.ledger().served(name)
    calls = sum(line.calls for line in service)
    figures = (note.get("forecast") or {}).get("figures") or {}
    expected = _likely(figures, "calls")
    done = min(1.0, calls / expected) if expected else None
    elapsed = time.time() - since if since else None
    left = elapsed * (1 - done) / done if done and elapsed is not None else _likely(figures, "seconds")
    live = live_runs.read(site.home, name)
    seen = float(live["at"]) if "at" in live else max(since, site.ledger().last_answer(name) or 0.0)
    state = RunState(
        name,
        since,
        site.ledger().spent(name, since),
        service,
        calls,
        expected,
        _likely(figures, "usd"),
        done,
        left,
        live,
        max(0.0, time.time() - seen) if seen else None,
        stopped="since" in note and note["since"] is None,
    )
    return replace(state, left_s=None) if state.lost else state


def _likely(figures: Mapping[str, Any], name: str) -> float | None:
    """Return the likely value of a figure of a forecast, which has (low, likely, high)."""
    value = figures.get(name)
    return float(value[1]) if isinstance(value, list) and len(value) == 3 else None


def _metrics(site: Site) -> Iterator[str]:
    """Yield the lines of Prometheus' text format."""
    usage = site.ledger().daily()
    totals: dict[tuple[str, str], list[float]] = {}
    for line in usage:
        sums = totals.setdefault((line.role, line.model), [0.0, 0.0, 0.0, 0.0])
        for place, value in enumerate((line.calls, line.prompt_tokens, line.completion_tokens, line.usd)):
            sums[place] += value
    for place, (name, text) in enumerate(
        (
            ("calls_total", "Calls of models in the ledger."),
            ("prompt_tokens_total", "Tokens of prompts."),
            ("completion_tokens_total", "Tokens of completions."),
            ("cost_usd_total", "Cost of calls in USD."),
        )
    ):
        yield from _series(
            name,
            text,
            "counter",
            [({"role": role, "model": model}, sums[place]) for (role, model), sums in totals.items()],
        )
    traffic = site.ledger().traffic(WINDOW_S)
    for name, text, measure in _TRAFFIC:
        yield from _series(
            name,
            text,
            "gauge",
            [({"role": line.role, "model": line.model}, measure(line)) for line in traffic],
        )
    statuses = [
        ({"role": line.role, "model": line.model, "status": str(status)}, float(count))
        for line in traffic
        for status, count in line.statuses.items()
    ]
    yield from _series("recent_responses", "Responses of the last minute per HTTP status.", "gauge", statuses)
    runs = _runs(site)
    for name, text, figure in _OF_RUNS:
        yield from _series(
            name,
            text,
            "gauge",
            [({"run": run.name}, number) for run in runs if (number := figure(run)) is not None],
        )
    versions = site.versions()
    newest = {version.dataset: version for version in reversed(versions)}
    yield from _series(
        "dataset_rows",
        "Rows of the newest version of a dataset.",
        "gauge",
        [({"dataset": name}, float(version.rows)) for name, version in sorted(newest.items())],
    )
    yield from _series(
        "funnel_rows",
        "Rows per stage of the run of the newest version of a dataset.",
        "gauge",
        [
            ({"dataset": name, "stage": stage, "result": result}, float(count))
            for name, version in sorted(newest.items())
            for (stage, result), count in _funnel(version.lineage.get("funnel") or ()).items()
        ],
    )


_TRAFFIC: Final = (
    ("recent_calls_per_second", "Calls per second, last minute.", lambda one: one.calls / one.seconds),
    (
        "recent_tokens_per_second",
        "Completion tokens per second, last minute.",
        lambda one: one.completion_tokens / one.seconds,
    ),
    ("recent_in_flight", "Mean number of calls in flight, last minute.", lambda one: one.in_flight),
    ("recent_latency_p50_seconds", "Median latency, last minute.", lambda one: one.latency_p50),
    (
        "recent_latency_p95_seconds",
        "95th percentile of the latency, last minute.",
        lambda one: one.latency_p95,
    ),
    (
        "recent_failed_share",
        "Share of responses with a status of 400 or more, last minute.",
        lambda one: _failed(one),
    ),
)
_OF_RUNS: Final = (
    ("run_cost_usd", "What a run has paid, in USD.", lambda run: run.spent.usd),
    ("run_calls", "Calls that a run has made.", lambda run: float(run.calls)),
    ("run_progress", "Share of the calls of its forecast that a run has made.", lambda run: run.done),
    ("run_seconds_left", "Time that a run may still take.", lambda run: run.left_s),
)


def _failed(line: Traffic) -> float:
    return sum(count for status, count in line.statuses.items() if status >= 400) / max(1, line.calls)


def _funnel(lines: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], int]:
    counts: dict[tuple[str, str], int] = {}
    for line in lines:
        for result in ("asked", "kept", "rejected", "failed"):
            key = (str(line.get("stage", "")), result)
            counts[key] = counts.get(key, 0) + int(line.get(result, 0))
    return counts


def _series(
    name: str, text: str, kind: str, samples: Sequence[tuple[Mapping[str, str], float]]
) -> Iterator[str]:
    if not samples:
        return
    yield f"# HELP mathmill_{name} {text}\n# TYPE mathmill_{name} {kind}\n"
    for labels, value in samples:
        listed = ",".join(f'{key}="{one.translate(_ESCAPED)}"' for key, one in labels.items())
        yield f"mathmill_{name}{{{listed}}} {value!r}\n"
