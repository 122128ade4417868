"""The flow `proof`: the whole loop with the small student on this machine's CPU."""

from __future__ import annotations

import datetime
import os
import platform
import time
from pathlib import Path

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.cli import terminal
from flows.config.proof import Proof
from flows.runner.code_version import code_version
from flows.runner.events import on_failure
from flows.settings import load_settings
from storage.counting import counted
from tasks.code_commit import code
from tasks.proof.page import ProofPage, RunInfo, write
from tasks.proof.seed import prove
from tasks.proof.sizes import QUICK, WHOLE

ROOT = Path(__file__).resolve().parent.parent


@flow(
    name="proof",
    description="SFT, RFT, DPO, PPO, augmentation, curation and verdicts with a small student, on the CPU.",
    on_failure=[on_failure],
)
def proof(config: Proof = Proof()) -> ProofPage:
    """Train the base model, run the experiments of every random seed, compare, and write the page with its plots.

    A run that was killed is continued by the next one, as long as the code is the same.
    """
    sizes = QUICK if config.quick else WHOLE
    started, console = time.monotonic(), terminal.console(stderr=True, highlight=True)
    home_folder = load_settings().home.absolute() / "proof"
    folder = home_folder / f"{'quick' if config.quick else 'whole'}-{code_version(prove)}"
    folder.mkdir(parents=True, exist_ok=True)

    def tick(done: str) -> None:
        console.print(f"{(time.monotonic() - started) / 60:5.1f} min  {done} done")

    base, records = prove(folder, sizes, processes=config.processes, tick=tick)
    run_info = RunInfo(
        command=f"./mathmill proof{' --quick' if config.quick else ''}",
        commit=str(code()["commit"])[:12],
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        machine=f"{_processor()}, {counted(len(os.sched_getaffinity(0)), 'core')}, {counted(config.processes, 'process')} of one thread",
        load=os.getloadavg()[0],
    )
    page = (home_folder if config.quick else ROOT / "docs") / "proof.md"
    result = write(records, base, sizes, run_info, Path(config.to) if config.to else page)
    create_markdown_artifact(
        key="proof", markdown=result.page.read_text(encoding="utf-8"), description="The proof"
    )
    return result


def _processor() -> str:
    """Return the name of the processor, from /proc/cpuinfo where it exists."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
