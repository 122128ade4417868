"""Publishes a version: writes the rows, audits and gates them, and only then commits.

The version appears in one atomic commit to the dataset's Delta log, which carries its name, lineage and digests. A publisher
that is killed before the commit leaves files that belong to no version. If it is killed after the commit, only the entry in
the table of tags is missing, which is then filled from the log.
"""

from __future__ import annotations

import datetime
import logging
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

import pyarrow as pa
from deltalake.exceptions import DeltaError

from storage.datasets import delta, evolution, seals, tags
from storage.datasets.audit import WrittenFile
from storage.datasets.current_files import CurrentFiles, current_files, facts_of
from storage.datasets.digest import RowsDigest
from storage.datasets.files import remove_files, write_files
from storage.datasets.gates import Gate, Written, run_gates
from storage.datasets.versions import Version, next_name
from storage.errors import Conflict, StorageError, explained
from storage.location import Location, checked_name

LATEST: Final = -1  # `expected`: the newest version when publishing starts
_APPLICATION = "mathmill.publish"
_log = logging.getLogger(__name__)


def publish(
    where: Location,
    dataset: str,
    tables: Iterable[pa.Table],
    schema: pa.Schema,
    *,
    mode: Literal["append", "overwrite"],
    expected: int | None,
    lineage: Mapping[str, Any],
    gates: Sequence[Gate],
    day: datetime.date,
) -> Version:
    """Publish a version; see Store.publish."""
    checked_name(dataset)
    where.make_writable()
    url = where.url(dataset)
    base = delta.head_of(url)
    before = [v for v in tags.versions_of(where, dataset) if base is not None and v.table_version <= base]
    previous = before[-1] if before else None
    # a later commit that is not a version (a compaction) is no conflict
    if expected not in (LATEST, base, previous.table_version if previous else None):
        raise Conflict(
            f"{dataset} is at table version {_or_none(base)}, {_or_none(expected)} was expected. "
            "Fix: check against the newer version and publish again"
        )
    if mode == "append" and previous is not None:
        evolution.require_current(str(previous), previous.major)
    present = current_files(where, dataset, base, previous if mode == "append" else None)
    with explained(url):
        base = evolution.widened(where, dataset, base, schema, previous.major if previous else None)
        files = write_files(where, dataset, tables, schema)
    try:
        written = Written(
            where=where,
            dataset=dataset,
            table=dataset,
            schema=schema,
            files=files,
            before=present.paths,
            rows_before=previous.rows if previous and mode == "append" else 0,
        )
        run_gates(written, gates)
        record = _record(written, present, previous, mode, lineage, next_name(day, {v.name for v in before}))
    except BaseException:
        remove_files(where, dataset, [file.path for file in files])
        raise
    with explained(url):
        number = _commit(where, dataset, files, schema, base, mode, record)
    _tag(where, dataset)
    return Version.of_record(number, record, previous)


def _commit(
    where: Location,
    dataset: str,
    files: Sequence[WrittenFile],
    schema: pa.Schema,
    base: int | None,
    mode: str,
    record: dict[str, Any],
) -> int:
    """Commit and return the table version.

    An error or an interrupt may come after the commit was made (an object store's response was lost); then our token is in
    the log. Files are removed only if the log lacks the token. If the log cannot be read they stay, as orphans.
    """
    url = where.url(dataset)
    try:
        delta.commit(url, files, schema, base=base, mode=mode, record=record, application=_APPLICATION)
        number = 0 if base is None else base + 1
        where.flush(dataset, delta.log_path(number))
    except BaseException as error:
        for number, committed in delta.records(where, dataset, base):
            if committed["token"] == record["token"]:
                if isinstance(error, Exception):
                    return number
                raise
        remove_files(where, dataset, [file.path for file in files])
        raise
    return number


def _tag(where: Location, dataset: str) -> None:
    """Write the entry in the table of tags and the seals.

    The version is published at this point, with its name in the log. An error here (such as a full disk) is only logged,
    and the next publication writes the entry.
    """
    try:
        tags.add_missing(where, dataset)
    except (OSError, DeltaError, StorageError) as error:
        _log.warning("the tag of the new version of %s comes later: %s", dataset, error)
    seals.follow(where, dataset)
    seals.follow(where, tags.TABLE, data=True)


def _record(
    written: Written,
    present: CurrentFiles,
    previous: Version | None,
    mode: str,
    lineage: Mapping[str, Any],
    name: str,
) -> dict[str, Any]:
    kept = previous if mode == "append" and previous is not None else None
    digest = sum((file.digest for file in written.files), RowsDigest())
    if kept is not None:
        digest += RowsDigest.parse(kept.state)
    return {
        "format": evolution.MAJOR,
        "token": uuid.uuid4().hex,
        "dataset": written.dataset,
        "name": name,
        "mode": mode,
        "digest": digest.hex(),
        "state": digest.state(),
        "rows": digest.rows,
        "added": written.rows if kept is not None or previous is None else _new_ids(written, previous),
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "lineage": dict(lineage),
        "files": (present.adopted or {}) | {file.path: facts_of(file) for file in written.files},
        "gone": list(present.gone),
    }


def _new_ids(written: Written, previous: Version) -> int:
    """Return how many of the written rows have an id that the overwritten version lacks."""
    ids = delta.ids_of(written.where, written.dataset, [file.path for file in written.files])
    return len(ids) - delta.count_of(written.where, written.dataset, list(previous.files), ids)


def _or_none(version: int | None) -> str:
    return "no version" if version is None else str(version)
