"""SQL over everything stored: a DuckDB connection that can read the tables and nothing else.

The query comes from a person at a prompt, or from whatever they pasted. The tables are handed in
as Arrow datasets, so DuckDB itself needs no access to files, and has none: no other file is read
or written, nothing is attached, installed or loaded, no Python variable is seen, and no setting can
be changed back. What limits the time and the memory of a query is in storage.query.
"""

from __future__ import annotations

from typing import Any

import duckdb
import pyarrow.dataset as pads

from storage.datasets import candidates
from storage.datasets.store import Store
from storage.errors import StorageError

_HARDENED = (
    "SET python_enable_replacements = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET allow_community_extensions = false",
    "SET temp_directory = ''",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)


def connect(store: Store, *, memory: str = "4GB", threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """A hardened in-memory connection with these views, all lazy:

    `rows` (every candidate, kept or not), `rejected` (those dropped, with the `code` of their reason), and for each dataset its newest
    version under the dataset's name and every version under its full name: "math-sft",
    "math-sft@2026.11.20" (in double quotes).

    Raises:
        StorageError: nothing is stored yet.
    """
    names = store.datasets()
    everything = store.candidates()
    if everything is None and not names:
        raise StorageError(
            f"there is nothing to query under {store.home.root} yet: run `./mathmill nightly` first"
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
