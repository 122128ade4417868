"""Direct preference optimisation by TRL: a published solution beside a wrong one to the same question."""

from __future__ import annotations

from typing import Any

from tasks.training.job import Job
from tasks.training.mapped import PREFERENCE, mapped, preferences


def run(job: Job) -> dict[str, Any]:
    from trl import DPOConfig, DPOTrainer

    from tasks.training.models import lora_of, model_of
    from tasks.training.trl_pairs import preferring, talking

    config, tokenizer = job.config, talking(job.base)
    pairs = mapped(job, preferences, PREFERENCE, "pairs of a right and a wrong solution")
    model, lora = model_of(job.base), lora_of(config)

    def trainer(steps: int, **settings: Any) -> Any:
        return DPOTrainer(
            model=model,
            ref_model=None if lora else model_of(job.base),
            args=DPOConfig(**settings, beta=config.beta, max_length=config.length),
            train_dataset=pairs,
            processing_class=tokenizer,
            peft_config=lora,
        )

    return preferring(job, len(pairs), tokenizer, trainer)
