"""Train a reward model by TRL (Bradley-Terry over preference pairs): the checkpoint's trunk with a scalar head.

`rollout.reward` of ppo, grpo and rloo takes its checkpoint. The loss is on the score of a whole text, so no token is learned and what programs
print is only read.
"""

from __future__ import annotations

from typing import Any

from tasks.training.job import Job
from tasks.training.mapped import preference_pairs


def run(job: Job) -> dict[str, Any]:
    from transformers import AutoModelForSequenceClassification, set_seed
    from trl import RewardConfig, RewardTrainer

    from tasks.training.models import lora_of, model_of
    from tasks.training.trl_pairs import chat_tokenizer, train_with_trl

    config, tokenizer = job.config, chat_tokenizer(job.base)
    pairs = preference_pairs(job, tokenizer)
    set_seed(job.seed)  # of the new head
    model = model_of(job.base, kind=AutoModelForSequenceClassification, num_labels=1)
    model.config.pad_token_id = tokenizer.pad_token_id

    def trainer(steps: int, **settings: Any) -> Any:
        return RewardTrainer(
            model=model,
            args=RewardConfig(**settings, max_length=config.length),
            train_dataset=pairs,
            processing_class=tokenizer,
            peft_config=lora_of(config, "SEQ_CLS"),
        )

    return train_with_trl(job, len(pairs), tokenizer, trainer)
