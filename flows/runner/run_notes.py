"""Notes of runs: what was known of a night or a rebuild when it started, so that a restart after a crash is the same run."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from storage.errors import ForPeople, in_one_line
from storage.sealed_files import HomeFiles

SAME_NIGHT_S = 20 * 3600  # restarted later than this, it is the next night, with a budget of its own


class NoteError(ForPeople, ValueError):
    """The note of a run cannot be read; the message names the file."""


class RunNote:
    """`<home>/runs/<run>.json`: `since` (Unix seconds) is when its budget began to count, `forecast` what was
    expected of it before its first call. `continues`: whether an earlier process of the same run was ended before its end."""

    def __init__(self, path: Path, since: float, forecast: dict[str, Any], inputs: str = "") -> None:
        self._path = path
        self._files = HomeFiles(path.parent.parent)
        self.since = since
        self.forecast = forecast
        self.continues = False
        self._inputs = inputs

    @classmethod
    def unfinished(cls, home: Path, inputs: str, published: Mapping[str, float]) -> RunNote | None:
        """Return the note of a run that has published and whose process was killed before its flow had ended, if this start
        asks for the same: equal `inputs`, not later than SAME_NIGHT_S.

        `published`: when each run published last, in Unix seconds. What was published before the note is of an earlier
        night of the same name, as there is where a version was restored.
        """
        for path in sorted((home / "runs").glob("*.json")):
            if path.stem not in published:
                continue
            try:
                known = _read(path)
            except FileNotFoundError:  # its flow has just ended
                continue
            since = known.get("since") or 0.0
            if time.time() - since >= SAME_NIGHT_S:
                HomeFiles(home).remove(path)  # what that night published is finished by the next one
            elif known.get("inputs") == inputs and published[path.stem] >= int(since):
                return cls(path, since, known["forecast"], inputs)
        return None

    @classmethod
    def start(cls, home: Path, run: str, forecast: Callable[[], dict[str, Any]], inputs: str = "") -> RunNote:
        """Return the note of an earlier start, or a new one. `inputs`: digest of what the night was asked for, without what
        it builds on."""
        path = home / "runs" / f"{run}.json"
        stored: dict[str, Any] = _read(path) if path.exists() else {"forecast": forecast()}
        now, since = time.time(), stored.get("since") or 0.0
        note = cls(path, since if now - since < SAME_NIGHT_S else now, stored["forecast"], inputs)
        note.continues = note.since == since
        note._write(note.since)
        return note

    def stopped(self) -> None:
        """Record that a limit ended the run. When it is started again, it has its whole budget again."""
        self._write(None)

    @property
    def run(self) -> str:
        """Return the name of the run."""
        return self._path.stem

    def published(self, flow_run: str) -> None:
        """Record that the run has published. Its note stays until the flow run of this id has ended; see `ended`."""
        _published.setdefault(flow_run, []).append(self)

    def remove(self) -> None:
        self._files.remove(self._path)

    def _write(self, since: float | None) -> None:
        note = {"since": since, "forecast": self.forecast, "inputs": self._inputs}
        self._files.write(self._path, orjson.dumps(note))


def _read(path: Path) -> dict[str, Any]:
    """Read a note. Raises NoteError if the file is not a note; whether it is the one that was written, `verify` tells."""
    try:
        stored = orjson.loads(path.read_bytes())
        since = stored.get("since")
        if not isinstance(stored["forecast"], dict) or not (since is None or isinstance(since, int | float)):
            raise ValueError("it is not a note of a run")
    except FileNotFoundError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NoteError(
            f"{path} cannot be read ({in_one_line(error)}). Fix: remove the file; the night then begins with the budget of "
            "a new one, and nothing that is paid for is lost"
        ) from error
    return dict(stored)


_published: dict[str, list[RunNote]] = {}  # by id of the flow run, until it has ended
_kept: list[RunNote] | None = None


def ended(flow: Any, flow_run: Any, state: Any) -> None:
    """Completion hook of the flow: Prefect knows that the run is complete, so that nothing starts it again, and the note
    goes; at the end of the command that keeps the notes, if one does."""
    notes = _published.pop(str(flow_run.id), [])
    if _kept is not None:
        _kept.extend(notes)
        return
    for note in notes:
        note.remove()


@contextlib.contextmanager
def notes_kept() -> Iterator[None]:
    """Keep the notes of nights that publish until the block has ended well. A command that is killed after its night has
    published is then known to be the same night when it is given again, and starts no second one."""
    global _kept
    _kept = []
    try:
        yield
        for note in _kept:
            note.remove()
    finally:
        _kept = None
