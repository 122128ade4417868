"""The sizes of the proof: the whole one, and the quick one, which only shows that every part runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.training.student import Shape

LONGEST = 128  # tokens of a completion


@dataclass(frozen=True, slots=True)
class Sizes:
    """Numbers of rows and items per seed, and the settings of the trainings (those of
    tasks.training.config.Train). `items` is the number of held-out items per
    subdomain."""

    seeds: int
    shape: Shape
    corpus: int  # worked problems of the base checkpoint
    base: Mapping[str, Any]  # one base for all seeds
    tuning: Mapping[str, Any]  # each arm
    preference: Mapping[str, Any]  # DPO
    rewarded: Mapping[str, Any]  # PPO
    items: int
    rows: int  # with worked solutions
    asked: int  # of these, rows whose questions the student answers `samples` times
    samples: int
    probes: int  # questions that look for weaknesses
    pool: int  # rows that can be added
    added: int  # rows that each arm of the augmentation experiment adds


_COMMON = {"length": 256, "warmup": 0.1, "log_every": 20}


def _rollout(**settings: Any) -> dict[str, Any]:
    # a student that knows little gives many answers that cannot be compared
    return {"max_new_tokens": LONGEST, "most_unjudged": 1.0} | settings


WHOLE = Sizes(
    seeds=5,
    shape=Shape(hidden=64, feedforward=172, layers=3, heads=2, context=256, vocabulary=512),
    corpus=2200,
    base=_COMMON | {"steps": 1500, "batch": 12, "lr": 5e-3},
    tuning=_COMMON | {"steps": 120, "batch": 8, "lr": 2e-3},
    preference=_COMMON | {"steps": 30, "batch": 16, "lr": 5e-5},
    rewarded=_COMMON
    | {
        "steps": 24,
        "batch": 192,
        "micro_batch": 96,
        "lr": 1e-4,
        "log_every": 1,
        "rollout": _rollout(samples=1, kl=0.02, passes=1),
    },
    items=60,
    rows=1200,
    asked=600,
    samples=4,
    probes=400,
    pool=2000,
    added=400,
)
QUICK = Sizes(
    seeds=2,
    shape=Shape(hidden=32, feedforward=86, layers=2, heads=2, context=256, vocabulary=512),
    corpus=100,
    base=_COMMON | {"steps": 60, "batch": 8, "lr": 1e-2},
    tuning=_COMMON | {"steps": 3, "batch": 4, "lr": 2e-3},
    preference=_COMMON | {"steps": 2, "batch": 4, "lr": 2e-4},
    rewarded=_COMMON
    | {
        "steps": 2,
        "batch": 8,
        "lr": 1e-4,
        "log_every": 1,
        "rollout": _rollout(samples=1, kl=0.02, passes=1),
    },
    items=5,
    rows=60,
    asked=16,
    samples=2,
    probes=24,
    pool=100,
    added=20,
)
