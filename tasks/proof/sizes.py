"""The sizes of the proof: the whole one, and the quick one, which only shows that every part runs."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.proof.preferences import Rounds
from tasks.training.small import Recipe
from tasks.training.student import Shape


@dataclass(frozen=True, slots=True)
class Sizes:
    """Numbers of rows, steps and items per seed; `items` is the number of held-out items per subdomain."""

    seeds: int
    shape: Shape
    corpus: int  # worked problems of the base checkpoint
    base: Recipe  # one base for all seeds
    tuning: Recipe  # each arm
    preference: Recipe  # DPO
    rewarded: Rounds  # PPO
    items: int
    rows: int  # with worked solutions
    answered: int  # questions with an answer but no solution
    samples: int  # of the student at each answered question
    probes: int  # questions that look for weaknesses
    pool: int  # rows that can be added
    added: int  # rows that each arm of the augmentation experiment adds


WHOLE = Sizes(
    seeds=5,
    shape=Shape(hidden=64, feedforward=172, layers=3, heads=2, context=256, vocabulary=384),
    corpus=2200,
    base=Recipe(steps=1500, batch=32, peak=5e-3, decay=0.1),
    tuning=Recipe(steps=120, batch=32, peak=2e-3),
    preference=Recipe(steps=30, batch=16, peak=5e-5),
    rewarded=Rounds(24, 192, passes=1, batch=96, rate=1e-4),
    items=80,
    rows=1200,
    answered=800,
    samples=4,
    probes=400,
    pool=2000,
    added=400,
)
QUICK = Sizes(
    seeds=2,
    shape=Shape(hidden=32, feedforward=86, layers=2, heads=2, context=128, vocabulary=384),
    corpus=300,
    base=Recipe(steps=200, batch=32, peak=8e-3),
    tuning=Recipe(steps=8, batch=16, peak=2e-3),
    preference=Recipe(steps=2, batch=4, peak=2e-4),
    rewarded=Rounds(1, 24),
    items=5,
    rows=60,
    answered=30,
    samples=2,
    probes=24,
    pool=100,
    added=20,
)
