"""Direct preference optimisation (Rafailov et al. 2023, arXiv:2305.18290) by TRL. A pair is a published solution and a wrong
one to the same question. What programs print in them counts on neither side (tasks/training/printed.py)."""

from __future__ import annotations

from typing import Any

from tasks.training.job import Job
from tasks.training.mapped import preference_pairs


def run(job: Job) -> dict[str, Any]:
    from trl import DPOConfig, DPOTrainer

    from tasks.training.models import lora_of, model_of
    from tasks.training.printed import collator
    from tasks.training.trl_pairs import chat_tokenizer, train_with_trl

    config, tokenizer = job.config, chat_tokenizer(job.base)
    pairs = preference_pairs(job, tokenizer)
    model, lora = model_of(job.base), lora_of(config)

    def trainer(steps: int, **settings: Any) -> Any:
        return DPOTrainer(
            model=model,
            ref_model=None if lora else model_of(job.base),
            args=DPOConfig(**settings, beta=config.beta, max_length=config.length),
            train_dataset=pairs,
            processing_class=tokenizer,
            data_collator=collator(tokenizer, config.length),
            peft_config=lora,
        )

    return train_with_trl(job, len(pairs), tokenizer, trainer)
