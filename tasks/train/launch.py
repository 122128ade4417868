"""A stage on several processes, a GPU each where there are GPUs, started as torchrun does; on CPUs they talk over gloo."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from storage.datasets import Store
from tasks.found import module
from tasks.train.config import METHODS, Train, TrainError
from tasks.train.job import Job

JOB = "job.json"
LOG = "processes.log"
REFUSED = "refused.txt"


def launch(job: Job) -> None:
    """Run the stage in `processes` processes and wait; TrainError with the log's last line if it fails."""
    place = job.out / JOB
    place.write_text(
        json.dumps(
            {
                "config": job.config.model_dump(mode="json"),
                "number": job.number,
                "home": job.store.home.root,
                "versions": [str(version) for version in job.versions],
                "base": job.base,
            }
        ),
        encoding="utf-8",
    )
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone",
        "--nproc-per-node", str(job.config.processes), "-m", "tasks.train.launch", str(place),
    ]  # fmt: skip
    log = job.out / LOG
    (job.out / REFUSED).unlink(missing_ok=True)
    with log.open("ab") as sink:
        done = subprocess.run(
            command, stdout=sink, stderr=sink, cwd=Path(__file__).resolve().parents[2], check=False
        )
    if done.returncode:
        refused = job.out / REFUSED
        if refused.exists():
            raise TrainError(refused.read_text(encoding="utf-8"))
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["nothing"]
        raise TrainError(
            f"stage {job.number} on {job.config.processes} processes failed: {lines[-1]}. Its log: {log}"
        )


def worker(place: Path) -> None:
    """What each of the processes does."""
    import torch
    from accelerate import PartialState

    state = PartialState(cpu=not torch.cuda.is_available())
    told: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    config, store = Train.model_validate(told["config"]), Store(told["home"])
    if state.num_processes != config.processes:
        raise TrainError(f"{state.num_processes} processes were started instead of {config.processes}")
    versions = tuple(store.resolve(name) for name in told["versions"])
    stage = config.stages()[told["number"] - 1]
    job = Job(config, stage, told["number"], store, versions, told["base"], place.parent, print)
    try:
        module(METHODS, config.method).run(job)
    except TrainError as error:
        (place.parent / REFUSED).write_text(str(error), encoding="utf-8")
        raise


if __name__ == "__main__":
    worker(Path(sys.argv[1]))
