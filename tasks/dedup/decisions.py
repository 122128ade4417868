"""Functions that the similarity stages share: loading the questions to compare with, and setting reasons on rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from storage.indexes.sketches import History
from storage.reasons import Code, Reason, reason
from storage.rows import reject
from tasks.dedup.history import segments
from tasks.dedup.segment import Questions, Segment
from tasks.dedup.settings import DedupSettings
from tasks.dedup.tokens import I64
from tasks.dedup.verdict_column import with_verdict


def pool_segments(history: History | None, rows: pa.Table | None, settings: DedupSettings) -> list[Segment]:
    """Return the known questions as segments: those of the history are stored, the one of `rows` is built here."""
    pool = [] if history is None else segments(history, settings)
    if rows is not None and len(rows):
        pool.append(Segment.of(Questions.of(rows), settings))
    return pool


def with_reasons(
    table: pa.Table,
    live: I64,
    reasons: list[Reason | None],
    stage: str,
    verdict: str,
    tick: Callable[[int], None] | None,
) -> pa.Table:
    """Return the table with the reasons of its `live` rows set in the name of `stage`, and `verdict` on the
    rows without one.
    """
    stamped: list[Reason | None] = [None] * len(table)
    stays = np.zeros(len(table), dtype=bool)
    ids = table.column("id").to_pylist()
    for row, why in zip(live.tolist(), reasons, strict=True):
        if why is None:
            stays[row] = True
        elif why.values.get("other") == ids[row]:
            # ids are hashes of contents: a text that a model wrote twice has one id, and naming it would call the
            # row a copy of itself
            stamped[row] = reason(stage, Code.REPEATED)
        else:
            stamped[row] = dataclasses.replace(why, stage=stage)
    if tick is not None:
        tick(len(table))
    return with_verdict(reject(table, stamped), stage, verdict, stays)
