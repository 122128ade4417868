"""The curves of a stage: one line a point while it trains, so that a run can be watched and a killed one read."""

from __future__ import annotations

import json
import math
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from tasks.train.config import TrainError
from tasks.train.job import CURVES, Job

_MIB = 1 << 20
SHOWN = ("loss", "reward", "learning_rate", "tokens_per_s")


class Curve(TrainerCallback):  # type: ignore[misc]
    """Writes what the trainer logs, with tokens/s and memory; TrainError where the loss is no number any more.

    `tokens`: how many were read so far.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.tokens: Callable[[], int] = lambda: 0
        self.began = time.monotonic()
        self.last: dict[str, Any] = {}

    def begin(self, steps: int) -> None:
        self.began = time.monotonic()
        self.job.log(f"stage {self.job.number}: {steps} steps from {self.job.base}")

    def add(self, step: int, steps: int, values: dict[str, Any]) -> None:
        """One point."""
        if not math.isfinite(values.get("loss", 0.0)):
            raise TrainError(f"step {step}: the loss is {values['loss']}. Mend it: a lower lr, or other data")
        seconds = time.monotonic() - self.began
        point = {"stage": self.job.number, "step": step, "seconds": round(seconds, 3), **values}
        if self.tokens():
            point |= {"tokens": self.tokens(), "tokens_per_s": round(self.tokens() / max(seconds, 1e-9), 1)}
        point["memory_mib"] = memory_mib()
        self.last = point
        with (self.job.out / CURVES).open("a", encoding="utf-8") as file:
            file.write(json.dumps(point) + "\n")
        shown = [f"{name} {point[name]:.4g}" for name in SHOWN if name in point]
        self.job.log(f"stage {self.job.number}, step {step} of {steps}: {', '.join(shown)}")

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.is_world_process_zero:
            self.begin(state.max_steps)

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        values = {key: value for key, value in (logs or {}).items() if isinstance(value, int | float)}
        if state.is_world_process_zero and "train_runtime" not in values:
            self.add(state.global_step, state.max_steps, values)

    def metrics(self) -> dict[str, Any]:
        """The last point, and the seconds of training."""
        kept = {key: value for key, value in self.last.items() if key not in ("stage", "step", "epoch")}
        return kept | {"seconds": round(time.monotonic() - self.began, 3)}


def memory_mib() -> int:
    """Most memory used so far: of the GPU where there is one, else of this process."""
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated() // _MIB)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def points(run: Path) -> list[dict[str, Any]]:
    """The points of all stages of a run, in order; of a step done again after a resumption, the later."""
    found: dict[tuple[int, int], dict[str, Any]] = {}
    for path in sorted(run.glob(f"stage-*/{CURVES}")):
        for line in path.read_text(encoding="utf-8").splitlines():
            point = json.loads(line)
            found[point["stage"], point["step"]] = point
    return [found[key] for key in sorted(found)]


def plot(run: Path) -> Path | None:
    """curves.png: every measured quantity over the steps; None where no point was written."""
    from matplotlib.figure import Figure

    drawn = points(run)
    skipped = {"stage", "step", "seconds", "epoch", "tokens", "memory_mib"}
    names = [name for name in dict.fromkeys(key for point in drawn for key in point) if name not in skipped]
    if not names:
        return None
    figure = Figure(figsize=(4 * min(3, len(names)), 3 * math.ceil(len(names) / 3)), layout="constrained")
    for i, name in enumerate(names):
        axes = figure.add_subplot(math.ceil(len(names) / 3), min(3, len(names)), i + 1)
        for stage in sorted({point["stage"] for point in drawn}):
            those = [point for point in drawn if point["stage"] == stage and name in point]
            axes.plot([p["step"] for p in those], [p[name] for p in those], label=f"stage {stage}")
        axes.set_title(name, fontsize=9)
    path = run / "curves.png"
    figure.savefig(path, dpi=90)
    return path
