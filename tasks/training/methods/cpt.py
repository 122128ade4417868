"""Continued pretraining on the texts of a dataset: question and solution form one document, of which what programs print is read and
not learned.

With `reference`, a model trained on good texts, only the tokens whose loss exceeds that of the reference most are learned
(Rho-1, Lin et al. 2024, arXiv:2404.07965). With `packed`, the blocks of a folder that was exported before are read, and nothing is
tokenized.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tasks.training.config import TrainError
from tasks.training.job import Job


def run(job: Job) -> dict[str, Any]:
    from tasks.training.models import model_of, tokenizer_of
    from tasks.training.packed import PackedStream
    from tasks.training.weighted import learn, stream_of

    tokenizer = tokenizer_of(job.base)
    reference = model_of(job.config.reference) if job.config.reference else None
    config = job.config
    if config.packed:
        if config.curriculum != "none":
            raise TrainError(
                "setting curriculum orders rows, and the blocks of packed have an order. Fix: leave one out"
            )
        folder = Path(config.packed).expanduser()
        packed = PackedStream.of(folder, tokenizer, job.versions, config.length, config.batch, job.seed)
        return learn(job, packed, tokenizer, reference=reference)
    return learn(job, stream_of(job, tokenizer, whole=True), tokenizer, reference=reference)
