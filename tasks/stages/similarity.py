"""The stage `similarity`: drop new questions that are too similar to known ones, before they are solved."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.indexes.sketches import History
from tasks.dedup.decisions import pool_segments, with_reasons
from tasks.dedup.questions import judge
from tasks.dedup.segment import Questions
from tasks.dedup.settings import DedupSettings

DEFAULTS = DedupSettings()


def similarity(
    table: pa.Table,
    *,
    pool: pa.Table | Sequence[str] = (),
    history: History | None = None,
    settings: DedupSettings = DEFAULTS,
    tick: Callable[[int], None] | None = None,
) -> pa.Table:
    """Return the questions with `rejected` "similarity: ..." or the verdict similarity=novel.

    They are judged in the order of the table: of two similar questions the first is kept. `pool`: rows
    (columns id, question, language), or bare question texts, which reasons name pool#<number>.
    """
    live = np.flatnonzero(pc.is_null(table.column("rejected")).to_numpy())
    questions = Questions.of(table.take(pa.array(live)))
    if not isinstance(pool, pa.Table):
        names = [f"pool#{number}" for number in range(len(pool))]
        language = ["zh" if any("\u4e00" <= c <= "\u9fff" for c in text) else "en" for text in pool]
        pool = pa.table({"id": names, "question": list(pool), "language": language})
    order = -np.arange(len(live), dtype=np.float64)
    reasons = judge(questions, pool_segments(history, pool, settings), order, settings)
    return with_reasons(table, live, reasons, "similarity", "novel", tick)
