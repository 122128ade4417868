"""The flow `train`: train a checkpoint on pinned versions, with its lineage and curves. See tasks/training/run.py."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact

from flows.runner.events import on_failure
from flows.runner.page_links import with_link
from flows.runner.resources import opened
from flows.settings import load_settings
from storage.markdown import code, inline
from tasks.training.config import Train
from tasks.training.run import Trained, replaced_prompts, with_folders
from tasks.training.run import train as run


@flow(
    name="train",
    flow_run_name="{config.method}",
    description="A checkpoint trained on pinned versions: SFT, RFT, pretraining, preferences, reinforcement learning, critics.",
    on_failure=[on_failure],
)
def train(config: Train = Train(), out: str = "") -> str:
    """Train into the folder `out` (empty: below the home, named by method and configuration) and return the folder.

    A run with the same configuration continues an interrupted training, or returns a finished one.
    """
    with opened(load_settings()) as tools:
        overlay = tools.settings.overlay()
        folder = (
            Path(out) if out else tools.home / "models" / name_of(config, replaced_prompts(config, overlay))
        )
        logger = get_run_logger()

        def log(line: str) -> None:
            logger.info(line)  # on the run's page
            print(line, file=sys.stderr, flush=True)  # at the terminal, where Prefect shows warnings only

        trained = run(with_folders(config, tools.home), tools.store, folder, overlay=overlay, log=log)
        create_markdown_artifact(
            key="train",
            markdown=with_link(as_markdown(trained), tools.settings, "/versions"),
            description="Training",
        )
        return str(folder)


def name_of(config: Train, replaced: Mapping[str, Any]) -> str:
    """Return a name for the run's folder. Equal configurations with equal replaced prompts have equal names."""
    described = config.deciding() | dict(replaced)
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()
    return f"{config.method}-{digest[:10]}"


def as_markdown(trained: Trained) -> str:
    """Return Markdown with the checkpoint, the data and metrics of each training stage, and the environment."""
    lines = [f"Checkpoint {code(trained.checkpoint)}", "", "| stage | data | measured |", "|---|---|---|"]
    for number, stage in enumerate(trained.lineage["stages"], 1):
        data = ", ".join(
            f"{source['version']}" + (f" ({source['weight']:g})" if source["weight"] is not None else "")
            for source in stage["data"]
        )
        metrics = ", ".join(f"{name} {value:.4g}" for name, value in headline(stage["metrics"]).items())
        lines.append(f"| {number} | {inline(data)} | {inline(metrics)} |")
    environment = trained.lineage["environment"]
    commit = trained.lineage["code"]["commit"][:10] or "no commit"
    lines += [
        "",
        inline(
            f"{environment['device']}, torch {environment['packages']['torch']}, {commit}, "
            f"seed {trained.lineage['config']['seed']}"
        ),
    ]
    return "\n".join(lines) + "\n"


def headline(metrics: dict[str, object]) -> dict[str, float]:
    """Return the most important metrics, as far as the method has them."""
    names = ("steps", "loss", "reward", "kl", "accuracy", "tokens", "tokens_per_s", "memory_mib", "seconds")
    return {name: float(value) for name in names if isinstance(value := metrics.get(name), int | float)}
