"""Supervised fine-tuning: the question is read, the solution is learned, each row as much as its loss_weight says."""

from __future__ import annotations

from typing import Any

from tasks.training.job import Job


def run(job: Job) -> dict[str, Any]:
    from tasks.training.models import tokenizer_of
    from tasks.training.weighted import learn, stream_of

    tokenizer = tokenizer_of(job.base)
    return learn(job, stream_of(job, tokenizer), tokenizer)
