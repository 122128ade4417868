"""The flow `proof`: whether what the factory does to data makes a better model, shown with a small student by the flows that users run."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.cli import terminal
from flows.config.loading import ConfigError
from flows.config.proof import Proof
from flows.runner.events import on_failure
from flows.runner.page_links import with_link
from flows.runner.proof_lab import FOLDER, Lab
from flows.runner.proof_records import AGAIN, Files, base_of, beside, files_of, work
from flows.settings import load_settings
from storage.counting import counted
from tasks.code_commit import code
from tasks.proof.claims import BASE, BASE_WITH_PROGRAMS
from tasks.proof.page import ProofPage, verified, written
from tasks.proof.sizes import SIZES

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
    planned = files_of(lab.folder, sizes, config.only, explore=config.explore)
    others = files_of(lab.folder, sizes, config.only, shift=AGAIN)
    files = others if config.again else planned
    if not config.so_far:
        say = partial(terminal.echo, err=True)
        with beside(config, lab.folder, say):
            work(lab, files, say)
        work(lab, files, say)  # what a process that failed has left
        if absent := [name for name, (file, _, _) in files.items() if not file.exists()]:
            terminal.echo(
                f"{', '.join(absent)}: another process is at it and writes the page when it ends last, or what it needs is not there",
                err=True,
            )
            return None
    # what was explored before stays on the page
    records = _read(files_of(lab.folder, sizes, config.only, explore=config.explore or not config.only))
    if not records:
        raise ConfigError(f"{lab.folder} has no records. Fix: ./mathmill proof")
    there = [base_of(lab, name) for name in (BASE, BASE_WITH_PROGRAMS)]
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


def _read(files: Files) -> dict[str, Any]:
    """Return the records that are there, by experiment and seed."""
    return {name: orjson.loads(file.read_bytes()) for name, (file, _, _) in files.items() if file.exists()}


def _merged(bases: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return one record of all bases: scores and versions by name, CPU seconds of all, parameters of the first."""
    return {
        "scores": {name: one for base in bases for name, one in base["scores"].items()},
        "versions": {name: one for base in bases for name, one in base["versions"].items()},
        "cpu_s": sum(base["cpu_s"] for base in bases),
        "parameters": bases[0]["parameters"],
    }


def _processor() -> str:
    """Return the name of the processor, from /proc/cpuinfo where it exists."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
