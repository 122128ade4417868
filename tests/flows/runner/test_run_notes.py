"""The note of a started night holds its forecast and its budget until it ends."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

import orjson

from flows.runner.run_notes import SAME_NIGHT_S, RunNote, ended, notes_kept


def test_a_restarted_night_is_the_same_one(tmp_path: Path) -> None:
    notes: list[int] = []

    def forecast() -> dict[str, Any]:
        notes.append(len(notes))
        return {"number": notes[-1]}

    first = RunNote.start(tmp_path, "night-1", forecast)
    again = RunNote.start(tmp_path, "night-1", forecast)  # as after a kill
    assert (again.since, again.forecast) == (first.since, {"number": 0})
    assert (first.continues, again.continues) == (False, True)
    again.stopped()  # a limit ended it: the next one has its budget anew, and the first forecast
    later = RunNote.start(tmp_path, "night-1", forecast)
    assert later.since > first.since
    assert not later.continues
    assert later.forecast == {"number": 0}
    later.remove()
    assert RunNote.start(tmp_path, "night-1", forecast).forecast == {"number": 1}
    assert RunNote.start(tmp_path, "night-2", forecast).forecast == {"number": 2}


def test_the_next_night_has_a_budget_of_its_own(tmp_path: Path) -> None:
    RunNote.start(tmp_path, "night-1", dict)
    (file,) = (tmp_path / "runs").iterdir()
    began = time.time() - SAME_NIGHT_S - 1
    file.write_bytes(orjson.dumps({"since": began, "forecast": {}}))
    assert RunNote.start(tmp_path, "night-1", dict).since > began + SAME_NIGHT_S


class Run:
    """A flow run, as its hooks get it."""

    def __init__(self, number: str) -> None:
        self.id = number


def unfinished(home: Path, inputs: str = "inputs", **published: float) -> RunNote | None:
    return RunNote.unfinished(home, inputs, published)


def notes(home: Path) -> list[str]:
    return sorted(path.stem for path in (home / "runs").iterdir())


def test_a_note_stays_until_its_flow_run_has_ended(tmp_path: Path) -> None:
    RunNote.start(tmp_path, "one", dict, "inputs").published("run 1")
    RunNote.start(tmp_path, "two", dict, "other").published("run 2")
    assert notes(tmp_path) == ["one", "two"]  # a worker that is killed here gets the same night again
    again = unfinished(tmp_path, one=time.time())
    assert again is not None
    assert again.run == "one"
    ended(None, Run("run 1"), None)
    ended(None, Run("run 1"), None)
    assert notes(tmp_path) == ["two"]
    assert unfinished(tmp_path, one=time.time()) is None
    ended(None, Run("run 2"), None)
    assert notes(tmp_path) == []


def test_a_note_stays_until_the_command_that_keeps_notes_has_ended(tmp_path: Path) -> None:
    def night() -> None:
        RunNote.start(tmp_path, "one", dict, "inputs").published("run 1")
        ended(None, Run("run 1"), None)

    with contextlib.suppress(KeyboardInterrupt), notes_kept():
        night()
        raise KeyboardInterrupt  # a kill, before the command has printed what it published
    assert unfinished(tmp_path, one=time.time()) is not None
    with notes_kept():
        night()
        assert notes(tmp_path) == ["one"]
    assert notes(tmp_path) == []


def test_another_night_or_a_later_one_is_a_new_night(tmp_path: Path) -> None:
    RunNote.start(tmp_path, "one", dict, "inputs")
    now = time.time()
    assert unfinished(tmp_path, "other inputs", one=now) is None
    assert unfinished(tmp_path, two=now) is None  # not published yet: it continues as the same night
    assert unfinished(tmp_path, one=now - 60) is None  # what a version restored since was made of
    assert unfinished(tmp_path, one=now) is not None
    (file,) = (tmp_path / "runs").iterdir()
    began = time.time() - SAME_NIGHT_S - 1
    file.write_bytes(orjson.dumps({"since": began, "forecast": {}, "inputs": "inputs"}))
    assert unfinished(tmp_path, one=now) is None
    assert notes(tmp_path) == []
