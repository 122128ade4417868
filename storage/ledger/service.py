"""What one run paid for and how it was served, read back from its calls: it survives a kill of the run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from storage.ledger.schema import bills, calls

_JOINED = calls.outerjoin(bills, bills.c.call_id == calls.c.id)
_SPENT = sa.select(
    sa.func.coalesce(sa.func.sum(bills.c.cost), 0.0),
    sa.func.coalesce(sa.func.sum(bills.c.prompt_tokens + bills.c.completion_tokens), 0),
    sa.func.coalesce(sa.func.sum(sa.case((bills.c.estimated, 1), else_=0)), 0),
).select_from(_JOINED)
_SERVED = (
    sa.select(
        calls.c.role,
        calls.c.model,
        calls.c.tag,
        calls.c.created,
        calls.c.elapsed,
        sa.func.coalesce(bills.c.prompt_tokens, 0),
        sa.func.coalesce(bills.c.completion_tokens, 0),
        sa.func.coalesce(bills.c.cost, 0.0),
        sa.case((bills.c.estimated, 1), else_=0),
    )
    .select_from(_JOINED)
    .order_by(calls.c.role, calls.c.model, calls.c.tag)
)


@dataclass(frozen=True, slots=True)
class Spent:
    """USD and tokens (prompt and completion together); `estimated` calls did not state their usage."""

    usd: float
    tokens: int
    estimated: int


@dataclass(frozen=True, slots=True)
class Service:
    """The paid calls of one role, model and tag (a stage) within a run. Latencies in seconds, from send to
    last byte; `busy_s` is the time with any of them in flight, `tokens_per_s` completion tokens over it."""

    role: str
    model: str
    tag: str
    calls: int
    prompt_tokens: int
    completion_tokens: int
    estimated: int
    usd: float
    latency_p50: float
    latency_p95: float
    latency_p99: float
    busy_s: float
    tokens_per_s: float


def spent(connection: sa.Connection, run: str, since: float) -> Spent:
    """What `run` paid from `since` (Unix seconds) on."""
    query = _SPENT.where(calls.c.run == run, calls.c.created >= since)
    usd, tokens, estimated = connection.execute(query).one()
    return Spent(float(usd), int(tokens), int(estimated))


def served(connection: sa.Connection, run: str) -> Iterator[Service]:
    """One Service a role, model and tag, in that order."""
    rows = connection.execute(_SERVED.where(calls.c.run == run))
    for (role, model, tag), group in groupby(rows, key=lambda row: tuple(row[:3])):
        # billed calls of a batch were in nobody's flight: their latency is not known, and is 0
        numbers = np.array([tuple(row[3:]) for row in group], dtype=np.float64)
        began, elapsed = numbers[:, 0], numbers[:, 1]
        live = elapsed > 0
        p50, p95, p99 = np.percentile(elapsed[live], (50, 95, 99)) if live.any() else (0.0, 0.0, 0.0)
        busy = union(began[live], elapsed[live])
        sums = numbers[:, 2:].sum(axis=0)
        made = float(numbers[live, 3].sum())
        yield Service(
            role, model, tag, len(numbers), int(sums[0]), int(sums[1]), int(sums[3]), float(sums[2]),
            float(p50), float(p95), float(p99), busy, made / busy if busy > 0 else 0.0,
        )  # fmt: skip


def union(began: npt.NDArray[np.float64], lasted: npt.NDArray[np.float64]) -> float:
    """Seconds covered by any of the intervals (n,) that begin at `began` and last `lasted`."""
    if not len(began):
        return 0.0
    order = np.argsort(began)
    start, end = began[order], began[order] + lasted[order]
    reach = np.maximum.accumulate(end)
    fresh = np.r_[True, start[1:] > reach[:-1]]  # an interval that nothing before it reaches
    last = np.r_[np.flatnonzero(fresh)[1:] - 1, len(start) - 1]
    return float((reach[last] - start[fresh]).sum())
