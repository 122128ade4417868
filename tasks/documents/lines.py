"""Lines that stand in many documents: notices, navigation and other boilerplate that comparing whole documents leaves.

Lines are compared by 64-bit hashes of their normal form (tasks.dedup.normalise), in two passes: one counts, per line, the
documents that have it, the other removes. Short lines are left alone: a heading such as "Exercises" or the end of a formula
stands in many documents by right.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from tasks.dedup.normalise import canonical

LINES: Final = pa.schema([("line", pa.uint64()), ("documents", pa.int64())])
_BLANK = re.compile(r"\n{3,}")


def documents_per_line(texts: Sequence[str], min_characters: int) -> pa.Table:
    """Return the hash of each line of at least so many normalised characters, with the number of texts that have it (LINES)."""
    counts: Counter[int] = Counter()
    for _, hashes in _hashed(texts, min_characters):
        counts.update({one for one in hashes if one is not None})
    lines = sorted(counts)
    return pa.table([lines, [counts[one] for one in lines]], schema=LINES)


def frequent_lines(tables: Iterable[pa.Table], min_documents: int, folder: Path, memory: str) -> pa.Table:
    """Return the lines that stand in at least so many documents of all tables (LINES), by their hashes.

    The sum is taken out of core: more than `memory` ("1GB") is spilled into the folder.
    """
    with spilling(folder, memory) as database:
        database.execute("CREATE TABLE lines (line UBIGINT, documents BIGINT)")
        for table in tables:
            database.from_arrow(table).insert_into("lines")
        return (
            database.sql(
                "SELECT line, sum(documents)::BIGINT AS documents FROM lines GROUP BY line "
                "HAVING sum(documents) >= ? ORDER BY line",
                params=[min_documents],
            )
            .to_arrow_table()
            .cast(LINES)
        )


def without_lines(
    texts: Sequence[str], frequent: AbstractSet[int], min_characters: int
) -> list[tuple[str, int]]:
    """Return each text without the lines whose hashes are frequent, and how many were removed."""
    result = []
    for text, (lines, hashes) in zip(texts, _hashed(texts, min_characters), strict=True):
        left = [line for line, one in zip(lines, hashes, strict=True) if one not in frequent]
        removed = len(lines) - len(left)
        result.append((_BLANK.sub("\n\n", "\n".join(left)).strip() if removed else text, removed))
    return result


def spilling(folder: Path, memory: str) -> duckdb.DuckDBPyConnection:
    """Open a database in the folder for rows that may not fit into memory; it is new each time."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "rows.duckdb"
    path.unlink(missing_ok=True)  # of a run that was killed
    path.with_suffix(".duckdb.wal").unlink(missing_ok=True)
    database = duckdb.connect(str(path), config={"memory_limit": memory, "threads": 2})
    database.execute("SET enable_progress_bar = false")
    return database


def _hashed(texts: Sequence[str], min_characters: int) -> Iterable[tuple[list[str], list[int | None]]]:
    """Yield the lines of each text and their hashes, None for a line that is too short."""
    lines = [text.split("\n") for text in texts]
    normal = iter(canonical([line for own in lines for line in own]))
    for own in lines:
        yield own, [_hash(next(normal), min_characters) for _ in own]


def _hash(line: str, min_characters: int) -> int | None:
    if len(line) < min_characters:
        return None
    return int.from_bytes(hashlib.blake2b(line.encode(), digest_size=8).digest(), "big")
