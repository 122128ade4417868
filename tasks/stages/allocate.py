"""The stage `allocate`: as many right solutions of a question stay as its fail rate allows, those of rare paths first."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

import numpy as np
import pyarrow as pa

from storage.reasons import Code, Reason, reason
from storage.rows import column, reject
from tasks.rft.allocation import SampleSettings, staying
from tasks.selection import PASS_RATE
from tasks.stages.distinct import PATH_SHARE
from tasks.stages.outcome import Tick

STAGE: Final = "allocate"


def allocate(rows: pa.Table, *, settings: SampleSettings, tick: Tick) -> pa.Table:
    """Return the rows, of which each question keeps as many as tasks.rft.allocation says; reads the scores PASS_RATE and PATH_SHARE.

    Rare paths come first: others find the frequent ones without help. Of equally rare ones the likelier, then the shorter.
    """
    scores = [dict(pairs or ()) for pairs in column(rows, "scores")]
    ids, correctness, solutions = (column(rows, name) for name in ("id", "correctness", "solution"))
    questions: defaultdict[str, list[int]] = defaultdict(list)
    for place, problem in enumerate(column(rows, "problem_id")):
        questions[problem].append(place)
    reasons: list[Reason | None] = [None] * rows.num_rows
    for places in questions.values():
        pass_rate = scores[places[0]].get(PASS_RATE)
        fail_rate = None if pass_rate is None else float(np.float32(1) - np.float32(pass_rate))
        most = staying(fail_rate, settings.allocate, settings.most)
        ranked = sorted(
            places,
            key=lambda i: (
                scores[i].get(PATH_SHARE, 1.0),
                -(correctness[i] or 0.0),
                len(solutions[i]),
                ids[i],
            ),
        )
        for place in ranked[most:]:
            reasons[place] = reason(STAGE, Code.ALLOCATED, name=settings.allocate, most=most)
        tick(len(places))
    return reject(rows, reasons)
