"""The records of the proof, a file for each experiment of each seed, and the processes that share them.

A record is written last, and its lock says that a process is at it, so that several processes, and several starts, share the work."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from flows.config.proof import Proof
from flows.runner.locks import lock
from flows.runner.proof_arms import EXPERIMENTS, EXPLORED, NEEDS, WITH_PROGRAMS, Experiment
from flows.runner.proof_lab import AT_MOST_S, Lab
from flows.server.process import die_with_parent
from flows.settings import load_settings
from storage.atomic import write_bytes
from tasks.proof.claims import BASE, BASE_WITH_PROGRAMS
from tasks.proof.sizes import SIZES, Sizes

AGAIN = 10  # added to the seeds in a second run
MOST_PROCESSES = 4  # unless a user asks for more; each takes about 1.5 GB
# experiment and seed -> its record, what makes it, and the seed
Files = Mapping[str, tuple[Path, Experiment, int]]


def work(lab: Lab, files: Files, say: Callable[[str], None] = print) -> None:
    """Make the records that are absent and that no other process is at, those of the bases first. One that needs others which are not there yet
    is left out. say: is called with a line for each."""
    started = time.monotonic()
    _one_thread()
    asked = {name.split()[0] for name in files}
    bases = [BASE] * bool(asked - WITH_PROGRAMS) + [BASE_WITH_PROGRAMS] * bool(asked & WITH_PROGRAMS)
    with lab.models():
        for within_s in (0.0, AT_MOST_S):  # a base that no other process is at comes first
            for name in bases:
                with lock(base_of(lab, name).with_suffix(".lock"), within_s=within_s) as mine:
                    if mine:
                        _record(base_of(lab, name), lambda name=name: _base(lab, name))
        for name, (file, run, seed) in files.items():
            needed = [file.with_name(f"{one}-{seed}.json") for one in NEEDS.get(name.split()[0], ())]
            with lock(file.with_suffix(".lock")) as mine:
                if mine and not file.exists() and all(one.exists() for one in needed):
                    _record(file, lambda run=run, seed=seed: _results(lab, run, seed))
                    say(f"{(time.monotonic() - started) / 60:5.1f} min  {name} is there")


@contextlib.contextmanager
def beside(config: Proof, folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Let further processes share the records while the block lasts, and wait for them at its end; those of a block that failed are ended. What
    they print is in process-N.log of the folder; what one of them leaves is left to this process, and a line says so."""
    cores = len(os.sched_getaffinity(0))
    count = config.processes or (1 if config.gpu else min(cores, MOST_PROCESSES))
    command = [sys.executable, "-m", __name__, config.model_copy(update={"processes": 1}).model_dump_json()]
    others: list[subprocess.Popen[bytes]] = []
    try:
        for number in range(2, count + 1):
            with (folder / f"process-{number}.log").open("ab") as log:
                others.append(
                    subprocess.Popen(
                        command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent
                    )
                )
        yield
    except BaseException:
        for other in others:
            other.terminate()
            other.wait()
        raise
    for number, other in enumerate(others, start=2):
        if other.wait():
            say(
                f"process {number} failed: see {folder / f'process-{number}.log'}; this process makes what it has left"
            )


def files_of(
    folder: Path, sizes: Sizes, only: Sequence[str], *, explore: bool = False, shift: int = 0
) -> dict[str, tuple[Path, Experiment, int]]:
    """Return, by experiment and seed, where its record is, what makes it, and the seed, all experiments of one seed after another, and the
    exploratory ones at the end, if they are asked for. shift: is added to the seeds, for a second run of the claims alone."""
    named = [
        (experiment, seed + shift)
        for seed in sizes.seeds
        for experiment in EXPERIMENTS
        if experiment != EXPLORED
    ]
    if (explore or EXPLORED in only) and not shift:
        named += [(EXPLORED, seed) for seed in sizes.seeds[: sizes.explored]]
    return {
        f"{experiment} {seed}": (folder / f"{experiment}-{seed}.json", EXPERIMENTS[experiment], seed)
        for experiment, seed in named
        if not only or experiment in only or (explore and experiment == EXPLORED)
    }


def _record(file: Path, make: Any) -> None:
    if not file.exists():
        write_bytes(file, orjson.dumps(make(), option=orjson.OPT_INDENT_2))


def base_of(lab: Lab, name: str) -> Path:
    """Return where the record of a base is."""
    return lab.folder / f"{name.replace(' ', '-')}.json"


def _base(lab: Lab, name: str) -> dict[str, Any]:
    started = time.process_time()
    programs = name == BASE_WITH_PROGRAMS
    base = lab.base(programs=programs)
    if not programs:
        lab.pool()
    seconds = round(time.process_time() - started, 1)
    return {
        "scores": {name: lab.scored(base.checkpoint, programs=programs)},
        "versions": {name: base.versions},
        "cpu_s": seconds,
        "parameters": base.parameters,
    }


def _results(lab: Lab, run: Any, seed: int) -> dict[str, Any]:
    started, by_clock = time.process_time(), time.monotonic()
    lab.versions.clear()
    scores, facts = run(lab, seed)
    return {
        "seed": seed,
        "scores": scores,
        "facts": dict(facts),
        "versions": dict(lab.versions),
        "cpu_s": round(time.process_time() - started, 1),
        "seconds": round(time.monotonic() - by_clock, 1),
    }


def _one_thread() -> None:
    """Use one thread. At this size two processes of one thread are faster than one of two, and equal threads give equal sums."""
    import torch

    torch.set_num_threads(1)


if __name__ == "__main__":
    asked_for = Proof.model_validate_json(sys.argv[1])
    shared = Lab(SIZES[asked_for.sizes], load_settings().home.absolute())
    asked = files_of(
        shared.folder,
        shared.sizes,
        asked_for.only,
        explore=asked_for.explore,
        shift=AGAIN if asked_for.again else 0,
    )
    work(shared, asked)
