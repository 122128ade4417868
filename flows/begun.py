"""What is noted of a night when it begins, so that a night begun again after a crash is still the same one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

SAME_NIGHT_S = 20 * 3600  # begun again later than this it is the next night, with the budget of one


class Begun:
    """`<home>/runs/<run>.json`: `since` (Unix seconds) is when its budget began to count, `forecast` what was
    expected of it before its first call."""

    def __init__(self, path: Path, since: float, forecast: dict[str, Any]) -> None:
        self._path = path
        self.since = since
        self.forecast = forecast

    @classmethod
    def note(cls, home: Path, run: str, forecast: Callable[[], dict[str, Any]]) -> Begun:
        """The note of an earlier start, or a new one."""
        path = home / "runs" / f"{run}.json"
        found: dict[str, Any] = orjson.loads(path.read_bytes()) if path.exists() else {"forecast": forecast()}
        now, since = time.time(), found.get("since") or 0.0
        note = cls(path, since if now - since < SAME_NIGHT_S else now, found["forecast"])
        note._write(note.since)
        return note

    def stopped(self) -> None:
        """A limit ended it in good order: begun again it has its budget anew."""
        self._write(None)

    def published(self) -> None:
        self._path.unlink(missing_ok=True)

    def _write(self, since: float | None) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_suffix(".tmp")
        beside.write_bytes(orjson.dumps({"since": since, "forecast": self.forecast}))
        os.replace(beside, self._path)
