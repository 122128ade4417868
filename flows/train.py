"""Train: a checkpoint from pinned versions, with its lineage and curves. The work is tasks/training/run.py."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact

from flows.runner.events import on_failure
from flows.runner.resources import opened
from flows.settings import load_settings
from storage.markdown import code, inline
from tasks.training.config import Train
from tasks.training.run import Trained
from tasks.training.run import train as run


@flow(
    name="train",
    flow_run_name="{config.method}",
    description="A checkpoint trained on pinned versions: SFT, RFT, pretraining, preferences, reinforcement, critics.",
    on_failure=[on_failure],
)
def train(config: Train = Train(), out: str = "") -> str:
    """Train into the folder `out` (empty: under the home, named by method and configuration).

    Returns the folder. The same configuration again goes on where it was, or finds what is finished.
    """
    with opened(load_settings()) as tools:
        folder = Path(out) if out else tools.home / "models" / named(config)
        logger = get_run_logger()

        def log(line: str) -> None:
            logger.info(line)  # on the run's page
            print(line, file=sys.stderr, flush=True)  # at the terminal, where Prefect shows warnings only

        done = run(config, tools.store, folder, log=log)
        create_markdown_artifact(key="train", markdown=as_markdown(done), description="Training")
        return str(folder)


def named(config: Train) -> str:
    """A name for the run's folder: equal configurations, equal names."""
    digest = hashlib.sha256(json.dumps(config.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()
    return f"{config.method}-{digest[:10]}"


def as_markdown(done: Trained) -> str:
    """What was trained, on what, and how it ended."""
    lines = [f"Checkpoint {code(done.checkpoint)}", "", "| stage | data | measured |", "|---|---|---|"]
    for number, stage in enumerate(done.lineage["stages"], 1):
        data = ", ".join(
            f"{one['version']}" + (f" ({one['weight']:g})" if one["weight"] is not None else "")
            for one in stage["data"]
        )
        told = ", ".join(f"{name} {value:.4g}" for name, value in headline(stage["metrics"]).items())
        lines.append(f"| {number} | {inline(data)} | {inline(told)} |")
    environment = done.lineage["environment"]
    commit = done.lineage["code"]["commit"][:10] or "no commit"
    lines += [
        "",
        inline(
            f"{environment['device']}, torch {environment['packages']['torch']}, {commit}, "
            f"seed {done.lineage['config']['seed']}"
        ),
    ]
    return "\n".join(lines) + "\n"


def headline(metrics: dict[str, object]) -> dict[str, float]:
    """The figures that people ask for first, those that the method has."""
    names = ("steps", "loss", "reward", "kl", "accuracy", "tokens", "tokens_per_s", "memory_mib", "seconds")
    return {name: float(value) for name in names if isinstance(value := metrics.get(name), int | float)}
