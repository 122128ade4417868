"""One stage of a run, as a method gets it: everything resolved and pinned, nothing but plain values and the store."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.datasets.store import Store
from storage.datasets.versions import Version
from tasks.seeding import seed_of
from tasks.training.config import Stage, Train
from tasks.training.loader import Group

CHECKPOINT = "checkpoint"
CURVES = "curves.jsonl"
METRICS = "metrics.json"

Log = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Job:
    """`versions`: those of `stage.data`, in its order; `base`: folder or hub name; `out`: the stage's folder, which
    gets CHECKPOINT, CURVES and METRICS."""

    config: Train
    stage: Stage
    number: int
    store: Store
    versions: tuple[Version, ...]
    base: str
    out: Path
    log: Log

    @property
    def seed(self) -> int:
        """Of everything random in the stage; 32 bits, as numpy and transformers want it."""
        return seed_of(self.config.seed, "train", self.number) % 2**32

    def groups(self) -> list[Group]:
        """The versions as the loader blends them: together, or each with its weight."""
        if self.stage.data[0].weight is None:
            return [Group(self.versions)]
        return [
            Group((version,), source.weight or 0.0, without=source.without)
            for version, source in zip(self.versions, self.stage.data, strict=True)
        ]

    def steps(self, blocks: int) -> int:
        """Optimizer steps of the stage, an epoch having so many rows or blocks."""
        if self.stage.steps is not None:
            return self.stage.steps
        return max(1, round((self.stage.epochs or 0) * blocks / self.config.batch))

    def finished(self) -> dict[str, Any] | None:
        """The metrics of the stage, if it was finished before."""
        path = self.out / METRICS
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def resumable(self) -> str | None:
        """The newest whole checkpoint of the trainer to go on from."""
        found = [path.parent for path in self.out.glob("trainer/checkpoint-*/trainer_state.json")]
        return str(max(found, key=lambda path: int(path.name.rpartition("-")[2]))) if found else None

    def finish(self, save: Callable[[Path], None], metrics: dict[str, Any]) -> None:
        """`save` writes the checkpoint; it is there whole or not at all, and the metrics come last."""
        place, beside = self.out / CHECKPOINT, self.out / f"{CHECKPOINT}.new"
        for path in (place, beside):
            shutil.rmtree(path, ignore_errors=True)
        save(beside)
        beside.rename(place)
        shutil.rmtree(self.out / "trainer", ignore_errors=True)
        (self.out / METRICS).write_text(json.dumps(metrics, indent=2, sort_keys=True), encoding="utf-8")
