"""The table of tags: maps names of versions to Delta versions of datasets.

The authority is the record inside each dataset's own commit, so that a version and its name appear at the same instant. The
table of tags gathers these records in one place: it is quick to list, portable, and independent evidence when a log is
damaged. If a publisher is killed between its commit and its entry here, readers take the entry from the log, and the next
publisher adds it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, write_deltalake

from storage.datasets import delta
from storage.datasets.audit import seal_of
from storage.datasets.log_rows import rows_of
from storage.datasets.versions import Version, in_order
from storage.errors import Corrupt, in_one_line
from storage.location import Location

TABLE = "_tags"

SCHEMA = pa.schema(
    [
        ("dataset", pa.string()),
        ("name", pa.string()),
        ("table_version", pa.int64()),
        ("digest", pa.string()),
        ("rows", pa.int64()),
        ("added", pa.int64()),
        ("created", pa.string()),
        ("lineage", pa.string()),
        ("record", pa.string()),
        ("log_blake2b", pa.string()),
    ]
)


def stored(where: Location, dataset: str | None = None) -> list[dict[str, Any]]:
    """Return the rows of the table of tags, one per version, ordered by dataset and version.

    Raises Corrupt if the table is damaged.
    """
    table = delta.open_table(where.url(TABLE))
    if table is None:
        return []
    try:
        rows = rows_of(where, TABLE, delta.files_of(table), SCHEMA)
        if dataset is not None:
            rows = rows.filter(pc.field("dataset") == dataset)
    except (OSError, pa.ArrowInvalid) as error:
        raise Corrupt(
            "the table of tags",
            [f"{where.url(TABLE)}: {in_one_line(error)}; it can be deleted, it is made again from the logs"],
        ) from error
    # two processes may add the same missing row; both read it from one commit, so the rows are equal
    by_version = {(row["dataset"], row["table_version"]): row for row in rows.to_pylist()}
    return [by_version[key] for key in sorted(by_version)]


def versions_of(where: Location, dataset: str) -> list[Version]:
    """Return every version of a dataset, oldest first: those in the table of tags, then later ones from the log."""
    return _with_later(where, dataset, stored(where, dataset))


def versions_of_all(where: Location, datasets: Sequence[str]) -> dict[str, list[Version]]:
    """Return every version of these datasets, by dataset and oldest first, as `versions_of` does; the table of tags is read once."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in datasets}
    for row in stored(where):
        if row["dataset"] in rows:
            rows[row["dataset"]].append(row)
    return {name: _with_later(where, name, own) for name, own in rows.items()}


def _with_later(where: Location, dataset: str, rows: Sequence[dict[str, Any]]) -> list[Version]:
    """Return the versions of these rows of the table of tags, and those of the log that are not among them."""
    tagged = in_order((row["table_version"], json.loads(row["record"])) for row in rows)
    last = tagged[-1] if tagged else None
    return tagged + in_order(delta.records(where, dataset, last.table_version if last else None), last)


def add_missing(where: Location, dataset: str) -> int:
    """Add the rows that the log has and the table of tags lacks, and return how many were missing."""
    known = {row["table_version"] for row in stored(where, dataset)}
    missing = [
        (number, record)
        for number, record in delta.records(where, dataset, max(known, default=None))
        if number not in known
    ]
    if missing:
        rows = [tag_of(where, dataset, number, record) for number, record in missing]
        write_deltalake(
            where.url(TABLE),
            pa.Table.from_pylist(rows, schema=SCHEMA),
            mode="append",
            configuration=delta.CONFIGURATION,
            commit_properties=CommitProperties(max_commit_retries=50),
        )
    return len(missing)


def tag_of(where: Location, dataset: str, number: int, record: dict[str, Any]) -> dict[str, Any]:
    """Return the row of the table of tags for a commit with that record."""
    return {
        "dataset": dataset,
        "table_version": number,
        "lineage": json.dumps(record["lineage"], ensure_ascii=False, sort_keys=True),
        "record": json.dumps(record, ensure_ascii=False, sort_keys=True),
        "log_blake2b": seal_of(where, dataset, delta.log_path(number))[0],
    } | {name: record[name] for name in ("name", "digest", "rows", "added", "created")}
