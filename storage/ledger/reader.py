"""Reading calls back: by keys, by the start of a key, or all of them in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from storage.ledger.prepared import KEYS_IN_A_QUERY, any_there
from storage.ledger.schema import COMPLETION, Call, Stored, bills, calls, unpack

_JOINED = calls.outerjoin(bills, bills.c.call_id == calls.c.id)
_BILL = [column for column in bills.c if column.name != "call_id"]
_NO_REQUEST = sa.literal(b"").label("request")
_SLIM = sa.select(*[c for c in calls.c if c.name not in ("request", "raw")], _NO_REQUEST, calls.c.raw, *_BILL)
_FULL = sa.select(
    *[c for c in calls.c if c.name not in ("request", "raw")], calls.c.request, calls.c.raw, *_BILL
)
_OF_KEYS = (
    _SLIM.select_from(_JOINED)
    .where(calls.c.key.in_(sa.bindparam("keys", expanding=True)))
    .order_by(calls.c.id)
)
_WANTED = _OF_KEYS.where(sa.or_(bills.c.outcome.is_(None), bills.c.outcome == COMPLETION))
PAGE = 500


def read(connection: sa.Connection, keys: set[str], *, failed: bool = False) -> dict[str, list[Stored]]:
    """Calls that answer, or may answer, the keys (`failed`: and those that did not); oldest first.
    Their `request` is left empty."""
    query = _OF_KEYS if failed else _WANTED
    found: dict[str, list[Stored]] = {}
    wanted = [bytes.fromhex(key) for key in keys]
    for start in range(0, len(wanted), KEYS_IN_A_QUERY):
        part = wanted[start : start + KEYS_IN_A_QUERY]
        if not any_there(connection, part):  # as in any new run: a fifth of the long query's cost
            continue
        for row in connection.execute(query, {"keys": part}):
            stored = _stored(row)
            found.setdefault(stored.call.key, []).append(stored)
    return found


def find(connection: sa.Connection, prefix: str) -> list[Stored]:
    """Every call, failed ones too, whose hex key begins with `prefix` (an even number of digits)."""
    low = bytes.fromhex(prefix)
    query = _FULL.select_from(_JOINED).where(calls.c.key >= low).order_by(calls.c.id)
    if any(byte != 0xFF for byte in low):
        width = len(low)
        high = (int.from_bytes(low, "big") + 1).to_bytes(width, "big")
        query = query.where(calls.c.key < high)
    return [_stored(row) for row in connection.execute(query)]


def every(connection: sa.Connection) -> Iterator[Stored]:
    """All calls in the order they became durable, a page at a time (memory stays flat)."""
    last = 0
    while True:
        query = _FULL.select_from(_JOINED).where(calls.c.id > last).order_by(calls.c.id).limit(PAGE)
        page = [_stored(row) for row in connection.execute(query)]
        if not page:
            return
        last = page[-1].id
        yield from page


def unbilled(connection: sa.Connection, after: int) -> list[int]:
    """Ids above `after` without a bill. Reads the index of the keys and the bills, not the bytes."""
    billed = sa.select(bills.c.call_id).where(bills.c.call_id > after)
    return sorted(
        connection.execute(sa.select(calls.c.id).where(calls.c.id > after).except_(billed)).scalars()
    )


def by_ids(connection: sa.Connection, ids: list[int]) -> Iterator[Stored]:
    """The calls of these ids, in order."""
    for start in range(0, len(ids), PAGE):
        query = (
            _FULL.select_from(_JOINED).where(calls.c.id.in_(ids[start : start + PAGE])).order_by(calls.c.id)
        )
        yield from [_stored(row) for row in connection.execute(query)]


def _stored(row: Any) -> Stored:
    (number, key, created, role, model, tag, run, status, elapsed, price_in, price_out, request, raw) = row[
        :13
    ]
    call = Call(
        key=bytes(key).hex(),
        request=unpack(request) if request else b"",
        raw=unpack(raw),
        status=status,
        model=model,
        created=created,
        role=role,
        tag=tag,
        run=run,
        elapsed=elapsed,
        price_in=price_in,
        price_out=price_out,
    )
    outcome, prompt_tokens, completion_tokens, estimated, cost = row[13:]
    if outcome is None:
        return Stored(number, call)
    return Stored(number, call, outcome, prompt_tokens, completion_tokens, bool(estimated), cost)
