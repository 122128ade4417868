"""Run a training stage in several processes, one per GPU where there are GPUs; on CPUs they communicate over gloo.

torchrun is not used: its processes meet at a TCP store that listens on every network interface, needs no password and
holds pickles, so that anybody who reaches the port can run code as the user who trains. Here they meet at a file that only
this user can write, and communicate over the loopback interface.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any

from storage.counting import counted
from storage.datasets.store import Store
from tasks.plugins import module
from tasks.training.config import METHODS, Train, TrainError
from tasks.training.job import Job

JOB = "job.json"
LOG = "processes.log"
REFUSED = "refused.txt"
_INTERFACE = "lo" if sys.platform == "linux" else "lo0"
LOOPBACK = {"GLOO_SOCKET_IFNAME": _INTERFACE, "NCCL_SOCKET_IFNAME": _INTERFACE}
ONE_THREAD = {"OMP_NUM_THREADS": "1"}  # per process, unless the user sets it
POLL_S = 0.2


def launch(job: Job) -> None:
    """Run the stage in `processes` processes and wait for them. Raises TrainError with the log's last line if one fails."""
    place = job.out / JOB
    place.write_text(
        json.dumps(
            {
                "config": job.config.model_dump(mode="json"),
                "number": job.number,
                "home": job.store.home.root,
                "versions": [str(version) for version in job.versions],
                "base": job.base,
                "overlay": None if job.overlay is None else str(job.overlay),
            }
        ),
        encoding="utf-8",
    )
    log = job.out / LOG
    (job.out / REFUSED).unlink(missing_ok=True)
    with log.open("ab") as sink, tempfile.TemporaryDirectory(dir=job.out, prefix=".meeting-") as folder:
        command = [sys.executable, "-m", "tasks.training.launch", str(place), str(Path(folder, "store"))]
        failed = _run(command, job.config.processes, sink)
    if failed:
        refused = job.out / REFUSED
        if refused.exists():
            raise TrainError(refused.read_text(encoding="utf-8"))
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["nothing"]
        raise TrainError(
            f"stage {job.number} on {counted(job.config.processes, 'process')} failed: {lines[-1]}. Its log: {log}"
        )


def _run(command: list[str], processes: int, sink: IO[bytes]) -> bool:
    """Start the processes, wait until all have ended, and return whether one failed. After a failure the others, which
    would wait for the failed one, are killed."""
    size = {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes)}
    started: list[subprocess.Popen[bytes]] = []
    try:
        for rank in range(processes):
            place = {"RANK": str(rank), "LOCAL_RANK": str(rank)}
            started.append(
                subprocess.Popen(
                    command,
                    stdout=sink,
                    stderr=sink,
                    cwd=Path(__file__).resolve().parents[2],
                    env=ONE_THREAD | os.environ | LOOPBACK | size | place,
                )
            )
        while any(process.poll() is None for process in started):
            if any(process.returncode for process in started):
                break
            time.sleep(POLL_S)
        return any(process.returncode for process in started)
    finally:
        for process in started:
            process.kill()
            process.wait()


def worker(place: Path, meeting: Path) -> None:
    """Run the stage in one of the processes. `meeting` is the file at which they meet."""
    import torch
    from accelerate import PartialState

    state = PartialState(
        cpu=not torch.cuda.is_available(),
        init_method=meeting.as_uri(),
        rank=int(os.environ["RANK"]),
        world_size=int(os.environ["WORLD_SIZE"]),
    )
    description: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    config, store = Train.model_validate(description["config"]), Store(description["home"])
    if state.num_processes != config.processes:
        raise TrainError(f"{counted(state.num_processes, 'process')} started instead of {config.processes}")
    versions = tuple(store.resolve(name) for name in description["versions"])
    stage = config.stages()[description["number"] - 1]
    job = Job(
        config,
        stage,
        description["number"],
        store,
        versions,
        description["base"],
        place.parent,
        print,
        None if description["overlay"] is None else Path(description["overlay"]),
    )
    try:
        module(METHODS, config.method).run(job)
    except TrainError as error:
        (place.parent / REFUSED).write_text(str(error), encoding="utf-8")
        raise


if __name__ == "__main__":
    worker(Path(sys.argv[1]), Path(sys.argv[2]))
