"""Schema evolution: how the columns of stored rows may change from release to release.

A new nullable column is read from old versions as null, and is added to a dataset's table with the next version. Any other
change (a column renamed, dropped, or of another type or meaning) is a new major: raise MAJOR, and add the migration from
the major before to MIGRATIONS. Versions of an older major stay as they are and cannot be read with the new schema;
`migrate` publishes their rows again.
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

# major -> function from its rows to rows of the next major
MIGRATIONS: dict[int, Migration] = {}


def new_columns(stored: pa.Schema, current: pa.Schema) -> list[pa.Field]:
    """Return the columns that `current` adds to `stored`.

    Raises StorageError if `current` is not `stored` with more nullable columns.
    """
    missing = [name for name in stored.names if name not in current.names]
    changed = [
        name
        for name in stored.names
        if name in current.names and not _same(stored.field(name).type, current.field(name).type)
    ]
    added = [field for field in current if field.name not in stored.names]
    required = [field.name for field in added if not field.nullable]
    if missing or changed or required:
        raise StorageError(
            f"the columns changed (gone {missing or 'none'}, of another type {changed or 'none'}, not nullable "
            f"{required or 'none'}): that is a new major. Fix: add a migration to storage/datasets/evolution.py"
        )
    return added


def widened(
    where: Location, table: str, base: int | None, schema: pa.Schema, major: int | None
) -> int | None:
    """Add the new columns of `schema` to the table in a commit, and return the table version to commit on next.

    Nothing is committed if no column is new, or if the latest version is of another major, since an overwrite brings its own
    columns. Raises Conflict if another process committed first.
    """
    delta_table = None if base is None else delta.open_table(where.url(table), base)
    if base is None or delta_table is None or major != MAJOR:
        return base
    added = new_columns(pa.schema(delta_table.schema().to_arrow()), schema)
    if not added:
        return base
    fields: list[Field] = list(Schema.from_arrow(pa.schema(added)).fields)
    try:
        delta_table.alter.add_columns(fields)
    except (CommitFailedError, DeltaError) as error:
        if delta.head_of(where.url(table)) != base:
            raise Conflict(
                f"{where.url(table)} got another version meanwhile. Fix: run the command again"
            ) from error
        raise
    return delta_table.version()


def require_current(name: str, major: int) -> None:
    """Raise StorageError if rows of format `major` cannot be read by this program; `name` is their version."""
    if major < MAJOR:
        dataset = name.partition("@")[0]
        raise StorageError(
            f"{name} has rows of format {major}, this program reads {MAJOR}. Fix: `./mathmill migrate {dataset}` "
            "publishes them again (the old version stays as it is)"
        )
    if major > MAJOR:
        raise StorageError(
            f"{name} has rows of format {major}, this program only knows {MAJOR}. Fix: update mathmill"
        )


def migrated(pieces: Iterator[pa.Table], major: int) -> Iterator[pa.Table]:
    """Yield rows of `major` as rows of MAJOR, converted major by major. Raises StorageError if a migration is missing."""
    steps = []
    for step in range(major, MAJOR):
        if step not in MIGRATIONS:
            raise StorageError(
                f"no migration from format {step} to {step + 1}. Fix: add one to storage/datasets/evolution.py"
            )
        steps.append(MIGRATIONS[step])
    for piece in pieces:
        for migrate in steps:
            piece = migrate(piece)
        yield piece


def _same(one: pa.DataType, other: pa.DataType) -> bool:
    """Return whether two types are equal except for the names and nullability of inner fields, which Delta changes."""
    return _spelled(one) == _spelled(other)


def _spelled(kind: pa.DataType) -> str:
    if pa.types.is_map(kind):
        return f"map<{_spelled(kind.key_type)}, {_spelled(kind.item_type)}>"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"list<{_spelled(kind.value_type)}>"
    if pa.types.is_struct(kind):
        return f"struct<{', '.join(f'{field.name}: {_spelled(field.type)}' for field in kind)}>"
    return str(kind).replace("_view", "").replace("large_", "")
