"""Running a trainer of TRL as a stage: our steps, curves, resumption and checkpoint around its loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transformers import PrinterCallback

from tasks.training.curves import Curve
from tasks.training.job import Job
from tasks.training.models import arguments, save, tokenizer_of
from tasks.training.tokens import prompts_of


def talking(base: str) -> Any:
    """The tokenizer of a checkpoint, with a chat template whether it has one or not."""
    tokenizer = tokenizer_of(base)
    prompts_of(tokenizer)
    return tokenizer


def preferring(
    job: Job,
    rows: int,
    tokenizer: Any,
    make: Callable[..., Any],
    more: Callable[[], dict[str, float]] = dict,
) -> dict[str, Any]:
    """Train what `make(steps, **arguments)` gives, an epoch having so many rows; returns the metrics. `more`: further
    values of each point of the curve."""
    steps = job.steps(rows)
    settings = arguments(job, steps)
    # TRL keeps transformers' older name for it, and means yes where nothing is said
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
