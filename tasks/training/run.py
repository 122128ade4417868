"""A training run from beginning to end, without Prefect: `train(config, store, out)`.

    out/run.json       what was trained, on what, with what: written last, so its existence means complete
    out/checkpoint     the trained model, an ordinary Hugging Face checkpoint
    out/curves.png     and stage-N/curves.jsonl, points as they come

Run again with the same configuration it goes on where it was: finished stages are kept, an unfinished one resumes
from its newest checkpoint to the same weights as without the interruption.
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

from storage.atomic import write_text
from storage.clock import now
from storage.datasets.store import Store
from storage.datasets.versions import Version
from tasks.code_commit import code
from tasks.llm.model_files import require
from tasks.plugins import module
from tasks.seeding import seed_of
from tasks.training import leases
from tasks.training.config import FRESH, METHODS, VERIFIER, Train, TrainError
from tasks.training.job import CHECKPOINT, METRICS, Job, Log
from tasks.training.launch import launch

RECORD = "run.json"
BEGUN = "config.json"
VOCABULARY_ROWS = 20_000  # of each dataset, that a fresh student's tokenizer is made of
PACKAGES = ("accelerate", "datasets", "peft", "pyarrow", "tokenizers", "torch", "transformers", "trl")


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished run. `metrics`: of the last stage; `lineage`: what record RECORD says."""

    checkpoint: Path
    metrics: dict[str, Any]
    lineage: dict[str, Any]


def train(config: Train, store: Store, out: Path, *, log: Log = lambda text: None) -> Trained:
    """Train as configured, into the folder `out`.

    Raises TrainError (a setting, a checkpoint, data that cannot be used) and StorageError (no such version).
    """
    from transformers.utils import logging

    logging.disable_progress_bar()
    out = out.absolute()
    if (out / RECORD).exists():
        done = read(out)
        _same(done.lineage["config"], config, out)
        return done
    versions = _pinned(config, store, out)
    every = list({str(version): version for stage in versions for version in stage}.values())
    with leases.held(store, every):
        base = config.base
        if base == FRESH:
            base = str(_fresh(config, store, every, out / "base"))
        metrics: list[dict[str, Any]] = []
        for number, (stage, chosen) in enumerate(zip(config.stages(), versions, strict=True), 1):
            job = Job(config, stage, number, store, chosen, base, out / f"stage-{number}", log)
            metrics.append(_stage(job))
            base = str(job.out / CHECKPOINT)
    # links, not copies: a checkpoint may be larger than what is left of the disk
    shutil.rmtree(out / CHECKPOINT, ignore_errors=True)
    shutil.copytree(base, out / CHECKPOINT, copy_function=os.link)
    from tasks.training.curves import plot

    plot(out)
    lineage = _lineage(config, versions, metrics)
    _write(out / RECORD, lineage)
    return Trained(out / CHECKPOINT, metrics[-1], lineage)


def read(out: Path) -> Trained:
    """A finished run."""
    lineage = json.loads((out / RECORD).read_text(encoding="utf-8"))
    return Trained(out / CHECKPOINT, lineage["stages"][-1]["metrics"], lineage)


def _same(before: dict[str, Any], config: Train, out: Path) -> None:
    if before != config.model_dump(mode="json"):
        raise TrainError(
            f"{out} holds a run of another configuration. Fix: another folder, or remove that one"
        )


def _pinned(config: Train, store: Store, out: Path) -> list[tuple[Version, ...]]:
    """The versions of each stage: those that the first start of this run found, else what the names mean now."""
    names = [[source.dataset for source in stage.data] for stage in config.stages()]
    begun = out / BEGUN
    if begun.exists():
        before = json.loads(begun.read_text(encoding="utf-8"))
        _same(before["config"], config, out)
        return [tuple(store.resolve(name) for name in stage) for stage in before["versions"]]
    found = [tuple(store.resolve(name) for name in stage) for stage in names]
    out.mkdir(parents=True, exist_ok=True)
    pinned = [[str(version) for version in stage] for stage in found]
    _write(begun, {"config": config.model_dump(mode="json"), "versions": pinned})
    return found


def check(config: Train, store: Store) -> None:
    """StorageError or ModelMissing for what can be known to fail before Prefect is started."""
    for stage in config.stages():
        for source in stage.data:
            store.resolve(source.dataset)
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
    """An untrained student, its tokenizer made of the first rows of each version."""
    from tasks.training import student

    if not (out / "config.json").exists():
        beside = out.with_suffix(".new")
        shutil.rmtree(beside, ignore_errors=True)
        shape = student.Shape(context=max(student.Shape().context, config.length))
        student.fresh(
            _texts(store, versions), beside, seed=seed_of(config.seed, "fresh") % 2**32, shape=shape
        )
        beside.rename(out)
    return out


def _texts(store: Store, versions: list[Version]) -> Iterator[str]:
    for version in versions:
        left = VOCABULARY_ROWS
        for batch in store.batches(version, ["question", "solution"], pc.field("solution").is_valid()):
            for name in ("question", "solution"):
                yield from batch.column(name)[:left].to_pylist()
            left -= batch.num_rows
            if left <= 0:
                break


def _stage(job: Job) -> dict[str, Any]:
    """The metrics of the stage, trained now or before."""
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
