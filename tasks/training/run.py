"""Run a whole training without Prefect: `train(config, store, out)` writes these files.

    out/run.json       the lineage of the run; it is written last, so it exists only if the run is complete
    out/checkpoint     the trained model, an ordinary Hugging Face checkpoint
    out/curves.png     the plot of stage-N/curves.jsonl, which get one line per point during the training

A second call with the same configuration continues the run: finished stages are kept, and an unfinished one resumes from
its newest checkpoint. The weights are the same as without the interruption.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
from pydantic import ValidationError

from prompts.overlay import overlaid
from storage.atomic import replacing, write_text
from storage.clock import now
from storage.datasets.store import Store
from storage.datasets.versions import Version
from tasks.code_commit import code
from tasks.llm.model_files import located, require
from tasks.plugins import module
from tasks.seeding import seed_of
from tasks.training import leases, trackers
from tasks.training.config import FRESH, METHODS, VERIFIER, Train, TrainError
from tasks.training.job import CHECKPOINT, METRICS, Job, Log
from tasks.training.launch import launch

RECORD = "run.json"
PINNED = "config.json"
OVERLAY = "prompt_overlay"  # key of the lineage
VOCABULARY_ROWS = 20_000  # rows per dataset from which the tokenizer of a fresh student is built
PACKAGES = ("accelerate", "datasets", "peft", "pyarrow", "tokenizers", "torch", "transformers", "trl")


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished run. `metrics` are those of the last stage; `lineage` is the content of RECORD."""

    checkpoint: Path
    metrics: dict[str, Any]
    lineage: dict[str, Any]


