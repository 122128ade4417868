"""Proximal policy optimisation (Schulman et al. 2017, arXiv:1707.06347), with the base as the reference, in one process.

Each step samples `batch` completions, verifies them, and learns from them `rollout.passes` times.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tasks.seeding import rng_of, seed_of
from tasks.training.config import TrainError
from tasks.training.job import Job
from tasks.training.mapped import PROBLEM, mapped, problems

ONE_PROCESS = True


def run(job: Job) -> dict[str, Any]:
    from tasks.training.learner import Learner
    from tasks.training.reward import RewardModel, Verifier, is_verifier

    config, rollout = job.config, job.config.rollout
    if config.lora is not None:
        raise TrainError("ppo trains all weights. Fix: without lora, or method grpo")
    if config.batch % rollout.samples:
        raise TrainError(f"ppo: batch {config.batch} must be a multiple of rollout.samples {rollout.samples}")
    rows = mapped(job, problems, PROBLEM, "questions with a known answer")
    steps = job.steps(len(rows) * rollout.samples)
    learner = Learner(job, steps)
    order = _order(len(rows), job.seed)
    questions = config.batch // rollout.samples
    with Verifier(most_unjudged=rollout.most_unjudged) as verifier:
        learner.curve.more = verifier.shares
        reward_model = None if is_verifier(rollout.reward) else RewardModel(rollout.reward)
        for step in range(1, steps + 1):
            chosen = [rows[next(order)] for _ in range(questions)]
            if step <= learner.done:  # a resumed run has seen these
                continue
            texts, batch = learner.sample([row["prompt"] for row in chosen], seed_of(job.seed, step))
            each = [row for row in chosen for _ in range(rollout.samples)]
            rewards: list[float | None]
            if reward_model is None:
                rewards = verifier.rewards(
                    [row["prompt"][0]["content"] for row in each],
                    texts,
                    [row["answer"] for row in each],
                    [row["language"] for row in each],
                )
            else:
                rewards = list(reward_model.rewards([row["prompt"] for row in each], texts))
            learner.learn(batch, rewards, step)
    return learner.finish(len(rows))


def _order(count: int, seed: int) -> Iterator[int]:
    """Yield row numbers without end, each once per epoch."""
    epoch = 0
    while True:
        numbers = list(range(count))
        rng_of(seed, "ppo", epoch).shuffle(numbers)
        yield from numbers
        epoch += 1
