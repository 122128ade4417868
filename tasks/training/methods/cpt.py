"""Continued pretraining on the texts of a dataset: question and solution form one document, and no token is masked.

With `reference`, a model trained on good texts, only the tokens whose loss exceeds that of the reference most are learned
(Rho-1, Lin et al. 2024, arXiv:2404.07965).
"""

from __future__ import annotations

from typing import Any

from tasks.training.job import Job


def run(job: Job) -> dict[str, Any]:
    from tasks.training.models import model_of, tokenizer_of
    from tasks.training.weighted import learn, stream_of

    tokenizer = tokenizer_of(job.base)
    reference = model_of(job.config.reference) if job.config.reference else None
    return learn(job, stream_of(job, tokenizer, whole=True), tokenizer, reference=reference)
