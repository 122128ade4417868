"""How much a row counts in the training loss: hard rows that are certainly right count more.

Of a row that is verified to be right, with the critic's score s and the student's pass rate p on its question, both from 0 to 1,

    loss weight = 1 + (most - 1) * (1 - min(s, p))

So it falls with the score and with the pass rate, and is never below 1 or above `most`. Where the pass rate is not measured, the share
of samples that agree (1 - difficulty) stands for it; a value that is not known makes no row hard. A row counts as verified if its answer
equals a trusted one, if no model wrote its solution, or if its correctness is at least `certain`. Other rows have the weight 1: of a row
that may be wrong, a low score says that it is wrong and not that it is hard.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from storage.rows import SOLUTION_BY
from tasks.arrays import Floats
from tasks.selection import PASS_RATE
from tasks.settings import Section, Share

BANDS = 4  # of equal width between the least and the greatest weight, in reports
EQUAL = "equivalent"  # the verdict of the comparison with a trusted answer


class LossWeights(Section, title="Loss weights"):
    on: bool = Field(
        True, description="whether hard rows count more in the training loss; off: all rows have the weight 1"
    )
    most: float = Field(2.0, ge=1, le=10, description="weight of the hardest row; the least is 1")
    critic: list[str] = Field(
        ["answer"],
        description="scores of the solution that count as the critic's, the lowest of those that a row has",
    )
    certain: Share = Field(
        0.9, description="correctness from which on a row without a trusted answer counts as verified"
    )


# the columns that weights follow from
COLUMNS = ("problem_id", "scores", "verdicts", "difficulty", "correctness")


def loss_weights(
    rows: pa.Table, settings: LossWeights, pass_rates: Mapping[str, float] | None = None
) -> pa.Array:
    """Return the weight of each row, float32, from 1 to `settings.most`. pass_rates: problem id -> pass rate of its question, which stands
    in place of the row's own."""
    if not settings.on:
        return pa.array(np.ones(rows.num_rows), pa.float32())
    scores = [dict(pairs or ()) for pairs in rows.column("scores").to_pylist()]
    lowest = [min((own[name] for name in settings.critic if name in own), default=1.0) for own in scores]
    agreeing = 1 - _filled(rows.column("difficulty"), 0.0)
    passed = np.array([own.get(PASS_RATE, np.nan) for own in scores], np.float64)
    if pass_rates:
        newer = [pass_rates.get(problem, np.nan) for problem in rows.column("problem_id").to_pylist()]
        passed = np.where(np.isnan(newer), passed, newer)
    passed = np.where(np.isnan(passed), agreeing, passed)
    hardness = 1 - np.clip(np.minimum(np.array(lowest, np.float64), passed), 0, 1)
    weights = 1 + (settings.most - 1) * hardness * verified(rows, settings.certain)
    return pa.array(weights, pa.float32())


def verified(rows: pa.Table, certain: float) -> Floats:
    """Return 1 for each row that is verified to be right, else 0. A verdict is a column of its own in the candidates of a rebuild."""
    equal = pc.fill_null(pc.equal(_verdict(rows, EQUAL), "equal"), False)
    printed = pc.is_valid(_verdict(rows, SOLUTION_BY))
    likely = _filled(rows.column("correctness"), 0.0) >= certain - 1e-6  # the column has 32 bits
    return np.asarray(
        equal.to_numpy(zero_copy_only=False) | printed.to_numpy(zero_copy_only=False) | likely, np.float64
    )


def banded(weights: pa.ChunkedArray) -> pa.Array:
    """Return each weight as the band that reports count: "1", "up to 1.25", ..., in parts of the greatest weight of the rows."""
    values = _filled(weights, 1.0)
    greatest = float(values.max(initial=1.0))
    width = (greatest - 1) / BANDS
    bands = (
        np.zeros(len(values), np.int64)
        if width < 1e-6
        else np.ceil((values - 1) / width - 1e-6).astype(np.int64)
    )
    names = ["1", *(f"up to {1 + width * number:.2f}" for number in range(1, BANDS + 1))]
    return pa.array([names[min(BANDS, max(0, band))] for band in bands.tolist()], pa.string())


def _verdict(rows: pa.Table, name: str) -> pa.ChunkedArray:
    if name in rows.column_names:
        return rows.column(name)
    return pc.map_lookup(rows.column("verdicts"), name, "first")


def _filled(column: pa.ChunkedArray, value: float) -> Floats:
    return np.asarray(pc.fill_null(column, value).to_numpy(zero_copy_only=False), np.float64)
