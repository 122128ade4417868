"""What became of the rows of each method of generation of a night."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.runner.stages import Line
from storage.rows import dropped, kept
from storage.stage_cache.shards import Ref

COLUMNS = ["method", "rejected"]


def method_funnel(line: Line, accepted: Sequence[Ref], taken: Ref) -> list[dict[str, Any]]:
    """Return one record per method, with numbers of rows.

    requested: rows that its asks are for. usable: those of them that were read. new: those of questions that are no duplicates; None if its rows are not
    compared as questions. accepted: rows (solutions, or texts) that passed all checks. published: those that the version takes.
    """
    written = _rows(line, "generate")
    compared = _rows(line, "similarity", "semantic")
    requested, usable = _by_method(written), _by_method(kept(written))
    questions, duplicates = _by_method(compared), _by_method(dropped(compared))
    passed = _by_method(line.kept(accepted, COLUMNS))
    published = _by_method(line.kept([taken], COLUMNS))
    return [
        {
            "method": name,
            "requested": requested[name],
            "usable": usable[name],
            "new": usable[name] - duplicates[name] if name in questions else None,
            "accepted": passed[name],
            "published": published[name],
        }
        for name in sorted(requested)
    ]


def _rows(line: Line, *stages: str) -> pa.Table:
    refs = [ref for entry in line.funnel if entry.stage in stages for ref in entry.refs]
    tables = [line.tools.shards.read(ref, COLUMNS) for ref in refs]
    return pa.concat_tables(tables) if tables else line.kept([], COLUMNS)


def _by_method(rows: pa.Table) -> Counter[str]:
    counts = pc.value_counts(rows.column("method").drop_null())
    return Counter({entry["values"].as_py(): entry["counts"].as_py() for entry in counts})
