"""How a run fares while it lasts: a table of its models among its Prefect artifacts, and its funnel for the page, kept up to date."""

from __future__ import annotations

import contextvars
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any
from uuid import UUID

import httpx
from prefect import get_run_logger
from prefect.artifacts import create_table_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate

from flows.runner.artifacts import key_of
from flows.runner.page_links import with_link
from flows.runner.publication import funnel_line
from flows.runner.resources import Tools
from flows.runner.stages import Line
from storage import live_runs
from storage.markdown import inline
from tasks.llm.stats import Stats, TagStats

EVERY_S = 5.0


class Live:
    """A context; `<dataset>-models` is the key of the table. It is a comfort: a server that does not take it stops nothing.

    run: the name of the run. line: its stages. models: whether it calls models; without, there is no table. funnel: returns the lines of
    its funnel so far, where they are not those of the stages alone.
    """

    def __init__(
        self,
        tools: Tools,
        dataset: str,
        run: str,
        line: Line,
        *,
        models: bool = True,
        funnel: Callable[[], Sequence[Mapping[str, Any]]] | None = None,
    ) -> None:
        self._tools, self._run, self._line, self._models = tools, run, line, models
        self._funnel = funnel or (lambda: [funnel_line(entry) for entry in list(line.funnel)])
        self._since = time.time()
        self._key = f"{key_of(dataset)}-models"
        self._artifact: UUID | None = None
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Live:
        home = self._tools.home
        live_runs.forget(home, but={path.stem for path in (home / "runs").glob("*.json")})
        if self._models:
            created = create_table_artifact(
                key=self._key,
                table=table(self._tools),
                description=with_link(
                    "How the models serve this run, live",
                    self._tools.settings,
                    "/runs",
                    "Its funnel so far, in the page",
                ),
            )
            self._artifact = created if isinstance(created, UUID) else None
        # the client finds the run's server in the context of the flow
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._work,), name="live", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        if not self._noted():
            live_runs.remove(self._tools.home, self._run)

    def _noted(self) -> bool:
        return (self._tools.home / "runs" / f"{self._run}.json").exists()

    def _work(self) -> None:
        logger = get_run_logger()
        with get_client(sync_client=True) as client:
            over = False
            while not over:
                over = self._over.wait(EVERY_S)
                models = table(self._tools)
                live_runs.write(self._tools.home, self._run, self._state(models))
                if self._artifact is None:
                    continue
                try:
                    update = ArtifactUpdate(data=json.dumps(models))
                    client.update_artifact(artifact_id=self._artifact, artifact=update)
                except httpx.HTTPError as error:
                    logger.warning("the live table of models was not updated: %s", error)

    def _state(self, models: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "at": time.time(),
            "since": self._since,
            "noted": self._noted(),  # such a run is over when its note is gone
            "funnel": list(self._funnel()),
            "running": self._line.bars.running(),
            "models": models,
        }


def table(tools: Tools) -> list[dict[str, Any]]:
    """Return the table of this process's engines: a line per role, with its latencies, then one per stage of the role."""
    lines = []
    for role, engine in tools.engines().items():
        stats = engine.stats()
        lines.append(_role(role, stats))
        lines += [_sums(role, tag, sums) for tag, sums in sorted(stats.by_tag.items())]
    return lines


def _role(role: str, stats: Stats) -> dict[str, Any]:
    return _sums(role, "all", stats) | {
        "in flight": stats.in_flight,
        "limit": stats.limit,
        "cuts": stats.cuts,
        "breaker opened": stats.breaker_opened,
        "p50 s": round(stats.latency_p50, 3),
        "p95 s": round(stats.latency_p95, 3),
        "p99 s": round(stats.latency_p99, 3),
        "tokens/s": round(stats.tokens_per_s),
    }


def _sums(role: str, stage: str, sums: Stats | TagStats) -> dict[str, Any]:
    return {
        # the UI reads cells as Markdown
        "role": inline(role),
        "stage": inline(stage),
        "calls": sums.calls,
        "from the ledger": sums.cached,
        "failed": sums.failed,
        "retries": sums.retries,
        "tokens": sums.prompt_tokens + sums.completion_tokens,
        "USD": round(sums.cost_usd, 4),
    }
