"""The sizes of the proof: the whole one, the quick one, which only shows that every part runs, and the one for a GPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tasks.training.student import Shape

# subdomains of the problems: two that every student has seen often, and two that it has seen rarely
COMMON = ("linear equations", "multi-step arithmetic")
RARE = ("ratios and proportions", "functions")
SUBDOMAINS = (*COMMON, *RARE)
LONGEST = 112  # tokens of an answer


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of what. Rows and items are counted over all subdomains of their kind, steps in optimizer steps.

    training: settings of every training (tasks.training.config.Train). `seeds` are those of the claims 1 and 2, of the others the
    first `fewer`.
    """

    name: str
    shape: Shape
    training: Mapping[str, Any]
    seeds: tuple[int, ...]
    fewer: int
    corpus: int  # rows of the common subdomains that the base is trained on
    scarce: int  # rows of the rare ones
    base: int  # steps
    base_rate: float
    pool: int  # rows of the common subdomains that an arm may take
    pool_scarce: int  # rows of the rare ones
    driving: int  # items of the probe whose failures drive
    items: int  # items on which every model is scored
    added: int  # rows of each arm of the claims 1 and 2
    steps: int  # of each arm
    rate: float
    questions: int  # of the claim 3
    students: int  # that sample solutions for the claim 3
    samples: int  # of each question
    generated: int  # rows that the night of claim 5 is to accept
    base_of: str = ""  # the sizes whose corpus and base are used; empty: its own


_TRAINING = {"batch": 6, "length": 256, "warmup": 0.05, "log_every": 100}

WHOLE = Sizes(
    name="whole",
    shape=Shape(96, 256, 3, 3, 256, 512),
    training=_TRAINING,
    seeds=(10, 11, 12, 13),
    fewer=4,
    corpus=2000,
    scarce=200,
    base=2500,
    base_rate=4e-3,
    pool=480,
    pool_scarce=50,
    driving=80,
    items=200,
    added=120,
    steps=60,
    rate=1e-3,
    questions=60,
    students=3,
    samples=4,
    generated=300,
)
QUICK = Sizes(
    name="quick",
    shape=Shape(32, 86, 2, 2, 256, 512),
    training=_TRAINING,
    seeds=(0, 1),
    fewer=1,
    corpus=40,
    scarce=12,
    base=40,
    base_rate=1e-2,
    pool=30,
    pool_scarce=10,
    driving=8,
    items=12,
    added=6,
    steps=2,
    rate=1e-3,
    questions=10,
    students=2,
    samples=2,
    generated=10,
)
# about 100 million parameters; the sizes of the data grow with what such a student can learn
GPU = Sizes(
    name="gpu",
    shape=Shape(768, 2048, 14, 12, 512, 2048),
    training={"batch": 128, "length": 512, "warmup": 0.05, "log_every": 100, "precision": "bf16"},
    seeds=tuple(range(10, 20)),
    fewer=10,
    corpus=30_000,
    scarce=2_400,
    base=4000,
    base_rate=6e-4,
    pool=9_000,
    pool_scarce=900,
    driving=1_500,
    items=2_000,
    added=1_500,
    steps=200,
    rate=1e-4,
    questions=1_500,
    students=3,
    samples=8,
    generated=1_500,
)
# other seeds and items than the whole proof, for the variances that its power is computed from
PILOT = replace(WHOLE, name="pilot", seeds=(0, 1), fewer=2, base_of="whole")
SIZES = {one.name: one for one in (WHOLE, QUICK, GPU, PILOT)}
