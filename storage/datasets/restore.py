"""Restores an old version: publishes its rows as the newest version. No row is written; the versions share files."""

from __future__ import annotations

import datetime
import time
import uuid
from collections.abc import Mapping
from typing import Any

from storage.datasets import delta, evolution, seals, tags
from storage.datasets.audit import WrittenFile
from storage.datasets.digest import RowsDigest
from storage.datasets.versions import Version, next_name
from storage.errors import StorageError, explained
from storage.location import Location
from storage.rows import SCHEMA

_APPLICATION = "mathmill.publish"


def restore(where: Location, old: Version, *, lineage: Mapping[str, Any], day: datetime.date) -> Version:
    """Publish a version with exactly the rows of `old` and return it.

    Raises Conflict if another process published first, and StorageError if the newest version has these rows already.
    """
    url = where.url(old.dataset)
    base = delta.head_of(url)
    versions = [
        v for v in tags.versions_of(where, old.dataset) if base is not None and v.table_version <= base
    ]
    newest = versions[-1]
    if newest.digest == old.digest:
        raise StorageError(f"{newest} has the rows of {old} already: nothing to restore")
    evolution.require_current(str(old), old.major)
    table = delta.open_table(url, base)
    present = set() if table is None else set(delta.files_of(table))
    returning = [_as_written(path, facts) for path, facts in old.files.items() if path not in present]
    record = {
        "format": old.major,
        "token": uuid.uuid4().hex,
        "dataset": old.dataset,
        "name": next_name(day, {v.name for v in versions}),
        "mode": "overwrite",
        "digest": old.digest,
        "state": old.state,
        "rows": old.rows,
        "added": new_ids(where, old, newest),
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "lineage": dict(lineage),
        "files": dict(old.files),
        "gone": [],
    }
    number = 0 if base is None else base + 1
    with explained(url):
        delta.commit(
            url,
            returning,
            SCHEMA,
            base=base,
            record=record,
            application=_APPLICATION,
            remove=sorted(present - old.files.keys()),
        )
        where.flush(old.dataset, delta.log_path(number))
    tags.add_missing(where, old.dataset)
    seals.follow(where, old.dataset)
    seals.follow(where, tags.TABLE, data=True)
    return Version.of_record(number, record, newest)


def new_ids(where: Location, version: Version, before: Version) -> int:
    """Return how many rows of `version` have an id that `before` lacks. Files that both have are not read."""
    added = [path for path in version.files if path not in before.files]
    removed = [path for path in before.files if path not in version.files]
    if not added:
        return 0
    ids = delta.ids_of(where, version.dataset, added)
    return len(ids) - delta.count_of(where, version.dataset, removed, ids)


def _as_written(path: str, facts: Mapping[str, Any]) -> WrittenFile:
    digest = RowsDigest.parse(facts["digest"])
    return WrittenFile(path, facts["rows"], facts["size"], int(time.time() * 1000), facts["blake2b"], digest)
