"""Real tools for the tests of stages: the embedded teacher behind the real client, a sandbox, a judge."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage.ledger import Ledger
from tasks.answers import Judge
from tasks.llm.endpoint import Endpoint, EngineLimits
from tasks.llm.engine import Engine
from tasks.sandbox import Limits, Sandbox, isolation


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    """Makes engines on one ledger; all are closed at the end."""
    ledger = Ledger.open(str(tmp_path / "ledger.sqlite"))
    engines: list[Engine] = []

    def make(role: str = "reasoner", model: str = "embedded", **limits: object) -> Engine:
        engines.append(Engine(Endpoint(role=role, model=model), ledger, EngineLimits(**limits)))  # type: ignore[arg-type]
        return engines[-1]

    yield make
    for one in engines:
        one.close()
    ledger.close()


@pytest.fixture(scope="session")
def judge() -> Iterator[Judge]:
    with Judge(workers=1) as one:
        yield one


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    isolated = isolation()
    if not isolated.ok:
        pytest.skip(f"no isolation here: {isolated.detail}")
    with Sandbox(Limits(wall_s=10.0, cpu_s=2.0), workers=1) as box:
        yield box
