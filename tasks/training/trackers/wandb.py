"""Weights & Biases: the project `mathmill`, or the one that WANDB_PROJECT names; WANDB_MODE=offline keeps the run in the run's folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping

from tasks.training.job import Job
from tasks.training.trackers import Tracker

package = "wandb"
install = "wandb"


class WandbRun:
    """One run per stage, which a later start of the stage continues."""

    def __init__(self, job: Job) -> None:
        import wandb

        config = job.config.model_dump(mode="json") | {"versions": [str(version) for version in job.versions]}
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or "mathmill",
            name=f"{job.out.parent.name}/{job.out.name}",
            id=hashlib.sha256(str(job.out).encode()).hexdigest()[:16],
            dir=str(job.out.parent),
            config=config,
            resume="allow",
            reinit="create_new",
        )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


def tracker(job: Job) -> Tracker:
    return WandbRun(job)
