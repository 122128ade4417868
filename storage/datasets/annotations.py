"""Marks: what is said of a version after it was published. A log that only grows.

A published version never changes; that it is in production, that a training holds it until noon, that a
verdict was reached or that retention removed it are facts about it, kept here in the order of their
commits. What holds now follows from the log (storage.datasets.promotion, storage.datasets.retention).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from storage.clock import now
from storage.datasets import delta, seals
from storage.datasets.current_files import facts_of
from storage.datasets.files import remove_files, write_files
from storage.errors import Conflict, explained
from storage.location import Location, checked_name

TABLE = "_marks"
APPLICATION = "mathmill.marks"

SCHEMA = pa.schema(
    [
        ("number", pa.int64()),
        ("dataset", pa.string()),
        ("version", pa.string()),
        ("kind", pa.string()),
        ("value", pa.string()),
        ("at", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Mark:
    """`kind`: tag, lease, verdict, retired ...; `value`: plain JSON values; `at`: ISO 8601 in UTC."""

    number: int
    dataset: str
    version: str
    kind: str
    value: dict[str, Any]
    at: str


def mark(where: Location, dataset: str, version: str, kind: str, value: dict[str, Any]) -> Mark:
    """Append one mark, durably. Of two at the same instant one comes first: numbers have no tie."""
    checked_name(dataset)
    where.make_writable()
    url = where.url(TABLE)
    at, text = now().isoformat(timespec="seconds"), json.dumps(value, ensure_ascii=False, sort_keys=True)
    with explained(url):
        while True:
            base = delta.head_of(url)
            number = 0 if base is None else base + 1
            row = pa.Table.from_pylist(
                [dict(zip(SCHEMA.names, (number, dataset, version, kind, text, at), strict=True))], SCHEMA
            )
            files = write_files(where, TABLE, [row], SCHEMA)
            try:
                with contextlib.suppress(Conflict):
                    record = {"files": {file.path: facts_of(file) for file in files}}
                    delta.commit(url, files, SCHEMA, base=base, record=record, application=APPLICATION)
                    where.flush(TABLE, delta.log_path(number))
                    seals.follow(where, TABLE, data=True)
                    return Mark(number, dataset, version, kind, value, at)
            except BaseException:
                remove_files(where, TABLE, [file.path for file in files])
                raise
            remove_files(where, TABLE, [file.path for file in files])


def marks(where: Location, dataset: str, kind: str | None = None) -> list[Mark]:
    """The marks of a dataset's versions, oldest first."""
    table = delta.open_table(where.url(TABLE))
    if table is None:
        return []
    chosen = pc.field("dataset") == dataset
    if kind is not None:
        chosen = chosen & (pc.field("kind") == kind)
    paths = delta.files_of(table)
    seals.require(where, TABLE, paths)
    rows = delta.scan(where, TABLE, paths, SCHEMA).to_table(filter=chosen).to_pylist()
    found = [Mark(**(row | {"value": json.loads(row["value"])})) for row in rows]
    return sorted(found, key=lambda one: one.number)


def newest(said: Sequence[Mark], version: str, kind: str) -> Mark | None:
    """The last thing of its kind that was said of a version."""
    return next((one for one in reversed(said) if one.version == version and one.kind == kind), None)
