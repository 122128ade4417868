"""The drift gate on stored shards: what it stores, when it raises the alarm, and when it refuses to publish."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flows.config.nightly import Nightly
from flows.runner import events as alarms
from flows.runner.drift_gate import Drift, drift
from flows.runner.stages import FunnelEntry
from storage.rows import Row, to_table
from storage.stage_cache.shards import ShardStore
from tasks.drift.history import NightHistory
from tasks.stages.outcome import Balance


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    emitted: list[dict[str, Any]] = []
    monkeypatch.setattr(alarms, "emit_event", lambda **event: emitted.append(event))
    return emitted


class Dataset:
    """Nights of one dataset, with the shards that a real one would leave."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.shards = ShardStore(home)
        self.model = "some-model"
        self.nights = 0

    def night(self, agreeing: str, *, again: bool = False, right: int = 20, **gates: Any) -> Drift:
        """A night of 50 questions of two solutions each whose samples agree so ("2/2", "1/2"), and whose critic judges so many
        of 20 canaries rightly. `again`: the night before, run once more."""
        self.nights += not again
        rows = [
            Row(f"q{n}", "en", solution=f"{side} is the answer {n % 7}", verdicts={"consistent": agreeing})
            for n in range(50)
            for side in "ab"
        ]
        ref = self.shards.put_content("verify", to_table(rows))
        entries = [
            FunnelEntry(stage, stage, Balance(100, 100, 0, 0), [ref], 0)
            for stage in ("generate", "verify", "critique", "weigh", "similarity")
        ]
        judged = {"right": right // 2, "wrong": right // 2}
        canaries = {"role": "critic", "asked": {"right": 10, "wrong": 10}, "right": judged}
        solved = {"role": "reasoner", "asked": {"cot": 9}, "right": {"cot": 0}}  # says nothing of the critic
        tools = SimpleNamespace(
            shards=self.shards,
            home=self.home,
            settings=SimpleNamespace(
                mix=lambda role: [(SimpleNamespace(model=self.model, revision="", prompts=None), 1.0)]
            ),
        )
        line = SimpleNamespace(
            tools=tools, funnel=entries, facts=lambda: [{"canaries": [canaries, solved]}, {}]
        )
        inputs = SimpleNamespace(seed=self.nights, run=f"night-{self.nights}")
        config = Nightly.model_validate({"gates": gates})
        return drift(SimpleNamespace(line=line, config=config, judged=entries, inputs=inputs))  # type: ignore[arg-type]


def test_a_shift_is_an_alarm_and_stops_publishing(tmp_path: Path, events: list[dict[str, Any]]) -> None:
    dataset = Dataset(tmp_path)
    for _ in range(5):
        night = dataset.night("2/2")
        assert night.shifts == []
        assert night.gate().check(None) is None  # type: ignore[arg-type]
    assert events == []
    shifted = dataset.night("1/2")
    reason = shifted.gate().check(None)  # type: ignore[arg-type]
    assert reason is not None
    assert "share of samples that agree (reasoner, some-model) 0.500, 1.000 in 5 earlier nights" in reason
    assert "Fix: " in reason
    assert "./mathmill drift math-sft --accept" in reason
    (event,) = events
    assert event["event"] == alarms.DRIFT
    assert event["resource"]["prefect.resource.id"] == "mathmill.math-sft"
    assert event["payload"]["measures"] == ["agreement"]
    assert shifted.record()["shifts"]
    assert shifted.record()["evidence"]["agreement"]["evidence"] == 1


def test_an_accepted_change_publishes_and_begins_a_new_reference(
    tmp_path: Path, events: list[dict[str, Any]]
) -> None:
    dataset = Dataset(tmp_path)
    for _ in range(5):
        dataset.night("2/2")
    assert dataset.night("1/2").shifts
    assert dataset.night("1/2", again=True).shifts
    NightHistory(tmp_path, "math-sft").accept()
    again = dataset.night("1/2", again=True)
    assert again.gate().check(None) is None  # type: ignore[arg-type]
    assert again.record()["accepted"]["night"] == f"{6:016x}"
    assert dataset.night("1/2").shifts == []
    assert len(events) == 2


def test_a_critic_that_misjudges_canaries_is_an_alarm(tmp_path: Path, events: list[dict[str, Any]]) -> None:
    dataset = Dataset(tmp_path)
    for _ in range(8):
        assert dataset.night("2/2", right=20).shifts == []
    for _ in range(6):
        if (last := dataset.night("2/2", right=10)).shifts:
            break
    assert "judgements" in [state.measure for state in last.shifts]
    assert {state.measure for state in last.shifts} <= {"judgements", "canaries"}
    assert "judgements" in events[-1]["payload"]["measures"]


def test_the_gate_can_be_switched_off(tmp_path: Path, events: list[dict[str, Any]]) -> None:
    dataset = Dataset(tmp_path)
    for _ in range(5):
        dataset.night("2/2")
    off = dataset.night("1/2", drift=None)
    assert off.gate().check(None) is None  # type: ignore[arg-type]
    assert events == []
    assert off.measures["agreement"].mean == 0.5  # what was measured is stored all the same


def test_nights_of_another_model_are_not_compared(tmp_path: Path, events: list[dict[str, Any]]) -> None:
    dataset = Dataset(tmp_path)
    for _ in range(5):
        dataset.night("2/2")
    dataset.model = "another-model"
    changed = dataset.night("1/2")
    assert {state.nights for state in changed.states} == {0}
    assert changed.shifts == []
    assert events == []
