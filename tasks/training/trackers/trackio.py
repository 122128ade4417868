"""trackio: the project `mathmill`, on this machine (`trackio show`), or on the Space that TRACKIO_SPACE_ID names."""

from __future__ import annotations

import os
from collections.abc import Mapping

from tasks.training.job import Job
from tasks.training.trackers import Tracker

package = "trackio"
install = "trackio"


class TrackioRun:
    """One run per stage, which a later start of the stage continues."""

    def __init__(self, job: Job) -> None:
        import trackio

        config = job.config.model_dump(mode="json") | {"versions": [str(version) for version in job.versions]}
        self._run = trackio.init(
            project="mathmill",
            name=f"{job.out.parent.name}-{job.out.name}",
            config=config,
            space_id=os.environ.get("TRACKIO_SPACE_ID"),
            resume="allow",
        )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


def tracker(job: Job) -> Tracker:
    return TrackioRun(job)
