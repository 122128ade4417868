"""TensorBoard: event files in the run's folder `tensorboard`, one folder per stage. `tensorboard --logdir RUN/tensorboard` shows them."""

from __future__ import annotations

from collections.abc import Mapping

from tasks.training.job import Job
from tasks.training.trackers import Tracker

package = "tensorboard"
install = "tensorboard"


class EventFiles:
    """Writes event files through torch."""

    def __init__(self, job: Job) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._folder = job.out.parent / "tensorboard" / job.out.name
        self._writer = SummaryWriter(str(self._folder))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def tracker(job: Job) -> Tracker:
    return EventFiles(job)
