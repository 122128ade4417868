"""SQL over the store: a DuckDB connection that can read the tables and nothing else.

Queries are not trusted, since people may paste them from any source. The tables are registered as Arrow datasets, so that DuckDB
needs no access to files and has none: it reads and writes no other file, attaches, installs and loads nothing, sees no
Python variable, and its settings cannot be changed. storage.query limits the time and the memory of a query.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import duckdb
import pyarrow.dataset as pads

from storage.datasets import candidates
from storage.datasets.store import Store
from storage.errors import StorageError

_HARDENED = (
    "SET enable_progress_bar = false",  # it would be written to standard output, in the middle of `--json`
    "SET python_enable_replacements = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET allow_community_extensions = false",
    "SET temp_directory = ''",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)


def connect(store: Store, *, memory: str = "4GB", threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """Return a hardened in-memory connection with lazy views of the tables.

    The views are `rows` (every candidate, kept or not), `rejected` (the dropped ones, with the `code` of their reason), and
    per dataset its newest version under the dataset's name and every version under its full name: "math-sft",
    "math-sft@2026.11.20" (in double quotes).

    Raises:
        StorageError: nothing is stored yet.
    """
    names = store.datasets()
    everything = store.candidates()
    if everything is None and not names:
        raise StorageError(
            f"there is nothing to query under {store.home.root} yet. Fix: run `./mathmill nightly` first"
        )
    connection = duckdb.connect(":memory:")
    settings: dict[str, Any] = {"memory_limit": memory}
    if threads is not None:
        settings["threads"] = threads
    for name, value in settings.items():
        connection.execute(f"SET {name} = '{value}'")
    source = pads.dataset(candidates.SCHEMA.empty_table()) if everything is None else everything
    connection.register("rows", source)
    connection.execute(
        "CREATE VIEW rejected AS SELECT *, coalesce(reason.code, 'unknown') AS code "
        "FROM rows WHERE rejected IS NOT NULL"
    )
    for name in names:
        versions = store.versions(name)
        if not versions:  # all of them are retired
            continue
        for version in versions:
            connection.register(str(version), store.scan(version))
        connection.register(name, store.scan(versions[-1]))
    for statement in _HARDENED:
        connection.execute(statement)
    return connection


def texts_in_sql(values: Iterable[str]) -> str:
    """Return texts as a list in SQL, sorted."""
    quoted = ("'" + value.replace("'", "''") + "'" for value in sorted(values))
    return f"[{', '.join(quoted)}]::VARCHAR[]"
