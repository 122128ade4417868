"""Stored nights: each counts once, an alarm stays until it is accepted, and another model is not compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from storage.errors import StorageError
from storage.sealed_files import HomeFiles
from tasks.drift.history import NightHistory
from tasks.drift.measures import Mean, Measured, counts_of

KEYS = {"canaries": ("k", "some-model")}


def add(nights: NightHistory, name: str, wrong: int, key: str = "k") -> None:
    values = np.concatenate([np.zeros(wrong), np.ones(100 - wrong)])
    one = Measured(Mean(float(values.mean()), 0.01, 100), counts_of("canaries", values))
    nights.add(name, f"run-{name}", {"canaries": one}, {"canaries": (key, "some-model")})


def test_a_change_stays_an_alarm_until_it_is_accepted(tmp_path: Path) -> None:
    nights = NightHistory(tmp_path, "d")
    assert nights.watch(0.01) == []
    assert nights.accept() is None
    for n in range(6):
        add(nights, f"{n}", 6)
        (state,) = nights.watch(0.01)
        assert not state.alarm
    add(nights, "6", 60)
    (state,) = nights.watch(0.01)
    assert state.alarm
    assert state.before == pytest.approx(0.94)
    assert (state.value, state.nights, state.model) == (pytest.approx(0.4), 6, "some-model")
    assert state.since
    assert "canaries" in str(state)
    add(nights, "6", 60)  # the night is run again: still an alarm, and counted once
    assert nights.watch(0.01) == [state]
    assert len(nights.nights()) == 7
    newest = nights.accept()
    assert newest is not None
    assert newest.night == "6"
    add(nights, "6", 60)
    (state,) = nights.watch(0.01)
    assert not state.alarm
    assert state.nights == 0
    for n in range(7, 12):
        add(nights, f"{n}", 60)
        assert not nights.watch(0.01)[0].alarm
    add(nights, "12", 5)
    assert nights.watch(0.01)[0].alarm  # better than the new reference: another model


def test_the_state_survives_and_a_night_counts_once(tmp_path: Path) -> None:
    for n in range(4):
        for _ in range(3):  # killed and started again
            add(NightHistory(tmp_path, "d"), f"{n}", 5)
    (state,) = NightHistory(tmp_path, "d").watch(0.01)
    assert state.nights == 3
    assert NightHistory(tmp_path, "another").watch(0.01) == []


def test_nights_of_another_model_are_not_compared(tmp_path: Path) -> None:
    nights = NightHistory(tmp_path, "d")
    for n in range(4):
        add(nights, f"{n}", 5)
    add(nights, "4", 60, key="another")
    (state,) = nights.watch(0.01)
    assert (state.nights, state.alarm, state.before) == (0, False, None)


def test_the_files_are_sealed_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    nights = NightHistory(tmp_path, "d")
    add(nights, "one", 5)
    assert HomeFiles(tmp_path).check() == (1, [])
    path = tmp_path / "drift" / "d" / "one.json"
    path.write_text("{}")
    assert HomeFiles(tmp_path).check()[1]
    with pytest.raises(StorageError, match=r"one\.json cannot be read.*Fix: remove"):
        nights.watch(0.01)
