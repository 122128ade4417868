"""A small student, untrained, on the texts of the project's own problem families."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.rules.family import families, make
from tasks.seeding import rng_of
from tasks.train.student import Shape, fresh

SHAPE = Shape(hidden=32, feedforward=64, layers=2, heads=2, context=512, vocabulary=400)


def texts() -> list[str]:
    rng = rng_of("student", 0)
    problems = [make(family, rng, 1, "en") for family in families().values()]
    return [f"{problem.question} {' '.join(problem.worked.steps)}" for problem in problems]


@pytest.fixture(scope="session")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fresh(texts(), tmp_path_factory.mktemp("student"), seed=1, shape=SHAPE)
