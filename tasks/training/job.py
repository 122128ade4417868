"""One training stage as a method gets it: plain values and the store, with all versions resolved."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.atomic import remove_remains, replacing, write_text
from storage.datasets.store import Store
from storage.datasets.versions import Version
from tasks.seeding import seed_of
from tasks.training.config import Train, TrainingStage
from tasks.training.loader import Group

CHECKPOINT = "checkpoint"
CURVES = "curves.jsonl"
METRICS = "metrics.json"

Log = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Job:
    """A training stage.

    `versions` are those of `stage.data`, in its order. `base` is a checkpoint folder or a hub name. `out` is the stage's
    folder, in which CHECKPOINT, CURVES and METRICS are written. `overlay` is the folder of the user's own prompts.
    """

    config: Train
    stage: TrainingStage
    number: int
    store: Store
    versions: tuple[Version, ...]
    base: str
    out: Path
    log: Log
    overlay: Path | None = None

    @property
    def seed(self) -> int:
        """The random seed of the whole stage; 32 bits, as numpy and transformers require."""
        return seed_of(self.config.seed, "train", self.number) % 2**32

    def groups(self) -> list[Group]:
        """Return the groups that the loader blends: all versions together, or each with its weight."""
        if self.stage.data[0].weight is None:
            return [Group(self.versions)]
        return [
            Group((version,), source.weight or 0.0, without=source.without)
            for version, source in zip(self.versions, self.stage.data, strict=True)
        ]

    def steps(self, blocks: int) -> int:
        """Return the number of optimizer steps of the stage, given the number of rows or blocks per epoch."""
        if self.stage.steps is not None:
            return self.stage.steps
        return max(1, round((self.stage.epochs or 0) * blocks / self.config.batch))

    def finished(self) -> dict[str, Any] | None:
        """Return the metrics of the stage if it was finished before, or else None."""
        path = self.out / METRICS
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def resumable(self) -> str | None:
        """Return the newest complete checkpoint of the trainer to resume from, or None."""
        checkpoints = [path.parent for path in self.out.glob("trainer/checkpoint-*/trainer_state.json")]
        return (
            str(max(checkpoints, key=lambda path: int(path.name.rpartition("-")[2]))) if checkpoints else None
        )

    def finish(self, save: Callable[[Path], None], metrics: dict[str, Any]) -> None:
        """Write the checkpoint by `save`, completely or not at all, and then the metrics, which mark the stage as finished."""
        place = self.out / CHECKPOINT
        shutil.rmtree(place, ignore_errors=True)
        remove_remains(place)  # a checkpoint is large
        with replacing(place) as beside:
            save(beside)
        shutil.rmtree(self.out / "trainer", ignore_errors=True)
        write_text(self.out / METRICS, json.dumps(metrics, indent=2, sort_keys=True))
