"""The sizes of the proof: the whole one, the quick one, which only shows that every part runs, and the one for a GPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tasks.training.student import Shape


@dataclass(frozen=True, slots=True)
class FamilyOfTopic:
    """A family of problems, and the knowledge point by which a prompt asks the embedded teacher for it."""

    name: str
    point: str


# subdomain -> its family: two that every student has seen often, and three that it has seen rarely. Their arithmetic is small
FAMILIES = {
    "linear equations": FamilyOfTopic("age_problem", "word problems about ages"),
    "multi-step arithmetic": FamilyOfTopic("shopping_change", "money"),
    "counting": FamilyOfTopic("committee_count", "combinations"),
    "exponents and logarithms": FamilyOfTopic("logarithm_value", "logarithms"),
    "probability": FamilyOfTopic("repeated_trials", "independent events"),
}
SUBDOMAINS = tuple(FAMILIES)
COMMON, RARE = SUBDOMAINS[:2], SUBDOMAINS[2:]
LONGEST = 112  # tokens of an answer


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of what. Rows and items are counted over all subdomains of their kind, steps in optimizer steps.

    training: settings of every training (tasks.training.config.Train). `seeds` are those of the claims and of the control, their
    first `explored` ones those of the exploratory arms. edition: stands in the names by which problems are drawn, so that another preregistration has other ones.
    """

    name: str
    shape: Shape
    training: Mapping[str, Any]
    seeds: tuple[int, ...]
    explored: int  # of the seeds, for the exploratory arms
    tuned: int  # steps of a training by pairs or rewards
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
    samples: int  # of each question in the first round; in all, four times as many
    generated: int  # rows that the night of claim 5 is to accept
    programs: int  # rows of the common subdomains in programs that the base of claim 4 is trained on besides
    programs_scarce: int  # and of the rare ones
    programs_base: int  # steps of that base
    routed: int  # rows of each arm of claim 4
    edition: str = ""
    base_of: str = ""  # the sizes whose corpus and base are used; empty: its own

    def drawn(self, part: str) -> str:
        """Return the name by which the problems of a part are drawn."""
        return f"{self.name}{self.edition} {part}"


_TRAINING = {"batch": 8, "length": 256, "warmup": 0.05, "weight_decay": 0.1, "log_every": 100}

WHOLE = Sizes(
    name="whole",
    shape=Shape(64, 172, 3, 4, 256, 512),
    training=_TRAINING,
    seeds=tuple(range(50, 56)),
    explored=3,
    tuned=30,
    corpus=4000,
    scarce=1200,
    base=1500,
    base_rate=5e-3,
    pool=2000,
    pool_scarce=600,
    driving=300,
    items=1000,
    added=400,
    steps=240,
    rate=8e-4,
    questions=200,
    samples=8,
    generated=480,
    programs=1000,
    programs_scarce=300,
    programs_base=1500,
    routed=400,
    edition=" fourth",
)
QUICK = Sizes(
    name="quick",
    shape=Shape(32, 86, 2, 2, 256, 512),
    training=_TRAINING,
    seeds=(0,),
    explored=0,
    tuned=2,
    corpus=40,
    scarce=12,
    base=40,
    base_rate=1e-2,
    pool=30,
    pool_scarce=10,
    driving=10,
    items=10,
    added=6,
    steps=2,
    rate=1e-3,
    questions=10,
    samples=2,
    generated=10,
    programs=20,
    programs_scarce=6,
    programs_base=40,
    routed=6,
)
# about 100 million parameters; the sizes of the data grow with what such a student can learn
GPU = Sizes(
    name="gpu",
    shape=Shape(768, 2048, 14, 12, 512, 2048),
    training={"batch": 128, "length": 512, "warmup": 0.05, "log_every": 100, "precision": "bf16"},
    seeds=tuple(range(10, 20)),
    explored=3,
    tuned=100,
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
    samples=8,
    generated=1_500,
    programs=7_500,
    programs_scarce=600,
    programs_base=4000,
    routed=1_500,
)
# other seeds and items than the whole proof, for the variances that its power is computed from
PILOT = replace(WHOLE, name="pilot", seeds=(2, 3), explored=1, base_of="whole")
SIZES = {one.name: one for one in (WHOLE, QUICK, GPU, PILOT)}
