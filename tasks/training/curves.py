"""The curves of a training stage: one JSON line per point, written while it trains, so that a running or killed run can be
read."""

from __future__ import annotations

import contextlib
import json
import math
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from storage.counting import counted
from storage.errors import in_one_line
from tasks.plugins import module
from tasks.training.config import TRACKERS, TrainError
from tasks.training.job import CURVES, Job
from tasks.training.trackers import Tracker

_MIB = 1 << 20
PLOTTED = ("loss", "reward", "kl", "accuracy", "rewards/accuracies", "learning_rate")
SHOWN = ("loss", "reward", "learning_rate", "tokens_per_s")


class Curve(TrainerCallback):  # type: ignore[misc]
    """Writes the values that the trainer logs, with tokens per second and memory. Raises TrainError if the loss is not finite.

    `tokens` returns the number of tokens read so far; `more` returns further values for each point.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.tokens: Callable[[], int] = lambda: 0
        self.more: Callable[[], dict[str, float]] = dict
        self.began = time.monotonic()
        self.last: dict[str, Any] = {}
        self._trackers: dict[str, Tracker] | None = None  # opened by the process that logs

    def begin(self, steps: int) -> None:
        """Start the clock and log the start of the stage."""
        self.began = time.monotonic()
        self.job.log(f"stage {self.job.number}: {counted(steps, 'step')} from {self.job.base}")

    def add(self, step: int, steps: int, values: dict[str, Any]) -> None:
        """Write one point."""
        if not math.isfinite(values.get("loss", 0.0)):
            raise TrainError(f"step {step}: the loss is {values['loss']}. Fix: a lower lr, or other data")
        seconds = time.monotonic() - self.began
        point = {
            "stage": self.job.number,
            "step": step,
            "seconds": round(seconds, 3),
            **values,
            **self.more(),
        }
        if self.tokens():
            point |= {"tokens": self.tokens(), "tokens_per_s": round(self.tokens() / max(seconds, 1e-9), 1)}
        point["memory_mib"] = memory_mib()
        self.last = point
        with (self.job.out / CURVES).open("a", encoding="utf-8") as file:
            file.write(json.dumps(point) + "\n")
        self._send(step, point)
        shown = [f"{name} {point[name]:.4g}" for name in SHOWN if name in point]
        self.job.log(f"stage {self.job.number}, step {step} of {steps}: {', '.join(shown)}")

    def _send(self, step: int, point: dict[str, Any]) -> None:
        """Send a point to the trackers of `report_to`. One that fails is left out from then on: a training does not end for its curves."""
        values = {
            name: float(value)
            for name, value in point.items()
            if isinstance(value, int | float) and name not in ("stage", "step") and math.isfinite(value)
        }
        if self._trackers is None:
            self._trackers = {}
            for name in self.job.config.report_to:
                with self._kept_going(name):
                    self._trackers[name] = module(TRACKERS, name).tracker(self.job)
        for name, one in list(self._trackers.items()):
            with self._kept_going(name):
                one.log(step, values)

    @contextlib.contextmanager
    def _kept_going(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - a tracker raises what its service and its network lead to; the reason is logged
            if self._trackers is not None:
                self._trackers.pop(name, None)
            self.job.log(
                f"report_to {name} failed, the curves are in {self.job.out / CURVES}: {in_one_line(error)}"
            )

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.is_world_process_zero:
            self.begin(state.max_steps)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        """Log the last step too: its values are the metrics of the stage."""
        if state.global_step >= state.max_steps:
            control.should_log = True
        return control

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        values = {key: value for key, value in (logs or {}).items() if isinstance(value, int | float)}
        scored = values.pop("rewards/reward/mean", math.nan)
        if math.isfinite(scored):
            values["reward"] = scored  # TRL counts a completion without a reward as 0 in its own mean
        if state.is_world_process_zero and "train_runtime" not in values:
            self.add(state.global_step, state.max_steps, values)

    def metrics(self) -> dict[str, Any]:
        """Return the values of the last point, and the seconds of training. The trackers are closed."""
        for name, one in list((self._trackers or {}).items()):
            with self._kept_going(name):
                one.close()
        kept = {key: value for key, value in self.last.items() if key not in ("stage", "step", "epoch")}
        return kept | {"seconds": round(time.monotonic() - self.began, 3)}


def memory_mib() -> int:
    """Return the peak memory in MiB: of the GPU if there is one, otherwise of this process."""
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated() // _MIB)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def points(run: Path) -> list[dict[str, Any]]:
    """Return the points of all stages of a run, in order. A step that was repeated after a resumption has its later point."""
    by_step: dict[tuple[int, int], dict[str, Any]] = {}
    for path in sorted(run.glob(f"stage-*/{CURVES}")):
        for line in path.read_text(encoding="utf-8").splitlines():
            point = json.loads(line)
            by_step[point["stage"], point["step"]] = point
    return [by_step[key] for key in sorted(by_step)]


def plot(run: Path) -> Path | None:
    """Draw the values in PLOTTED over the steps into curves.png and return its path, or None if no point has any of them."""
    from matplotlib.figure import Figure

    drawn = points(run)
    names = [name for name in PLOTTED if any(name in point for point in drawn)]
    if not names:
        return None
    figure = Figure(figsize=(3.5 * len(names), 2.8))
    figure.subplots_adjust(left=0.06, right=0.98, bottom=0.1, top=0.9, wspace=0.3)
    for i, name in enumerate(names, 1):
        axes = figure.add_subplot(1, len(names), i, title=name)
        for stage in sorted({point["stage"] for point in drawn}):
            those = [point for point in drawn if point["stage"] == stage and name in point]
            axes.plot([point["step"] for point in those], [point[name] for point in those])
    path = run / "curves.png"
    figure.savefig(path, dpi=80)
    return path
