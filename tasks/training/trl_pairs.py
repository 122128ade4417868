"""Run a TRL trainer as a training stage: TRL computes the loss; steps, curves, resumption and checkpoint are those of all
methods."""

from __future__ import annotations

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
    # TRL uses transformers' older name, and its default is true
    settings["gradient_checkpointing"] = settings.pop("activation_checkpointing")
    trainer = make(steps, **settings)
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
