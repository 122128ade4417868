"""The note of a night that began: one forecast, one budget, until it ends."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

import orjson

from flows.begun import SAME_NIGHT_S, Begun, notes_kept


def test_a_night_begun_again_is_the_same_one(tmp_path: Path) -> None:
    made: list[int] = []

    def forecast() -> dict[str, Any]:
        made.append(len(made))
        return {"number": made[-1]}

    first = Begun.note(tmp_path, "night-1", forecast)
    again = Begun.note(tmp_path, "night-1", forecast)  # as after a kill
    assert (again.since, again.forecast) == (first.since, {"number": 0})
    again.stopped()  # a limit ended it: the next one has its budget anew, and the first forecast
    later = Begun.note(tmp_path, "night-1", forecast)
    assert later.since > first.since
    assert later.forecast == {"number": 0}
    later.published()
    assert Begun.note(tmp_path, "night-1", forecast).forecast == {"number": 1}
    assert Begun.note(tmp_path, "night-2", forecast).forecast == {"number": 2}


def test_the_next_night_has_a_budget_of_its_own(tmp_path: Path) -> None:
    Begun.note(tmp_path, "night-1", dict)
    (file,) = (tmp_path / "runs").iterdir()
    began = time.time() - SAME_NIGHT_S - 1
    file.write_bytes(orjson.dumps({"since": began, "forecast": {}}))
    assert Begun.note(tmp_path, "night-1", dict).since > began + SAME_NIGHT_S


def test_a_night_that_published_and_was_killed_is_known_again(tmp_path: Path) -> None:
    with contextlib.suppress(KeyboardInterrupt), notes_kept():
        Begun.note(tmp_path, "night-1", dict, "inputs").published()
        raise KeyboardInterrupt  # a kill, before the command has said what it published
    again = Begun.unfinished(tmp_path, "night-1", "inputs")
    assert again is not None
    again.published()
    assert Begun.unfinished(tmp_path, "night-1", "inputs") is None
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_command_that_ended_leaves_no_note(tmp_path: Path) -> None:
    with notes_kept():
        Begun.note(tmp_path, "night-1", dict, "inputs").published()
        assert list((tmp_path / "runs").iterdir()) != []
    assert list((tmp_path / "runs").iterdir()) == []


def test_another_night_or_a_later_one_is_a_new_night(tmp_path: Path) -> None:
    Begun.note(tmp_path, "night-1", dict, "inputs")
    assert Begun.unfinished(tmp_path, "night-1", "other inputs") is None
    Begun.note(tmp_path, "night-1", dict, "inputs")
    (file,) = (tmp_path / "runs").iterdir()
    began = time.time() - SAME_NIGHT_S - 1
    file.write_bytes(orjson.dumps({"since": began, "forecast": {}, "inputs": "inputs"}))
    assert Begun.unfinished(tmp_path, "night-1", "inputs") is None
