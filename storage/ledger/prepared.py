"""SQL statements that are compiled once. For a few rows, compiling takes longer than the execution in the database."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from storage.ledger.schema import calls

KEYS_IN_A_QUERY = 512  # well under the variable limit of any SQLite build


class PreparedStatement:
    """A statement compiled for a dialect. Values are given by column or parameter name, in the driver's types."""

    def __init__(self, statement: sa.Insert | sa.Update | sa.Select[Any], dialect: sa.Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self._sql = str(compiled)
        self._order: list[str] | None = getattr(compiled, "positiontup", None)

    def many(self, connection: sa.Connection, rows: Sequence[Mapping[str, object]]) -> None:
        """Execute the statement once per row of values."""
        connection.exec_driver_sql(self._sql, [self._bound(row) for row in rows])

    def one(self, connection: sa.Connection, values: Mapping[str, object]) -> int:
        """Execute the statement once and return the number of rows that it matched."""
        return connection.exec_driver_sql(self._sql, self._bound(values)).rowcount

    def first(self, connection: sa.Connection, values: Mapping[str, object]) -> Any:
        """Return the first column of the first row, or None if there is no row."""
        return connection.exec_driver_sql(self._sql, self._bound(values)).scalar()

    def _bound(self, values: Mapping[str, object]) -> Mapping[str, object] | tuple[object, ...]:
        return values if self._order is None else tuple(values[name] for name in self._order)


def contains_any(connection: sa.Connection, keys: list[bytes]) -> bool:
    """Return whether the ledger has a call with any of up to KEYS_IN_A_QUERY keys.

    The number of parameters is rounded up to a power of two, so that few statements are ever compiled.
    """
    names = _names(1 << (len(keys) - 1).bit_length())
    values = dict(zip(names, keys + keys[-1:] * (len(names) - len(keys)), strict=True))
    return _any_of(len(names), connection.dialect).first(connection, values) is not None


@functools.cache
def _names(width: int) -> list[str]:
    return [f"key_{number}" for number in range(width)]


@functools.lru_cache(64)
def _any_of(width: int, dialect: sa.Dialect) -> PreparedStatement:
    matches = calls.c.key.in_([sa.bindparam(name) for name in _names(width)])
    return PreparedStatement(sa.select(sa.func.min(calls.c.id)).where(matches), dialect)
