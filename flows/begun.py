"""What is noted of a night when it begins, so that a night begun again after a crash is still the same one."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson

SAME_NIGHT_S = 20 * 3600  # begun again later than this it is the next night, with the budget of one


class Begun:
    """`<home>/runs/<run>.json`: `since` (Unix seconds) is when its budget began to count, `forecast` what was
    expected of it before its first call."""

    def __init__(self, path: Path, since: float, forecast: dict[str, Any], inputs: str = "") -> None:
        self._path = path
        self.since = since
        self.forecast = forecast
        self._inputs = inputs

    @classmethod
    def unfinished(cls, home: Path, run: str, inputs: str) -> Begun | None:
        """The note of the night `run`, which has published, if the process that began it was killed before its end and
        this start asks for the same night: equal `inputs`, not later than SAME_NIGHT_S."""
        path = home / "runs" / f"{run}.json"
        if not path.exists():
            return None
        known = orjson.loads(path.read_bytes())
        since = known.get("since") or 0.0
        if known.get("inputs") != inputs or time.time() - since >= SAME_NIGHT_S:
            path.unlink(
                missing_ok=True
            )  # that night is over: what it published is finished by whoever comes next
            return None
        return cls(path, since, known["forecast"], inputs)

    @classmethod
    def note(cls, home: Path, run: str, forecast: Callable[[], dict[str, Any]], inputs: str = "") -> Begun:
        """The note of an earlier start, or a new one. `inputs`: digest of what the night was asked for, without what
        it builds on."""
        path = home / "runs" / f"{run}.json"
        found: dict[str, Any] = orjson.loads(path.read_bytes()) if path.exists() else {"forecast": forecast()}
        now, since = time.time(), found.get("since") or 0.0
        note = cls(path, since if now - since < SAME_NIGHT_S else now, found["forecast"], inputs)
        note._write(note.since)
        return note

    def stopped(self) -> None:
        """A limit ended it in good order: begun again it has its budget anew."""
        self._write(None)

    def published(self) -> None:
        """The night is over: the note goes, at the end of the command that keeps the notes, if one does."""
        if _kept is None:
            self._path.unlink(missing_ok=True)
        else:
            _kept.append(self)

    def _write(self, since: float | None) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_suffix(".tmp")
        beside.write_bytes(orjson.dumps({"since": since, "forecast": self.forecast, "inputs": self._inputs}))
        os.replace(beside, self._path)


_kept: list[Begun] | None = None


@contextlib.contextmanager
def notes_kept() -> Iterator[None]:
    """Keep the notes of nights that publish until the block has ended well. A command that is killed after its night has
    published is then known to be the same night when it is given again, and starts no second one."""
    global _kept
    _kept = []
    try:
        yield
        notes, _kept = _kept, None
        for note in notes:
            note.published()
    finally:
        _kept = None
