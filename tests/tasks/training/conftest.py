"""An untrained small student with a tokenizer of the problem families, and a store with sums to learn."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.datasets.store import Store
from storage.rows import Row, to_table
from tasks.problems.machinery.family import families, make
from tasks.seeding import rng_of
from tasks.training.config import Train
from tasks.training.student import Shape, fresh

SHAPE = Shape(hidden=32, feedforward=64, layers=2, heads=2, context=512, vocabulary=400)
DATASET = "sums"


def texts() -> list[str]:
    rng = rng_of("student", 0)
    problems = [make(family, rng, 1, "en") for family in families().values()]
    return [f"{problem.question} {' '.join(problem.worked.steps)}" for problem in problems]


@pytest.fixture(scope="session")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fresh(texts(), tmp_path_factory.mktemp("student"), seed=1, shape=SHAPE)


def sums(count: int, *, seed: int = 0, limit: int = 60) -> list[Row]:
    """Return different additions with worked solutions of different lengths and different loss weights."""
    rng = random.Random(seed)
    rows = []
    for number in range(count):
        terms = [rng.randrange(limit) for _ in range(rng.choice((2, 2, 3, 5)))]
        steps = [f"{sum(terms[:i])} + {terms[i]} = {sum(terms[: i + 1])}" for i in range(1, len(terms))]
        total = str(sum(terms))
        rows.append(
            Row(
                question=f"Number {seed}.{number}: what is {' + '.join(map(str, terms))}?",
                language="en",
                solution="\n".join([*steps, f"So \\boxed{{{total}}}"]),
                solution_format="cot",
                answer=total,
                reference_answer=total,
                loss_weight=1 + rng.random(),
            )
        )
    return rows


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a store with one version of DATASET, of 60 rows."""
    published_store = Store(tmp_path / "home")
    published_store.publish(DATASET, [to_table(sums(60))], lineage={})
    return published_store


@pytest.fixture
def tiny(student: Path) -> Callable[..., Train]:
    """Return settings of a few steps on a very small student."""

    def make(**settings: object) -> Train:
        defaults = {
            "base": str(student),
            "data": [{"dataset": DATASET}],
            "steps": 4,
            "batch": 8,
            "length": 128,
            "lr": 1e-3,
            "log_every": 1,
        }
        return Train.model_validate(defaults | settings)

    return make
