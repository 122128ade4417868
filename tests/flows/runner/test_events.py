"""A failed run emits the kind of its failure as an event on which automations act."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flows.runner import events as alarms
from flows.runner.limits import SpentWhenStopped, Stopped
from storage.errors import GateFailed
from tasks.llm.budget import BudgetExceeded, BudgetState


@pytest.fixture
def events(monkeypatch) -> list[dict[str, Any]]:
    emitted: list[dict[str, Any]] = []
    monkeypatch.setattr(alarms, "emit_event", lambda **event: emitted.append(event))
    return emitted


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


@pytest.mark.parametrize(
    "error",
    [
        BudgetExceeded("stopped by --budget-usd 1", BudgetState("usd", 1.0, 10, 0.0, 0, 0)),
        Stopped("budget", "stopped by --budget-usd", SpentWhenStopped(1.0, 10, 0, 3, 20)),
    ],
)
def test_a_budget_is_named(events: list[dict[str, Any]], error: Exception) -> None:
    fail(error)
    (event,) = events
    assert event["event"] == alarms.BUDGET
    assert event["payload"]["flow_run_id"] == "1234"


def test_every_event_of_ours_is_emitted_and_subscribed_to() -> None:
    """An event that nothing emits is an alarm that never rings."""
    flows = Path(alarms.__file__).parents[1]
    sources = {path: path.read_text(encoding="utf-8") for path in flows.rglob("*.py")}
    names = [name for name in vars(alarms) if name.isupper()]
    assert {"GATE", "BUDGET", "DRIFT"} <= set(names)
    for name in names:
        assert any(re.search(rf"alarm\(\s*{name},", text) for text in sources.values()), name
    automations = sources[flows / "server" / "automations.py"]
    assert all(f", {name})" in automations for name in ("GATE", "BUDGET", "DRIFT"))
    # what people are not warned of starts deployments
    deployments = (flows.parent / "prefect.yaml").read_text(encoding="utf-8")
    assert alarms.PUBLISHED in deployments
