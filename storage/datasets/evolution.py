"""How the columns of stored rows may change over the years.

A new column that may be null is read from old versions as null, and joins a dataset's table with the next
version. Anything else (a column renamed, dropped, of another type or meaning) is a new major: raise
MAJOR, add to MIGRATIONS how rows of the major before become rows of the new one. Versions of an older
major stay as they are and refuse to be read as something else; `migrate` publishes their rows again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import pyarrow as pa
from deltalake import Field, Schema
from deltalake.exceptions import CommitFailedError, DeltaError

from storage.datasets import delta
from storage.errors import Conflict, StorageError
from storage.location import Location

MAJOR: Final = 1
Migration = Callable[[pa.Table], pa.Table]

# major -> how its rows become rows of the next
MIGRATIONS: dict[int, Migration] = {}


def new_columns(there: pa.Schema, wanted: pa.Schema) -> list[pa.Field]:
    """The columns that `wanted` has more; StorageError where it is not `there` and more."""
    gone = [name for name in there.names if name not in wanted.names]
    other = [
        name
        for name in there.names
        if name in wanted.names and not _same(there.field(name).type, wanted.field(name).type)
    ]
    fresh = [field for field in wanted if field.name not in there.names]
    strict = [field.name for field in fresh if not field.nullable]
    if gone or other or strict:
        raise StorageError(
            f"the columns changed (gone {gone or 'none'}, of another type {other or 'none'}, not nullable "
            f"{strict or 'none'}): that is a new major; add a migration to storage/datasets/evolution.py"
        )
    return fresh


def widened(
    where: Location, table: str, base: int | None, schema: pa.Schema, major: int | None
) -> int | None:
    """The version of the table to commit on, after its columns were brought up to `schema` by a commit of
    their own where some are new. An overwrite by another major brings its columns itself."""
    found = None if base is None else delta.open_table(where.url(table), base)
    if base is None or found is None or major != MAJOR:
        return base
    fresh = new_columns(pa.schema(found.schema().to_arrow()), schema)
    if not fresh:
        return base
    fields: list[Field] = list(Schema.from_arrow(pa.schema(fresh)).fields)
    try:
        found.alter.add_columns(fields)
    except (CommitFailedError, DeltaError) as error:
        if delta.head_of(where.url(table)) != base:
            raise Conflict(f"{where.url(table)} got another version meanwhile. Fix: do it again") from error
        raise
    return found.version()


def require_current(name: str, major: int) -> None:
    """StorageError for rows of another major than this program's."""
    if major < MAJOR:
        dataset = name.partition("@")[0]
        raise StorageError(
            f"{name} has rows of format {major}, this program reads {MAJOR}: `./mathmill migrate {dataset}` "
            "publishes them again (the old version stays as it is)"
        )
    if major > MAJOR:
        raise StorageError(
            f"{name} has rows of format {major}, this program only knows {MAJOR}: update mathmill"
        )


def migrated(pieces: Iterator[pa.Table], major: int) -> Iterator[pa.Table]:
    """Rows of `major` as rows of MAJOR, step by step."""
    steps = []
    for step in range(major, MAJOR):
        if step not in MIGRATIONS:
            raise StorageError(
                f"no migration from format {step} to {step + 1} in storage/datasets/evolution.py"
            )
        steps.append(MIGRATIONS[step])
    for piece in pieces:
        for migrate in steps:
            piece = migrate(piece)
        yield piece


def _same(one: pa.DataType, other: pa.DataType) -> bool:
    """Equal but for the names and nullability of inner fields, which Delta spells in its own way."""
    return _spelled(one) == _spelled(other)


def _spelled(kind: pa.DataType) -> str:
    if pa.types.is_map(kind):
        return f"map<{_spelled(kind.key_type)}, {_spelled(kind.item_type)}>"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"list<{_spelled(kind.value_type)}>"
    if pa.types.is_struct(kind):
        return f"struct<{', '.join(f'{field.name}: {_spelled(field.type)}' for field in kind)}>"
    return str(kind).replace("_view", "").replace("large_", "")
