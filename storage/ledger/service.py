"""Cost, latency and throughput of a run, computed from its calls in the ledger, so that they survive a kill of the run."""

from __future__ import annotations

import datetime
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
    """The cost of a run: USD and tokens (prompt plus completion). `estimated` counts calls that did not state their usage."""

    usd: float
    tokens: int
    estimated: int


@dataclass(frozen=True, slots=True)
class Service:
    """The paid calls of one role, model and tag (a stage) within a run.

    Latencies are in seconds from sending to the last byte. `busy_s` is the time during which at least one call was in
    flight, `tokens_per_s` the completion tokens divided by it.
    """

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
    """Return what `run` paid since `since` (Unix seconds)."""
    query = _SPENT.where(calls.c.run == run, calls.c.created >= since)
    usd, tokens, estimated = connection.execute(query).one()
    return Spent(float(usd), int(tokens), int(estimated))


def last_answer(connection: sa.Connection, run: str) -> float | None:
    """Return when the newest answer to a call of `run` came, in Unix seconds; None if it has made no call."""
    query = sa.select(sa.func.max(calls.c.created + calls.c.elapsed)).where(calls.c.run == run)
    at = connection.execute(query).scalar_one()
    return None if at is None else float(at)


@dataclass(frozen=True, slots=True)
class DayUsage:
    """The calls of one day (UTC, ISO 8601), run, role, model and tag (a stage or method)."""

    day: str
    run: str
    role: str
    model: str
    tag: str
    calls: int
    prompt_tokens: int
    completion_tokens: int
    usd: float


@dataclass(frozen=True, slots=True)
class Traffic:
    """The calls of one role and model that ended in the last `seconds`.

    `statuses` counts calls per HTTP status. `in_flight` is the mean number of calls at the same time.
    """

    role: str
    model: str
    seconds: float
    calls: int
    statuses: dict[int, int]
    completion_tokens: int
    usd: float
    latency_p50: float
    latency_p95: float
    in_flight: float


def daily(connection: sa.Connection) -> Iterator[DayUsage]:
    """Yield the usage of each day, run, role, model and tag, in this order."""
    days = calls.c.created / 86_400
    # a cast cuts in SQLite and rounds in PostgreSQL
    number = sa.cast(days, sa.Integer) if connection.dialect.name == "sqlite" else sa.func.floor(days)
    keys = (number.label("day"), calls.c.run, calls.c.role, calls.c.model, calls.c.tag)
    query = (
        sa.select(
            *keys,
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(bills.c.prompt_tokens), 0),
            sa.func.coalesce(sa.func.sum(bills.c.completion_tokens), 0),
            sa.func.coalesce(sa.func.sum(bills.c.cost), 0.0),
        )
        .select_from(_JOINED)
        .group_by(*keys)
        .order_by(*keys)
    )
    for day, run, role, model, tag, count, prompt, completion, usd in connection.execute(query):
        date = datetime.date(1970, 1, 1) + datetime.timedelta(days=int(day))
        yield DayUsage(
            date.isoformat(), run, role, model, tag, count, int(prompt), int(completion), float(usd)
        )


def traffic(connection: sa.Connection, now: float, seconds: float) -> Iterator[Traffic]:
    """Yield the traffic of each role and model in the `seconds` before `now` (Unix seconds); the newest 20,000 calls are read."""
    query = (
        sa.select(
            calls.c.role,
            calls.c.model,
            calls.c.created,
            calls.c.elapsed,
            calls.c.status,
            sa.func.coalesce(bills.c.completion_tokens, 0),
            sa.func.coalesce(bills.c.cost, 0.0),
        )
        .select_from(_JOINED)
        .order_by(calls.c.id.desc())
        .limit(20_000)
    )
    groups: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    for role, model, *numbers in connection.execute(query):
        if numbers[0] + numbers[1] >= now - seconds:
            groups.setdefault((role, model), []).append(tuple(map(float, numbers)))
    for (role, model), lines in sorted(groups.items()):
        created, elapsed, status, tokens, usd = np.array(lines).T
        p50, p95 = np.percentile(elapsed, (50, 95))
        inside = np.minimum(created + elapsed, now) - np.maximum(created, now - seconds)
        statuses, counts = np.unique(status.astype(int), return_counts=True)
        yield Traffic(
            role, model, seconds, len(lines), dict(zip(statuses.tolist(), counts.tolist(), strict=True)),
            int(tokens.sum()), float(usd.sum()), float(p50), float(p95), float(np.maximum(inside, 0).sum() / seconds),
        )  # fmt: skip


def served(connection: sa.Connection, run: str) -> Iterator[Service]:
    """Yield one Service per role, model and tag, in that order."""
    rows = connection.execute(_SERVED.where(calls.c.run == run))
    for (role, model, tag), group in groupby(rows, key=lambda row: tuple(row[:3])):
        # calls of a batch job have no latency of their own; it is stored as 0
        numbers = np.array([tuple(row[3:]) for row in group], dtype=np.float64)
        starts, elapsed = numbers[:, 0], numbers[:, 1]
        online = elapsed > 0
        p50, p95, p99 = np.percentile(elapsed[online], (50, 95, 99)) if online.any() else (0.0, 0.0, 0.0)
        busy_s = union(starts[online], elapsed[online])
        sums = numbers[:, 2:].sum(axis=0)
        completion_tokens = float(numbers[online, 3].sum())
        yield Service(
            role, model, tag, len(numbers), int(sums[0]), int(sums[1]), int(sums[3]), float(sums[2]),
            float(p50), float(p95), float(p99), busy_s, completion_tokens / busy_s if busy_s > 0 else 0.0,
        )  # fmt: skip


def union(starts: npt.NDArray[np.float64], durations: npt.NDArray[np.float64]) -> float:
    """Return the seconds covered by at least one of the intervals that begin at `starts` (n,) and last `durations` (n,)."""
    if not len(starts):
        return 0.0
    order = np.argsort(starts)
    start, end = starts[order], starts[order] + durations[order]
    reach = np.maximum.accumulate(end)
    opens = np.r_[True, start[1:] > reach[:-1]]  # intervals that begin after all earlier ones have ended
    last = np.r_[np.flatnonzero(opens)[1:] - 1, len(start) - 1]
    return float((reach[last] - start[opens]).sum())
