"""The nights of a dataset whose measures are stored, and the sequential tests over them.

A night has one file, `<home>/drift/<dataset>/<night>.json`, named by what it builds on. A night that is run again, after a kill,
an alarm or with another target, replaces its file, so that it counts once. The state of the tests is computed from the
files, and nothing else is stored. `accepted.json` names the night with which the newest reference begins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from storage.counting import counted
from storage.errors import StorageError, in_one_line
from storage.sealed_files import HomeFiles
from tasks.drift.betting import ChangeTest, Counts
from tasks.drift.measures import CLASSES, MEASURES, Measured

ACCEPTED = "accepted"
MOST_NIGHTS = 2000  # the newest nights that are read


@dataclass(frozen=True, slots=True)
class StoredMeasure:
    """One measure of a stored night. Nights whose `key` differs, such as those of another model, are not compared."""

    key: str
    model: str
    mean: float
    error: float
    questions: int
    counts: list[int]


@dataclass(frozen=True, slots=True)
class StoredNight:
    """What one night showed. `at`: when it was measured first, in ISO 8601."""

    night: str
    run: str
    at: str
    measures: dict[str, StoredMeasure]


@dataclass(frozen=True, slots=True)
class Watched:
    """The state of the tests of one measure after a night.

    value: of this night. before: the mean of the nights of the reference; None if there are none. nights: how many nights
    were compared with this one. evidence: of a change, from 0 to 1; 1 raises an alarm. since: when the first of the nights
    was measured that show the change; empty without an alarm.
    """

    measure: str
    role: str
    model: str
    value: float
    before: float | None
    nights: int
    evidence: float
    since: str

    @property
    def alarm(self) -> bool:
        return self.evidence >= 1

    def __str__(self) -> str:
        before = (
            "" if self.before is None else f", {self.before:.3f} in {counted(self.nights, 'earlier night')}"
        )
        since = f", changed since the night of {self.since[:10]}" if self.since else ""
        title = MEASURES[self.measure].title
        return f"{title} ({self.role}, {self.model}) {self.value:.3f}{before}{since}"


class NightHistory:
    """The stored nights of one dataset in a home."""

    def __init__(self, home: Path, dataset: str) -> None:
        self._files = HomeFiles(home)
        self._folder = Path(home) / "drift" / dataset

    def add(
        self, night: str, run: str, measures: Mapping[str, Measured], keys: Mapping[str, tuple[str, str]]
    ) -> None:
        """Store a night, or replace it. `keys`: the key and the model of each measure."""
        path = self._folder / f"{night}.json"
        before = _read(path) if path.exists() else {}
        record = StoredNight(
            night,
            run,
            before.get("at") or datetime.now(UTC).isoformat(timespec="microseconds"),
            {
                name: StoredMeasure(
                    *keys[name],
                    round(one.mean.mean, 6),
                    round(one.mean.error, 6),
                    one.mean.questions,
                    one.counts.tolist(),
                )
                for name, one in measures.items()
            },
        )
        self._files.write(path, orjson.dumps(asdict(record), option=orjson.OPT_SORT_KEYS))

    def nights(self) -> list[StoredNight]:
        """Return the nights since the newest accepted one, that night included, oldest first."""
        first = (self.accepted() or {}).get("at", "")
        nights = [_night(path) for path in self._folder.glob("*.json") if path.stem != ACCEPTED]
        since = [night for night in nights if night.at >= first]
        return sorted(since, key=lambda night: (night.at, night.night))[-MOST_NIGHTS:]

    def accept(self) -> StoredNight | None:
        """Begin a new reference with the newest night, so that no earlier one is compared. Returns it, or None if there is none."""
        nights = self.nights()
        if not nights:
            return None
        newest = nights[-1]
        record = {"night": newest.night, "at": newest.at, "accepted": datetime.now(UTC).isoformat()}
        self._files.write(self._folder / f"{ACCEPTED}.json", orjson.dumps(record))
        return newest

    def accepted(self) -> dict[str, Any] | None:
        """Return the record of the newest acceptance: `night`, `at` of that night, and when it was `accepted`."""
        path = self._folder / f"{ACCEPTED}.json"
        return _read(path) if path.exists() else None

    def watch(self, chance: float) -> list[Watched]:
        """Return the state of every measure of the newest night. Raises StorageError if a night cannot be read."""
        return watch(self.nights(), chance)


def watch(nights: Sequence[StoredNight], chance: float) -> list[Watched]:
    """Run the tests over the nights, oldest first. `chance`: the probability of a false alarm in betting.NIGHTS nights, of all
    measures together."""
    if not nights:
        return []
    states = []
    for name, newest in nights[-1].measures.items():
        if name not in MEASURES:
            continue
        comparable = [night for night in nights if _key(night, name) == newest.key]
        most = max(tests_of(name, partial(_counts, comparable), chance), key=lambda test: test.evidence)
        since = min(most.since, len(comparable) - 1)
        reference = [night.measures[name] for night in comparable[:since]]
        rows = sum(one.questions for one in reference)
        states.append(
            Watched(
                name,
                MEASURES[name].role,
                newest.model,
                newest.mean,
                sum(one.mean * one.questions for one in reference) / rows if rows else None,
                len(comparable) - 1,
                most.evidence,
                comparable[since].at if most.alarm else "",
            )
        )
    return states


def tests_of(name: str, counts: Callable[[str], Counts], chance: float) -> list[ChangeTest]:
    """Return the tests of a measure, for a decrease and for an increase. `counts`: returns the counts of a measure's classes by
    night, (nights, classes)."""
    watched = [
        (quantity, counts(part))
        for part in MEASURES[name].parts or (name,)
        if (quantity := MEASURES[part].quantity) is not None
    ]
    return [
        ChangeTest(watched, increase=increase, chance=chance, tests=2 * len(MEASURES))
        for increase in (False, True)
    ]


def _counts(nights: Sequence[StoredNight], name: str) -> Counts:
    """Return the counts of a measure by night; zeros for a night without it."""
    counts = np.zeros((len(nights), CLASSES[name]), dtype=np.int64)
    for number, night in enumerate(nights):
        if name in night.measures:
            counts[number] = night.measures[name].counts
    return counts


def _key(night: StoredNight, name: str) -> str | None:
    return night.measures[name].key if name in night.measures else None


def _night(path: Path) -> StoredNight:
    record = _read(path)
    try:
        measures = {name: StoredMeasure(**one) for name, one in record["measures"].items()}
        return StoredNight(record["night"], record["run"], record["at"], measures)
    except (KeyError, TypeError, AttributeError) as error:
        raise _damaged(path, error) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(orjson.loads(path.read_bytes()))
    except (ValueError, TypeError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> StorageError:
    return StorageError(
        f"{path} cannot be read ({in_one_line(error)}). Fix: remove the file; its night is then not compared with others"
    )
