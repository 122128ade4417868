"""The flow `proof`: whether what the factory does to data makes a better model, shown with a small student by the flows that users run."""

from __future__ import annotations

import datetime
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.cli import terminal
from flows.config.loading import ConfigError
from flows.config.proof import Proof
from flows.runner.events import on_failure
from flows.runner.locks import lock
from flows.runner.page_links import with_link
from flows.runner.proof_arms import EXPERIMENTS, EXPLORED, WITH_PROGRAMS, Experiment
from flows.runner.proof_lab import AT_MOST_S, FOLDER, Lab
from flows.settings import load_settings
from storage.atomic import write_bytes
from storage.counting import counted
from tasks.code_commit import code
from tasks.proof.claims import BASE, BASE_WITH_PROGRAMS
from tasks.proof.page import ProofPage, verified, written
from tasks.proof.sizes import SIZES, Sizes

AGAIN = 10  # added to the seeds in a second run
DEVIATIONS = "deviations.txt"  # in the folder of the records: what people say of the run, a line each
ROOT = Path(__file__).resolve().parent.parent


@flow(
    name="proof",
    description="The primary claims of docs/proof-plan.md, tested with a small student by the flows that users run.",
    on_failure=[on_failure],
)
def proof(config: Proof = Proof()) -> ProofPage | None:
    """Train the base, run every experiment on every seed, test the claims, and write the page with its scores and plot.

    Each experiment of each seed has a record, which is written last; a run that was killed is continued by the same command, and several
    processes with the same command share the work. What people write into deviations.txt beside the records, a line each, is on the page. Returns None where another process is still at a record, and so will write the page.
    """
    sizes, home = SIZES[config.sizes], load_settings().home.absolute()
    if config.verify:
        return verified(page_of(config, home / FOLDER / sizes.name))
    lab = Lab(sizes, home)
    started, console = time.monotonic(), terminal.console(stderr=True, highlight=True)
    _one_thread()
    planned = _files(lab.folder, sizes, config.only)
    others = _files(lab.folder, sizes, config.only, shift=AGAIN)
    files = others if config.again else planned
    asked = {name.split()[0] for name in files}
    bases = [BASE] * bool(asked - WITH_PROGRAMS) + [BASE_WITH_PROGRAMS] * bool(asked & WITH_PROGRAMS)
    if not config.so_far:
        with lab.models():
            for within_s in (0.0, AT_MOST_S):  # a base that no other process is at comes first
                for name in bases:
                    with lock(_base_of(lab, name).with_suffix(".lock"), within_s=within_s) as mine:
                        if mine:
                            _record(_base_of(lab, name), lambda name=name: _base(lab, name))
            for name, (file, run, seed) in files.items():
                with lock(file.with_suffix(".lock")) as mine:
                    if mine:  # else another process is at it
                        _record(file, lambda run=run, seed=seed: _results(lab, run, seed))
                        console.print(f"{(time.monotonic() - started) / 60:5.1f} min  {name} is there")
    if not config.so_far and (absent := [name for name, (file, _, _) in files.items() if not file.exists()]):
        console.print(f"{', '.join(absent)}: another process is at it, and writes the page when it ends last")
        return None
    records = _read(planned)
    if not records:
        raise ConfigError(f"{lab.folder} has no records. Fix: ./mathmill proof")
    there = [_base_of(lab, name) for name in (BASE, BASE_WITH_PROGRAMS)]
    stored = {
        "sizes": sizes.name,
        "design": asdict(sizes),
        "command": "./mathmill proof" + ("" if sizes.name == "whole" else f" --{sizes.name}"),
        "commit": str(code()["commit"])[:12],
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{_processor()}, {counted(len(os.sched_getaffinity(0)), 'core')}",
        "items": [one.subdomain for one in lab.items],
        "base": _merged([orjson.loads(file.read_bytes()) for file in there if file.exists()]),
        "records": records,
        "again": _read(others),
        "missing": [name for name in planned if name not in records],
        "deviations": _deviations(lab.folder / DEVIATIONS),
    }
    result = written(stored, page_of(config, lab.folder))
    create_markdown_artifact(
        key="proof",
        markdown=with_link(
            result.page.read_text(encoding="utf-8"), load_settings(), "/", "The datasets, in the page"
        ),
        description="The proof",
    )
    return result


def page_of(config: Proof, folder: Path) -> Path:
    """Return where the page is written."""
    return (
        Path(config.to) if config.to else (ROOT / "docs" if config.sizes == "whole" else folder) / "proof.md"
    )


def _deviations(file: Path) -> list[str]:
    """Return what a run did otherwise than its plan said, as people wrote it down beside its records; empty if there is no such file."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [line.strip() for line in lines if line.strip()]


def _files(
    folder: Path, sizes: Sizes, only: Sequence[str], *, shift: int = 0
) -> dict[str, tuple[Path, Experiment, int]]:
    """Return, by experiment and seed, where its record is, what makes it, and the seed, all experiments of one seed after another. shift: is
    added to the seeds."""
    return {
        f"{experiment} {seed + shift}": (folder / f"{experiment}-{seed + shift}.json", run, seed + shift)
        for place, seed in enumerate(sizes.seeds)
        for experiment, run in EXPERIMENTS.items()
        if (not only or experiment in only) and (experiment != EXPLORED or place < sizes.explored)
    }


def _read(files: Mapping[str, tuple[Path, Experiment, int]]) -> dict[str, Any]:
    """Return the records that are there, by experiment and seed."""
    return {name: orjson.loads(file.read_bytes()) for name, (file, _, _) in files.items() if file.exists()}


def _record(file: Path, make: Any) -> dict[str, Any]:
    if not file.exists():
        write_bytes(file, orjson.dumps(make(), option=orjson.OPT_INDENT_2))
    record: dict[str, Any] = orjson.loads(file.read_bytes())
    return record


def _base_of(lab: Lab, name: str) -> Path:
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


def _merged(bases: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return one record of all bases: scores and versions by name, CPU seconds of all, parameters of the first."""
    return {
        "scores": {name: one for base in bases for name, one in base["scores"].items()},
        "versions": {name: one for base in bases for name, one in base["versions"].items()},
        "cpu_s": sum(base["cpu_s"] for base in bases),
        "parameters": bases[0]["parameters"],
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


def _processor() -> str:
    """Return the name of the processor, from /proc/cpuinfo where it exists."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
