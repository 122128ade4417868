"""MLflow: a run per stage in the experiment `mathmill`, on the server that MLFLOW_TRACKING_URI names, else in the file `mlflow.db` of the run's folder.

`mlflow ui --backend-store-uri sqlite:///RUN/mlflow.db` shows the latter.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from tasks.training.job import Job
from tasks.training.trackers import Tracker

package = "mlflow"
install = "mlflow-skinny"
EXPERIMENT = "mathmill"


class MlflowRun:
    """One run, which a later start of the stage continues."""

    def __init__(self, job: Job) -> None:
        from mlflow.tracking import MlflowClient

        folder = job.out.parent
        own = f"sqlite:///{folder / 'mlflow.db'}"
        self._client = MlflowClient(os.environ.get("MLFLOW_TRACKING_URI") or own)
        there = self._client.get_experiment_by_name(EXPERIMENT)
        if there is None:
            place = None if os.environ.get("MLFLOW_TRACKING_URI") else (folder / "mlflow").as_uri()
            experiment = self._client.create_experiment(EXPERIMENT, artifact_location=place)
        else:
            experiment = there.experiment_id
        name = f"{folder.name}/{job.out.name}"
        tag = {"mathmill.stage": str(job.out)}
        before = self._client.search_runs(
            [experiment], f"tags.`mathmill.stage` = '{str(job.out).replace(chr(39), '')}'", max_results=1
        )
        self._run = (
            before[0] if before else self._client.create_run(experiment, tags=tag, run_name=name)
        ).info.run_id
        if not before:
            for key in ("method", "base", "batch", "length", "lr", "seed"):
                self._client.log_param(self._run, key, getattr(job.config, key))
            for number, version in enumerate(job.versions):
                self._client.log_param(self._run, f"data_{number}", str(version))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._client.log_metric(self._run, name, value, step=step)

    def close(self) -> None:
        self._client.set_terminated(self._run)


def tracker(job: Job) -> Tracker:
    return MlflowRun(job)
