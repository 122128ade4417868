"""Finds and deletes orphans: files that no version refers to, left by killed publications and compactions."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow.fs as pafs

from storage.datasets import delta, tags
from storage.location import Location


@dataclass(frozen=True, slots=True)
class Orphan:
    """A file that no version and no table refers to; `size` in bytes, `age` since it was last written."""

    table: str
    path: str
    size: int
    age: datetime.timedelta


def orphans(where: Location, table: str, grace: datetime.timedelta, now: datetime.datetime) -> list[Orphan]:
    """Return the Parquet files in a table's folder that neither the table nor any version of it names, older than `grace`.

    The grace period protects the files of a publication that is not committed yet, and files that were removed from the
    table a moment ago and may still be read.
    """
    known = set() if table.startswith("_") else _of_versions(where, table)
    delta_table = delta.open_table(where.url(table))
    if delta_table is not None:
        known |= set(delta.files_of(delta_table))
        known |= delta.removed_since(where, table, now - grace)
    selector = pafs.FileSelector(where.path(table), allow_not_found=True, recursive=False)
    unreferenced = []
    for info in where.filesystem.get_file_info(selector):
        if info.type != pafs.FileType.File or info.extension != "parquet" or info.base_name in known:
            continue
        age = now - info.mtime.astimezone(datetime.UTC)
        if age > grace:
            unreferenced.append(Orphan(table, info.base_name, info.size, age))
    return sorted(unreferenced, key=lambda one: one.path)


def remove(where: Location, files: Sequence[Orphan]) -> int:
    """Delete orphans and return how many bytes they had."""
    for one in files:
        where.filesystem.delete_file(where.path(one.table, one.path))
    return sum(one.size for one in files)


def _of_versions(where: Location, dataset: str) -> set[str]:
    return {path for version in tags.versions_of(where, dataset) for path in version.files}
