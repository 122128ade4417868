"""Group-relative policy optimisation (Shao et al. 2024, arXiv:2402.03300) by TRL, with the verifier as the reward."""

from __future__ import annotations

from typing import Any

from tasks.training.job import Job


def run(job: Job) -> dict[str, Any]:
    from trl import GRPOConfig, GRPOTrainer

    from tasks.training.trl_sampling import train_sampling

    return train_sampling(job, GRPOTrainer, GRPOConfig)
