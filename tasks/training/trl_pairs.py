"""Run a TRL trainer as a training stage: TRL computes the loss; steps, curves, resumption and checkpoint are those of all
methods."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from transformers import PrinterCallback

from tasks.training.curves import Curve
from tasks.training.job import Job
from tasks.training.models import arguments, save, tokenizer_of
from tasks.training.tokens import prompts_of


def chat_tokenizer(base: str) -> Any:
    """Return the tokenizer of a checkpoint, with a plain chat template if it has none."""
    tokenizer = tokenizer_of(base)
    prompts_of(tokenizer)
    return tokenizer


def train_with_trl(
    job: Job,
    rows: int,
    tokenizer: Any,
    make: Callable[..., Any],
    more: Callable[[], dict[str, float]] = dict,
) -> dict[str, Any]:
    """Train the trainer that `make(steps, **arguments)` returns, and return the metrics.

    rows: the number of rows per epoch. more: returns further values for each point of the curve.
    """
    steps = job.steps(rows)
    settings = arguments(job, steps)
    with warnings.catch_warnings():
        _ignore_old_names()
        return _train(job, rows, tokenizer, make(steps, **settings), more, steps)


def _ignore_old_names() -> None:
    """Ignore that TRL reads transformers' properties and methods about activation checkpointing by their older names, which work alike."""
    names = "is_gradient_checkpointing|gradient_checkpointing_enable|gradient_checkpointing_disable"
    message, module = f"`({names})` is deprecated", r"transformers\.modeling_utils"
    warnings.filterwarnings("ignore", message, FutureWarning, module)


def _train(
    job: Job, rows: int, tokenizer: Any, trainer: Any, more: Callable[[], dict[str, float]], steps: int
) -> dict[str, Any]:
    trainer.args._n_gpu = min(trainer.args.n_gpu, 1)
    curve = Curve(job)
    curve.more = more
    trainer.add_callback(curve)
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=job.resumable())
    metrics = curve.metrics() | {"steps": steps, "epoch_rows": rows}
    if trainer.is_world_process_zero():
        job.finish(lambda out: save(trainer.accelerator.unwrap_model(trainer.model), tokenizer, out), metrics)
    return metrics
