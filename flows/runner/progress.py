"""Live progress: a bar a stage at the terminal, and the same numbers as a Prefect progress artifact."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import Any
from uuid import UUID

import httpx
from prefect import get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from flows.runner.page_links import with_link
from flows.settings import load_settings
from storage.counting import counted
from storage.markdown import inline

ARTIFACT_EVERY_S = 2.0


def reused(before: int, parts: int) -> str:
    """Return what the line of a stage says of its task runs, `parts` in all, of which an earlier run had finished `before`."""
    if not before:
        return ""
    return ", done before" if before == parts else f", {before:,} of {counted(parts, 'part')} done before"


class RateColumn(ProgressColumn):
    """Rows a second over the whole stage so far."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} rows/s" if speed else "", style="progress.data.speed")


class Bars:
    """The bars of a night. Without a terminal a stage is one line when it ends, so that logs stay readable."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(file=sys.stderr)
        self._progress = Progress(
            TextColumn("{task.description:<34}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            RateColumn(),
            TimeRemainingColumn(compact=True),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self._running: list[Bar] = []

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        """Print a line for people at the terminal and in the run's log."""
        get_run_logger().info("%s", text)
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def stage(self, title: str, total: int) -> Bar:
        bar = Bar(self, title, total)
        self._running.append(bar)
        return bar

    def running(self) -> list[dict[str, Any]]:
        """Return the stages that run now: `title`, `done` and `total` rows."""
        return [bar.state() for bar in list(self._running)]


class Bar:
    """One stage's bar; `tick` is called from task threads."""

    def __init__(self, bars: Bars, title: str, total: int) -> None:
        self._bars, self._title, self._total = bars, title, total
        self._task = bars._progress.add_task(title, total=max(total, 1))
        self._lock = threading.Lock()
        self._done, self._started, self._shown = 0, time.monotonic(), time.monotonic()
        self._artifact: UUID | None = None

    def tick(self, rows: int) -> None:
        self._bars._progress.advance(self._task, rows)
        with self._lock:
            self._done += rows
            now = time.monotonic()
            due = now - self._shown >= ARTIFACT_EVERY_S
            if due:
                self._shown = now
            percent = min(100.0, 100 * self._done / max(self._total, 1))
        if due:
            self._publish(percent)

    def state(self) -> dict[str, Any]:
        with self._lock:
            return {"title": self._title, "done": self._done, "total": self._total}

    def close(self, summary: str, *, before: int = 0, parts: int = 0) -> None:
        """Fill the bar at the end of the stage, and show its result there and in the run's log. `before`: how many of the task runs,
        `parts` in all, an earlier run had finished."""
        summary += reused(before, parts)
        self._bars._running.remove(self)
        get_run_logger().info("%s: %s", self._title, summary)
        self._bars._progress.update(
            self._task, completed=max(self._total, 1), description=f"{self._title}: {summary}"
        )
        if not self._bars.console.is_terminal:
            seconds = time.monotonic() - self._started
            rate = (
                f", {self._done / seconds:,.0f} rows/s" if self._done and seconds > 0 and not before else ""
            )
            self._bars.console.print(
                f"{self._title}: {summary} ({seconds:.1f} s{rate})", highlight=False, markup=False
            )
        if self._artifact is not None:
            self._publish(100.0)

    def _publish(self, percent: float) -> None:
        """Send the progress to the server. A server that does not accept it does not stop the run."""
        try:
            if self._artifact is None:
                words = with_link(inline(self._title), load_settings(), "/runs", "Runs, in the page")
                created = create_progress_artifact(progress=percent, description=words)
                self._artifact = created if isinstance(created, UUID) else None
            else:
                update_progress_artifact(self._artifact, progress=percent)
        except httpx.HTTPError as error:
            get_run_logger().warning("the progress of %s was not shown: %s", self._title, error)
