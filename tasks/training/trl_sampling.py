"""Run a TRL trainer that samples completions while it trains and gets a reward for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from storage.counting import counted
from tasks.training.config import TrainError
from tasks.training.job import Job
from tasks.training.mapped import PROBLEM, mapped, problems
from tasks.training.models import lora_of, model_of
from tasks.training.reward import RewardModel, Verifier, is_verifier
from tasks.training.trl_pairs import chat_tokenizer, train_with_trl


def train_sampling(job: Job, trainer: Any, configuration: Any) -> dict[str, Any]:
    """Train on `batch` completions per step, `rollout.samples` per prompt, and return the metrics.

    Raises TrainError if the batch does not fit the samples or the number of questions.
    """
    config, rollout = job.config, job.config.rollout
    if config.batch % rollout.samples or rollout.samples < 2:
        raise TrainError(
            f"{config.method}: batch {config.batch} must be a multiple of rollout.samples {rollout.samples}, 2 or more"
        )
    tokenizer = chat_tokenizer(job.base)
    rows = mapped(job, problems, PROBLEM, "questions with a known answer")
    if len(rows) < config.batch // rollout.samples:
        # TRL would train no step at all and report success
        raise TrainError(
            f"{config.method}: {counted(len(rows), 'question')} cannot fill a batch of {counted(config.batch, 'completion')}, which is "
            f"{counted(config.batch // rollout.samples, 'question')}. Fix: a batch of at most {len(rows) * rollout.samples}, or more rows"
        )
    with Verifier(most_unjudged=rollout.most_unjudged) as verifier:
        reward_model = None if is_verifier(rollout.reward) else RewardModel(rollout.reward)

        def reward(
            prompts: Sequence[Any],
            completions: Sequence[Any],
            answer: Sequence[str],
            language: Sequence[str],
            **_: Any,
        ) -> list[float | None]:
            texts = [turns[0]["content"] for turns in completions]
            if reward_model is not None:
                return list(reward_model.rewards(prompts, texts))
            return verifier.rewards([turns[0]["content"] for turns in prompts], texts, answer, language)

        def make(steps: int, **common: Any) -> Any:
            return trainer(
                model=model_of(job.base),
                reward_funcs=reward,
                args=configuration(
                    **common,
                    beta=rollout.kl,
                    epsilon=rollout.clip,
                    use_vllm=False,
                    log_completions=False,
                    num_generations=rollout.samples,
                    max_completion_length=rollout.max_new_tokens,
                    temperature=rollout.temperature,
                ),
                train_dataset=rows,
                processing_class=tokenizer,
                peft_config=lora_of(config),
            )

        return train_with_trl(job, len(rows) * rollout.samples, tokenizer, make, more=verifier.shares)
