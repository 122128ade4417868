"""A failed run says what kind of failure it was, as an event that automations listen to."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from flows import alarms
from storage.errors import GateFailed


@pytest.fixture
def events(monkeypatch) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(alarms, "emit_event", lambda **event: found.append(event))
    return found


def fail(error: Exception) -> None:
    run = SimpleNamespace(name="math-sft, 500 rows", id="1234")
    alarms.on_failure(None, run, SimpleNamespace(result=lambda raise_on_failure: error))


def test_gates_are_named(events: list[dict[str, Any]]) -> None:
    fail(GateFailed("d", [("gates.min_rows", "3 new rows"), ("gates.clean", "none looked at")]))
    (event,) = events
    assert event["event"] == alarms.GATE
    assert event["payload"]["gates"] == ["gates.min_rows", "gates.clean"]
    assert "3 new rows" in event["payload"]["message"]
    assert event["resource"]["prefect.resource.id"].startswith("mathmill.")


def test_any_other_failure_is_left_to_the_state(events: list[dict[str, Any]]) -> None:
    fail(ValueError("x"))
    assert events == []
