"""The drift gate on stored shards: what it records, when it raises the alarm, and when it refuses to publish."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flows.config.nightly import Nightly
from flows.runner import events as alarms
from flows.runner.drift_gate import drift
from flows.runner.stages import FunnelEntry
from storage.rows import Row, to_table
from storage.stage_cache.shards import ShardStore
from tasks.stages.outcome import Balance


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    emitted: list[dict[str, Any]] = []
    monkeypatch.setattr(alarms, "emit_event", lambda **event: emitted.append(event))
    return emitted


class Dataset:
    """Nights of one dataset, with the shards and lineages that a real one would leave."""

    def __init__(self, home: Path) -> None:
        self.shards = ShardStore(home)
        self.versions: list[Any] = []
        self.model = "some-model"

    def night(self, agreeing: str, **gates: Any) -> Any:
        """A night of 50 questions of two solutions each whose samples agree so ("2/2", "1/2")."""
        rows = [
            Row(f"q{n}", "en", solution=f"{side} is the answer {n % 7}", verdicts={"consistent": agreeing})
            for n in range(50)
            for side in "ab"
        ]
        ref = self.shards.put_content("verify", to_table(rows))
        entries = [
            FunnelEntry(stage, stage, Balance(100, 100, 0, 0), [ref], 0)
            for stage in ("verify", "critique", "weigh", "similarity")
        ]
        tools = SimpleNamespace(
            shards=self.shards,
            store=SimpleNamespace(versions=lambda dataset: self.versions),
            settings=SimpleNamespace(mix=lambda role: [(SimpleNamespace(model=self.model), 1.0)]),
        )
        config = Nightly.model_validate({"gates": gates})
        return drift(SimpleNamespace(line=SimpleNamespace(tools=tools), config=config, judged=entries))  # type: ignore[arg-type]

    def publish(self, found: Any) -> None:
        self.versions.append(SimpleNamespace(lineage={"drift": found.record()}))


def test_a_shift_is_an_alarm_and_stops_publishing(tmp_path: Path, events: list[dict[str, Any]]) -> None:
    dataset = Dataset(tmp_path)
    for _ in range(3):
        night = dataset.night("2/2")
        assert night.shifts == []
        assert night.gate().check(None) is None
        dataset.publish(night)
    assert events == []
    shifted = dataset.night("1/2")
    reason = shifted.gate().check(None)
    assert "share of samples that agree 0.500, 3 earlier nights allow" in reason
    assert "Fix: " in reason
    (event,) = events
    assert event["event"] == alarms.DRIFT
    assert event["resource"]["prefect.resource.id"] == "mathmill.math-sft"
    assert event["payload"]["measures"] == ["agreement"]
    assert shifted.record()["shifts"]


def test_the_gate_can_be_switched_off(tmp_path: Path, events: list[dict[str, Any]]) -> None:
    dataset = Dataset(tmp_path)
    dataset.publish(dataset.night("2/2"))
    off = dataset.night("1/2", drift=None)
    assert off.gate().check(None) is None
    assert events == []
    assert off.measures["agreement"].mean == 0.5  # what was measured is recorded all the same


def test_nights_of_another_model_are_not_compared(tmp_path: Path, events: list[dict[str, Any]]) -> None:
    dataset = Dataset(tmp_path)
    for _ in range(3):
        dataset.publish(dataset.night("2/2"))
    dataset.model = "another-model"
    changed = dataset.night("1/2")
    assert changed.nights == 0
    assert changed.shifts == []
    assert events == []
