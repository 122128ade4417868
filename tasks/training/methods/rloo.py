"""REINFORCE with the other samples' mean as the baseline (Ahmadian et al. 2024, arXiv:2402.14740) by TRL, with the
verifier as the reward."""

from __future__ import annotations

from typing import Any

from tasks.training.job import Job


def run(job: Job) -> dict[str, Any]:
    from trl import RLOOConfig, RLOOTrainer

    from tasks.training.trl_sampling import sampling

    return sampling(job, RLOOTrainer, RLOOConfig)
