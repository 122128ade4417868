"""The stage `weigh`: turn the votes on a row into `correctness`, and drop rows that are not likely enough
to be right.

It is the last of the judging stages: programs, worked solutions, trusted answers and the critic have voted.
Without a trusted answer some samples must agree as well, whatever the critic thinks of one alone.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.reasons import Code, Reason, reason
from storage.rows import reject, replace
from tasks.stages.outcome import Tick
from tasks.voting import Calibration, from_rows

STAGE = "weigh"


def weigh(
    rows: pa.Table, *, calibration: Calibration, min_correctness: float, min_agreement: int, tick: Tick
) -> pa.Table:
    """Set `correctness` and `rejected` from the votes that tasks/stages/verify.py stored with the rows.

    `min_correctness`: the least probability of being right of a kept row. `min_agreement`: how many
    samples, the row's own included, must have the same answer where no answer is trusted.
    """
    votes = from_rows(rows)
    correctness = calibration.adapted(votes).probability(votes)
    together = np.where(votes.readable, votes.agree + 1, 0)
    unlikely = correctness < min_correctness
    alone = (together < min_agreement) & (votes.reference <= 0)
    consistent = pc.map_lookup(rows.column("verdicts"), "consistent", "first").to_pylist()
    reasons: list[Reason | None] = [None] * rows.num_rows
    for i in np.flatnonzero(unlikely | alone):
        same, _, samples = (consistent[i] or "0/0").partition("/")
        if unlikely[i]:
            reasons[i] = reason(
                STAGE,
                Code.UNLIKELY,
                correctness=f"{np.floor(100 * correctness[i]) / 100:.2f}",  # rounded down: .698 must not read "0.70 under 0.70"
                threshold=f"{min_correctness:.2f}",
                same=same,
                samples=samples,
            )
        else:
            reasons[i] = reason(STAGE, Code.ALONE, same=same, samples=samples)
    tick(rows.num_rows)
    return reject(
        replace(rows, correctness=pa.array(correctness, pa.float32(), mask=~votes.readable)), reasons
    )
