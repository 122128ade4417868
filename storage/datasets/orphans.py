"""The sweep: files that belong to nothing, left by killed publishers and compactions, after a grace."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow.fs as pafs

from storage.datasets import delta, tags
from storage.location import Location


@dataclass(frozen=True, slots=True)
class Orphan:
    """A file that no version and no table has; `age` since it was last written."""

    table: str
    path: str
    size: int
    age: datetime.timedelta


def orphans(where: Location, table: str, grace: datetime.timedelta, now: datetime.datetime) -> list[Orphan]:
    """Parquet files in a table's folder that neither the table nor any version of it names, older than the
    grace: a publisher at work has written its files not long ago, and a reader's files were just removed."""
    known = set() if table.startswith("_") else _of_versions(where, table)
    found = delta.open_table(where.url(table))
    if found is not None:
        known |= set(delta.files_of(found))
        known |= delta.removed_since(where, table, now - grace)
    selector = pafs.FileSelector(where.path(table), allow_not_found=True, recursive=False)
    swept = []
    for info in where.filesystem.get_file_info(selector):
        if info.type != pafs.FileType.File or info.extension != "parquet" or info.base_name in known:
            continue
        age = now - info.mtime.astimezone(datetime.UTC)
        if age > grace:
            swept.append(Orphan(table, info.base_name, info.size, age))
    return sorted(swept, key=lambda one: one.path)


def remove(where: Location, found: Sequence[Orphan]) -> int:
    """Delete them; returns the bytes given back."""
    for one in found:
        where.filesystem.delete_file(where.path(one.table, one.path))
    return sum(one.size for one in found)


def _of_versions(where: Location, dataset: str) -> set[str]:
    return {path for version in tags.versions_of(where, dataset) for path in version.files}
