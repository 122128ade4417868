"""Train a critic: SFT on judgements in the prompt of the critic (prompts/critique, or the user's own), so that the checkpoint can take that role.

Right solutions are published rows; wrong ones are rejected rows whose answer differs from the accepted one
(storage.datasets.shapes.with_wrong).
"""

from __future__ import annotations

from typing import Any

from tasks.training.job import Job

PROMPT = "critique"  # which an overlay may replace


def run(job: Job) -> dict[str, Any]:
    from accelerate import PartialState

    from tasks.training.config import TrainError
    from tasks.training.judgements import write
    from tasks.training.models import tokenizer_of
    from tasks.training.weighted import learn, stream_of

    if any(source.weight is not None for source in job.stage.data):
        raise TrainError("data: weights and `without` do not reach a critic's judgements; leave them out")
    path = job.out / "rows" / "judgements.parquet"
    with PartialState().main_process_first():
        if not path.exists():
            write(job.store, job.versions, path, job.overlay)
    tokenizer = tokenizer_of(job.base)
    return learn(job, stream_of(job, tokenizer, instead=(str(path),)), tokenizer)
