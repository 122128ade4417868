"""What a run says of itself while it lasts: a small file per run below the home, replaced every few seconds, read by the page.

It is no record: nothing is decided by it, and it may be deleted at any time.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from storage.atomic import write_bytes

FOLDER = "live"


def write(home: Path, run: str, state: Mapping[str, Any]) -> None:
    """Replace what a run says of itself."""
    folder = home / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    write_bytes(folder / f"{run}.json", orjson.dumps(state, default=str), mode=0o600)


def read(home: Path, run: str) -> dict[str, Any]:
    """Return what a run said of itself last; empty if it said nothing."""
    try:
        state = orjson.loads((home / FOLDER / f"{run}.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def names(home: Path) -> list[str]:
    """Return the runs that have said something."""
    return sorted(path.stem for path in (home / FOLDER).glob("*.json"))


def remove(home: Path, run: str) -> None:
    """Remove what a run that is over has said."""
    (home / FOLDER / f"{run}.json").unlink(missing_ok=True)


def forget(home: Path, *, but: set[str]) -> None:
    """Remove what all runs but these said."""
    for path in (home / FOLDER).glob("*.json"):
        if path.stem not in but:
            path.unlink(missing_ok=True)
