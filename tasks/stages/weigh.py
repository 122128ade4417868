"""The stage `weigh`: turn the votes on a row into `correctness`, and drop rows that are not likely enough
to be right.

It is the last of the judging stages: programs, worked solutions, trusted answers and the critic have voted.
Without a trusted answer some samples must agree as well, whatever the critic thinks of one alone.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from storage.reasons import Code, Reason, reason
from storage.rows import SOLUTION_BY, reject, replace
from tasks.settings import Section, Share
from tasks.stages.outcome import Tick
from tasks.voting import Calibration, from_rows

STAGE = "weigh"


class WeighSettings(Section, title="Weigh"):
    min_correctness: Share = Field(0.7, description="least probability of being right of a kept row")
    min_agreement: int = Field(
        2, ge=1, description="independent samples that must agree without a trusted answer"
    )


def weigh(rows: pa.Table, *, calibration: Calibration, settings: WeighSettings, tick: Tick) -> pa.Table:
    """Set `correctness` and `rejected` from the votes that tasks/stages/verify.py stored with the rows.

    A solution that no model wrote (verdict SOLUTION_BY) is trusted: it needs no votes. Another row is kept if it is at least as likely to be right as `settings.min_correctness`. Where no answer is
    trusted, `settings.min_agreement` samples, the row's own included, must have the same answer as well.
    """
    votes = from_rows(rows)
    correctness = calibration.adapted(votes).probability(votes)
    together = np.where(votes.readable, votes.agree + 1, 0)
    unlikely = correctness < settings.min_correctness
    alone = (together < settings.min_agreement) & (votes.reference <= 0)
    consistent = pc.map_lookup(rows.column("verdicts"), "consistent", "first").to_pylist()
    trusted = pc.map_lookup(rows.column("verdicts"), SOLUTION_BY, "first").is_valid().to_numpy()
    unlikely, alone = unlikely & ~trusted, alone & ~trusted
    reasons: list[Reason | None] = [None] * rows.num_rows
    for i in np.flatnonzero(unlikely | alone):
        same, _, samples = (consistent[i] or "0/0").partition("/")
        if unlikely[i]:
            reasons[i] = reason(
                STAGE,
                Code.UNLIKELY,
                correctness=f"{np.floor(100 * correctness[i]) / 100:.2f}",  # rounded down: .698 must not read "0.70 under 0.70"
                threshold=f"{settings.min_correctness:.2f}",
                same=same,
                samples=samples,
            )
        else:
            reasons[i] = reason(STAGE, Code.ALONE, same=same, samples=samples)
    tick(rows.num_rows)
    return reject(
        replace(rows, correctness=pa.array(correctness, pa.float32(), mask=~votes.readable)), reasons
    )
