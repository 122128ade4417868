"""A scheduled run starts after a random delay; a run that a person started does not wait."""

from __future__ import annotations

from types import SimpleNamespace
from uuid import UUID

import pytest

from flows.runner import start_delay as jitter


@pytest.fixture
def waits(monkeypatch) -> list[float]:
    delays: list[float] = []
    monkeypatch.setattr(jitter.time, "sleep", delays.append)
    monkeypatch.setattr(jitter, "get_run_logger", lambda: SimpleNamespace(info=lambda *words: None))
    return delays


def run(monkeypatch, number: int, scheduled: bool = True) -> None:
    context = SimpleNamespace(flow_run=SimpleNamespace(id=UUID(int=number), auto_scheduled=scheduled))
    monkeypatch.setattr(jitter.FlowRunContext, "get", lambda: context)


def test_scheduled_runs_wait_their_own_time_within_the_limit(monkeypatch, waits: list[float]) -> None:
    for number in range(50):
        run(monkeypatch, number)
        jitter.stagger(60)
    assert len(set(waits)) == 50
    assert 0 <= min(waits) < 15
    assert 45 < max(waits) < 60


def test_only_scheduled_runs_wait(monkeypatch, waits: list[float]) -> None:
    run(monkeypatch, 1, scheduled=False)
    jitter.stagger(60)
    run(monkeypatch, 1)
    jitter.stagger(0)
    monkeypatch.setattr(jitter.FlowRunContext, "get", lambda: None)
    jitter.stagger(60)
    assert waits == []
