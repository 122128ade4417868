"""Rejection-sampling fine-tuning: SFT on the rows together with the model's own right, distinct solutions to their questions.

`rollout.sampler` samples (the base, where it is empty): the paper samples from the SFT model and trains the base anew.
"""

from __future__ import annotations

import json
from typing import Any

from tasks.training.job import Job
from tasks.training.mapped import PROBLEM, mapped, problems


def run(job: Job) -> dict[str, Any]:
    from accelerate import PartialState

    from tasks.training.completion import Completer
    from tasks.training.models import tokenizer_of
    from tasks.training.rejection import sample
    from tasks.training.trl_pairs import talking
    from tasks.training.weighted import learn, stream_of

    rollout = job.config.rollout
    sampler = rollout.sampler or job.base
    path, told = job.out / "rows" / "sampled.parquet", job.out / "rows" / "sampled.json"
    with PartialState().main_process_first():
        if not told.exists():
            rows = mapped(job, problems, PROBLEM, "questions with a known answer")
            completer = Completer.load(sampler)
            completer.tokenizer = talking(sampler)
            counts = sample(completer, rows, rollout, path, seed=job.seed, log=job.log)
            told.write_text(json.dumps(counts), encoding="utf-8")
    tokenizer = tokenizer_of(job.base)
    facts = json.loads(told.read_text(encoding="utf-8"))
    return learn(job, stream_of(job, tokenizer, more=(str(path),)), tokenizer, facts=facts)
