"""Row objects from tables, for tests that check single fields."""

from __future__ import annotations

import pyarrow as pa

from storage.reasons import of_record
from storage.rows import Row


def from_table(table: pa.Table) -> list[Row]:
    """Return the rows of a table as objects."""
    rows = []
    for record in table.to_pylist():
        record["verdicts"] = dict(record["verdicts"] or ())
        record["scores"] = dict(record["scores"] or ())
        record["reason"] = of_record(record["reason"])
        rows.append(Row(**record))
    return rows
