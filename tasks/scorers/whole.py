"""Scores solutions by whether they are whole: no broken JSON, no fence or formula that is never closed, no gibberish; without a model."""

from __future__ import annotations

import pyarrow as pa

from storage.rows import column
from tasks.replies.frames import is_broken
from tasks.scorers import Scored
from tasks.stages.outcome import Tick

needs = ()


def score(rows: pa.Table, *, tick: Tick) -> Scored:
    """Return `whole`, 1 for a whole solution and 0 for a broken one, None for rows without a solution and for programs, which run or do
    not."""
    scores = [
        float(not is_broken(solution)) if solution and written_as != "pot" else None
        for solution, written_as in zip(
            column(rows, "solution"), column(rows, "solution_format"), strict=True
        )
    ]
    tick(rows.num_rows)
    return Scored({"whole": scores})
