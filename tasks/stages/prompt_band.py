"""The stage `prompt_band`: questions whose pass rate is in a band, as prompts for reinforcement learning."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from storage.reasons import Code, Reason, reason
from storage.rows import column, reject
from tasks.selection import PASS_RATE
from tasks.stages.outcome import Tick

STAGE: Final = "prompt_band"


def prompt_band(rows: pa.Table, *, least: float, most: float, tick: Tick) -> pa.Table:
    """Return the questions, rejected where the score PASS_RATE is not from `least` to `most`. One without a pass rate stays."""
    reasons: list[Reason | None] = []
    for pairs in column(rows, "scores"):
        rate = dict(pairs or ()).get(PASS_RATE)
        inside = rate is None or least - 1e-6 <= rate <= most + 1e-6
        reasons.append(
            None
            if inside
            else reason(
                STAGE,
                Code.OUTSIDE_BAND,
                name=PASS_RATE,
                score=f"{rate:.2f}",
                least=f"{least:.2f}",
                most=f"{most:.2f}",
            )
        )
    tick(rows.num_rows)
    return reject(rows, reasons)