def train(
    config: Train, store: Store, out: Path, *, overlay: Path | None = None, log: Log = lambda text: None
) -> Trained:
    """Train as configured and write the results to the folder `out`. `overlay` is the folder of the user's own prompts.

    Raises TrainError if a setting, a checkpoint or the data cannot be used, and StorageError if a version does not exist.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()
    out = out.absolute()
    replaced = replaced_prompts(config, overlay)
    if (out / RECORD).exists():
        done = read(out)
        _same(done.lineage, config, replaced, out)
        return done
    versions = _pinned(config, store, replaced, out)
    every = list({str(version): version for stage in versions for version in stage}.values())
    rates = [store.resolve(config.reweigh.pass_rates)] if config.reweigh and config.reweigh.pass_rates else []
    with leases.held(store, [*every, *rates]):
        base = config.base
        if base == FRESH:
            base = str(_fresh(config, store, every, out / "base"))
        metrics: list[dict[str, Any]] = []
        for number, (stage, chosen) in enumerate(zip(config.stages(), versions, strict=True), 1):
            job = Job(config, stage, number, store, chosen, base, out / f"stage-{number}", log, overlay)
            metrics.append(_stage(job))
            base = str(job.out / CHECKPOINT)
    # links, not copies: the disk may have no room for a second copy of the checkpoint
    shutil.rmtree(out / CHECKPOINT, ignore_errors=True)
    shutil.copytree(base, out / CHECKPOINT, copy_function=os.link)
    from tasks.training.curves import plot

    plot(out)
    lineage = _lineage(config, versions, metrics) | replaced
    _write(out / RECORD, lineage)
    return Trained(out / CHECKPOINT, metrics[-1], lineage)


def read(out: Path) -> Trained:
    """Read the record of a finished run."""
    lineage = json.loads((out / RECORD).read_text(encoding="utf-8"))
    return Trained(out / CHECKPOINT, lineage["stages"][-1]["metrics"], lineage)


def replaced_prompts(config: Train, overlay: Path | None) -> dict[str, Any]:
    """Return the prompts of the overlay that the method uses, as the lineage stores them; empty if it uses none. Raises
    PromptError if one of them cannot be used."""
    name = getattr(module(METHODS, config.method), "PROMPT", "")
    replaced = [ref for ref in overlaid(overlay) if ref.startswith(f"{name}.")] if name else []
    return {OVERLAY: replaced} if replaced else {}


def _same(before: dict[str, Any], config: Train, replaced: dict[str, Any], out: Path) -> None:
    """Refuse to continue a run of another configuration or with other prompts. A setting that did not exist when the run
    started counts as its default."""
    if before.get(OVERLAY) != replaced.get(OVERLAY):
        other = ", ".join(before.get(OVERLAY, ())) or "those of the project"
        raise TrainError(
            f"{out} holds a run with other prompts ({other}). Fix: another folder, or the prompts of that run"
        )
    try:
        earlier = Train.model_validate(before["config"])
        # where curves are sent changes no weight
        same = earlier.model_copy(update={"report_to": config.report_to}) == config
    except ValidationError:  # a setting that does not exist any more, or a value that is not allowed any more
        same = False
    if not same:
        raise TrainError(
            f"{out} holds a run of another configuration. Fix: another folder, or remove that one"
        )


def _pinned(config: Train, store: Store, replaced: dict[str, Any], out: Path) -> list[tuple[Version, ...]]:
    """Return the versions of each stage: those that the first start of this run pinned, or else what the names refer to now."""
    names = [[source.dataset for source in stage.data] for stage in config.stages()]
    record = out / PINNED
    if record.exists():
        before = json.loads(record.read_text(encoding="utf-8"))
        _same(before, config, replaced, out)
        return [tuple(store.resolve(name) for name in stage) for stage in before["versions"]]
    versions = [tuple(store.resolve(name) for name in stage) for stage in names]
    out.mkdir(parents=True, exist_ok=True)
    pinned = [[str(version) for version in stage] for stage in versions]
    _write(record, {"config": config.model_dump(mode="json"), "versions": pinned} | replaced)
    return versions


def with_folders(config: Train, home: Path) -> Train:
    """Return the settings with the folders of the checkpoints that they name; `hf:NAME` may be a model below the home."""

    def folder_of(name: str | None, own: str | None = None) -> str | None:
        return name if name is None or name == own else located(name, home)

    rollout = config.rollout
    return config.model_copy(
        update={
            "base": folder_of(config.base, FRESH),
            "reference": folder_of(config.reference),
            "rollout": rollout.model_copy(
                update={
                    "sampler": folder_of(rollout.sampler),
                    "reward": folder_of(rollout.reward, VERIFIER),
                }
            ),
        }
    )


def check(config: Train, store: Store) -> None:
    """Check the versions, models and trackers of a run before Prefect is started. Raises StorageError, ModelMissing or TrainError."""
    trackers.require(config.report_to)
    for stage in config.stages():
        for source in stage.data:
            store.resolve(source.dataset)
    if config.reweigh is not None and config.reweigh.pass_rates:
        store.resolve(config.reweigh.pass_rates)
    if config.base != FRESH:
        require(config.base, "setting base")
    rollout = config.rollout
    for setting, name in (
        ("reference", config.reference),
        ("rollout.sampler", rollout.sampler),
        ("rollout.reward", None if rollout.reward == VERIFIER else rollout.reward),
    ):
        if name:
            require(name, f"setting {setting}")


def _fresh(config: Train, store: Store, versions: list[Version], out: Path) -> Path:
    """Create an untrained student with a tokenizer built from the first rows of each version; return its folder."""
    from tasks.training import student

    if not (out / "config.json").exists():
        shape = student.Shape(context=max(student.Shape().context, config.length))
        with replacing(out) as beside:
            student.fresh(
                _texts(store, versions), beside, seed=seed_of(config.seed, "fresh") % 2**32, shape=shape
            )
    return out


def _texts(store: Store, versions: list[Version]) -> Iterator[str]:
    for version in versions:
        left = VOCABULARY_ROWS
        for batch in store.batches(version, ["question", "solution", "kind", "messages"], ~_bare()):
            rows = batch[:left]
            for name in ("question", "solution"):
                yield from rows.column(name).drop_null().to_pylist()
            for turns in rows.column("messages").drop_null().to_pylist():
                yield from (
                    turn["content"] for turn in turns if turn["role"] == "assistant" and turn["content"]
                )
            left -= batch.num_rows
            if left <= 0:
                break


def _bare() -> pc.Expression:
    """Return the expression for questions without a solution, which nothing is learned from."""
    return pc.field("solution").is_null() & pc.field("kind").is_null()


def _stage(job: Job) -> dict[str, Any]:
    """Train the stage, unless an earlier start did, and return its metrics."""
    finished = job.finished()
    if finished is None:
        job.out.mkdir(parents=True, exist_ok=True)
        method = module(METHODS, job.config.method)
        if job.config.processes == 1:
            method.run(job)
        elif getattr(method, "ONE_PROCESS", False):
            raise TrainError(f"{job.config.method} runs on one process. Fix: processes=1, or another method")
        else:
            launch(job)
        finished = job.finished()
    if finished is None:
        raise TrainError(f"{job.out}: the method wrote no {METRICS}")
    return finished


def _lineage(
    config: Train, versions: list[tuple[Version, ...]], metrics: list[dict[str, Any]]
) -> dict[str, Any]:
    import torch

    stages = []
    for stage, chosen, measured in zip(config.stages(), versions, metrics, strict=True):
        data = [
            {"version": str(version), "digest": version.digest, "rows": version.rows, "weight": source.weight}
            for version, source in zip(chosen, stage.data, strict=True)
        ]
        stages.append({"data": data, "metrics": measured})
    return {
        "config": config.model_dump(mode="json"),
        "stages": stages,
        "code": code(),
        "environment": {
            "python": platform.python_version(),
            "machine": platform.machine(),
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
            "threads": torch.get_num_threads(),
            "packages": {name: metadata.version(name) for name in PACKAGES},
        },
        "finished": now().isoformat(timespec="seconds"),
    }


def _write(path: Path, value: dict[str, Any]) -> None:
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False))
