"""The class Version, and the names of versions."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Version:
    """One published version, which never changes. `str(version)` is its full name, such as math-sft@2026.11.20.

    `table_version` is the Delta version of the table; `rows` counts all its rows, `added` those
    whose id the version before did not have; `created` is an ISO 8601 time in UTC; `files` maps each
    file of the version to its rows, size, BLAKE2b and content digest; `major` is the format of its rows.
    """

    dataset: str
    name: str
    table_version: int
    digest: str
    rows: int
    added: int
    created: str
    lineage: dict[str, Any]
    state: str = ""
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    major: int = 1

    def __str__(self) -> str:
        return f"{self.dataset}@{self.name}"

    @classmethod
    def of_record(cls, table_version: int, record: Mapping[str, Any], before: Version | None) -> Version:
        """Return the version of a commit's record; `before` is the version that it followed."""
        files = dict(record["files"])
        if record["mode"] == "append" and before is not None:
            stay = {path: facts for path, facts in before.files.items() if path not in record["gone"]}
            files = stay | files
        return cls(
            dataset=record["dataset"],
            name=record["name"],
            table_version=table_version,
            digest=record["digest"],
            rows=record["rows"],
            added=record["added"],
            created=record["created"],
            lineage=record["lineage"],
            state=record["state"],
            files=files,
            major=int(record["format"]),
        )


def in_order(
    records: Iterable[tuple[int, Mapping[str, Any]]], before: Version | None = None
) -> list[Version]:
    """Return the versions of (table version, record) pairs, oldest first; `before` is the version before the first."""
    versions: list[Version] = []
    for table_version, record in records:
        before = Version.of_record(table_version, record, before)
        versions.append(before)
    return versions


def today() -> datetime.date:
    """Return the date in UTC, by which versions are named wherever a run takes place."""
    return datetime.datetime.now(datetime.UTC).date()


def next_name(day: datetime.date, taken: Collection[str]) -> str:
    """Return `2026.11.20`, or `2026.11.20.2` where that is taken, and so on.

    A day before that of the newest of the `taken` names, as a clock that was set back gives, becomes the newest one's:
    names sort in the order of publication.
    """
    base = max([f"{day.year:04d}.{day.month:02d}.{day.day:02d}", *(name[:10] for name in taken)])
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base}.{number}"
    return name
