"""Append-only logs: tables whose commits are numbered, such as the marks of versions and the judgements of reviewers."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from storage.datasets import delta, seals
from storage.datasets.current_files import facts_of
from storage.datasets.files import remove_files, write_files
from storage.datasets.log_rows import rows_of
from storage.errors import Conflict, explained
from storage.location import Location


def append(
    where: Location,
    table: str,
    schema: pa.Schema,
    records: Sequence[Mapping[str, Any]],
    *,
    application: str,
) -> int:
    """Append records in one commit, durably and all or none, and return the number of the commit.

    The number is put into the column `number` of each record. Commits that are made at the same time get different numbers.
    """
    where.make_writable()
    url = where.url(table)
    with explained(url):
        while True:
            base = delta.head_of(url)
            number = 0 if base is None else base + 1
            rows = pa.Table.from_pylist([{**record, "number": number} for record in records], schema)
            files = write_files(where, table, [rows], schema)
            try:
                with contextlib.suppress(Conflict):
                    record = {"files": {file.path: facts_of(file) for file in files}}
                    delta.commit(url, files, schema, base=base, record=record, application=application)
                    where.flush(table, delta.log_path(number))
                    seals.follow(where, table, data=True)
                    return number
            except BaseException:
                delta.discard(where, table, files, after=base)
                raise
            remove_files(where, table, [file.path for file in files])


def read(where: Location, table: str, schema: pa.Schema, condition: pc.Expression) -> list[dict[str, Any]]:
    """Return the records of the log that fulfil the condition, in the order of their files; none if there is no log."""
    stored = delta.open_table(where.url(table))
    if stored is None:
        return []
    rows = rows_of(where, table, delta.files_of(stored), schema)
    records: list[dict[str, Any]] = rows.filter(condition).to_pylist()
    return records
