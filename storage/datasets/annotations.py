"""Marks: facts about a version that are added after its publication, in an append-only log.

A published version never changes. That it has a tag, is leased by a training, got a verdict or was retired are facts about
it, stored here in the order of their commits. The present state follows from the log (storage.datasets.promotion,
storage.datasets.retention).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from storage.clock import now
from storage.datasets import numbered
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
    """One fact about a version. `kind` is tag, lease, verdict, retired ...; `value` has JSON values; `at` is ISO 8601 in UTC."""

    number: int
    dataset: str
    version: str
    kind: str
    value: dict[str, Any]
    at: str


def mark(where: Location, dataset: str, version: str, kind: str, value: dict[str, Any]) -> Mark:
    """Append one mark durably and return it. Marks that are appended at the same time get different numbers."""
    checked_name(dataset)
    at, text = now().isoformat(timespec="seconds"), json.dumps(value, ensure_ascii=False, sort_keys=True)
    record = {"dataset": dataset, "version": version, "kind": kind, "value": text, "at": at}
    number = numbered.append(where, TABLE, SCHEMA, [record], application=APPLICATION)
    return Mark(number, dataset, version, kind, value, at)


def marks(where: Location, dataset: str, kind: str | None = None) -> list[Mark]:
    """Return the marks on versions of a dataset, oldest first; only those of `kind` if it is given."""
    condition = pc.field("dataset") == dataset
    if kind is not None:
        condition = condition & (pc.field("kind") == kind)
    return _read(where, condition)


def marks_of_all(where: Location, kind: str | None = None) -> dict[str, list[Mark]]:
    """Return, by dataset in alphabetical order, the marks on versions of all datasets that have any, oldest first; only those of `kind` if it is given."""
    by_dataset: dict[str, list[Mark]] = {}
    for one in _read(where, pc.scalar(True) if kind is None else pc.field("kind") == kind):
        by_dataset.setdefault(one.dataset, []).append(one)
    return dict(sorted(by_dataset.items()))


def _read(where: Location, condition: pc.Expression) -> list[Mark]:
    rows = numbered.read(where, TABLE, SCHEMA, condition)
    matches = [Mark(**(row | {"value": json.loads(row["value"])})) for row in rows]
    return sorted(matches, key=lambda one: one.number)


def newest(log: Sequence[Mark], version: str, kind: str) -> Mark | None:
    """Return the newest mark of a kind on a version, None if it has none."""
    return next((one for one in reversed(log) if one.version == version and one.kind == kind), None)
