"""Rejection-sampling fine-tuning (Yuan et al. 2023, arXiv:2308.01825): SFT on the rows and on the distinct right solutions that
a model samples for their questions.

`rollout.sampler` names the checkpoint that samples; by default it is the base. The paper samples from the SFT model and
trains the base.
"""

from __future__ import annotations

import json
from typing import Any

from storage.atomic import write_text
from tasks.training.job import Job
from tasks.training.mapped import PROBLEM, mapped, problems


def run(job: Job) -> dict[str, Any]:
    from accelerate import PartialState

    from tasks.training.completion import Completer
    from tasks.training.models import tokenizer_of
    from tasks.training.rejection import sample
    from tasks.training.trl_pairs import chat_tokenizer
    from tasks.training.weighted import learn, stream_of

    rollout = job.config.rollout
    sampler = rollout.sampler or job.base
    path, record = job.out / "rows" / "sampled.parquet", job.out / "rows" / "sampled.json"
    with PartialState().main_process_first():
        if not record.exists():
            rows = mapped(job, problems, PROBLEM, "questions with a known answer")
            completer = Completer.load(sampler)
            completer.tokenizer = chat_tokenizer(sampler)
            counts = sample(completer, rows, rollout, path, seed=job.seed, log=job.log)
            write_text(record, json.dumps(counts))
    tokenizer = tokenizer_of(job.base)
    facts = json.loads(record.read_text(encoding="utf-8"))
    return learn(job, stream_of(job, tokenizer, more=(str(path),)), tokenizer, facts=facts)
