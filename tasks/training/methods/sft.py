"""Supervised fine-tuning: the solution is learned given the question; each row's loss is multiplied by its loss_weight."""

from __future__ import annotations

from typing import Any

from tasks.training.job import Job


def run(job: Job) -> dict[str, Any]:
    from tasks.training.models import tokenizer_of
    from tasks.training.weighted import learn, stream_of

    tokenizer = tokenizer_of(job.base)
    return learn(job, stream_of(job, tokenizer), tokenizer)
