"""Reads calls from the ledger: by keys, by the start of a key, or all in order; and checks their seals."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from storage.ledger import seals
from storage.ledger.prepared import KEYS_IN_A_QUERY, contains_any
from storage.ledger.schema import COMPLETION, Call, Damaged, Stored, bills, calls, meta, unpack

_JOINED = calls.outerjoin(bills, bills.c.call_id == calls.c.id)
_USAGE = [column for column in bills.c if column.name not in ("call_id", "seal")]
_USAGE_NAMES = [column.name for column in _USAGE]
_CALL_NAMES = [c.name for c in calls.c if c.name not in ("id", "key", "request", "raw", "seal")]
_SEALS = (calls.c.seal.label("call_seal"), bills.c.seal.label("bill_seal"))
_NO_REQUEST = sa.literal(b"").label("request")
_PLAIN = [c for c in calls.c if c.name not in ("request", "raw", "seal")]
_SLIM = sa.select(*_PLAIN, _NO_REQUEST, calls.c.raw, *_USAGE, *_SEALS)
_FULL = sa.select(*_PLAIN, calls.c.request, calls.c.raw, *_USAGE, *_SEALS)
_OF_KEYS = (
    _SLIM.select_from(_JOINED)
    .where(calls.c.key.in_(sa.bindparam("keys", expanding=True)))
    .order_by(calls.c.id)
)
_USABLE_OF_KEYS = _OF_KEYS.where(sa.or_(bills.c.outcome.is_(None), bills.c.outcome == COMPLETION))
PAGE = 500


def read(connection: sa.Connection, keys: set[str], *, failed: bool = False) -> dict[str, list[Stored]]:
    """Return the calls of each key, oldest first; failed calls only if `failed` is set.

    Their `request` is left empty. Raises Damaged if a call differs from its seal.
    """
    query = _OF_KEYS if failed else _USABLE_OF_KEYS
    calls_by_key: dict[str, list[Stored]] = {}
    digests = [bytes.fromhex(key) for key in keys]
    for start in range(0, len(digests), KEYS_IN_A_QUERY):
        part = digests[start : start + KEYS_IN_A_QUERY]
        if not contains_any(
            connection, part
        ):  # a fifth of the cost of the query below; most keys of a new run are new
            continue
        for row in connection.execute(query, {"keys": part}):
            stored = _stored(row)
            calls_by_key.setdefault(stored.call.key, []).append(stored)
    return calls_by_key


def find(connection: sa.Connection, prefix: str) -> list[Stored]:
    """Return every call, failed ones too, whose hex key begins with `prefix` (an even number of digits)."""
    low = bytes.fromhex(prefix)
    query = _FULL.select_from(_JOINED).where(calls.c.key >= low).order_by(calls.c.id)
    if any(byte != 0xFF for byte in low):
        width = len(low)
        high = (int.from_bytes(low, "big") + 1).to_bytes(width, "big")
        query = query.where(calls.c.key < high)
    return [_stored(row) for row in connection.execute(query)]


def every(connection: sa.Connection) -> Iterator[Stored]:
    """Yield all calls in the order in which they became durable; memory holds one page of them."""
    last = 0
    while True:
        query = _FULL.select_from(_JOINED).where(calls.c.id > last).order_by(calls.c.id).limit(PAGE)
        page = [_stored(row) for row in connection.execute(query)]
        if not page:
            return
        last = page[-1].id
        yield from page


def newest(connection: sa.Connection, role: str, model: str, most: int, within: int) -> list[Stored]:
    """Return the newest `most` answered calls of a role and model, oldest first, among the last `within` calls."""
    top = connection.execute(sa.select(sa.func.max(calls.c.id))).scalar() or 0
    query = (
        _FULL.select_from(_JOINED)
        .where(calls.c.id > top - within, calls.c.role == role, calls.c.model == model, calls.c.status < 300)
        .order_by(calls.c.id.desc())
        .limit(most)
    )
    return [_stored(row) for row in connection.execute(query)][::-1]


def unbilled(connection: sa.Connection, after: int) -> list[int]:
    """Return the ids above `after` without a usage. Reads indexes and the table `bills`, not the bytes of calls."""
    billed = sa.select(bills.c.call_id).where(bills.c.call_id > after)
    return sorted(
        connection.execute(sa.select(calls.c.id).where(calls.c.id > after).except_(billed)).scalars()
    )


def by_ids(connection: sa.Connection, ids: list[int]) -> Iterator[Stored]:
    """Yield the calls with these ids, in order."""
    for start in range(0, len(ids), PAGE):
        query = (
            _FULL.select_from(_JOINED).where(calls.c.id.in_(ids[start : start + PAGE])).order_by(calls.c.id)
        )
        yield from [_stored(row) for row in connection.execute(query)]


def damaged(connection: sa.Connection) -> Iterator[str]:
    """Yield a line per call or usage that differs from its seal, in order."""
    last = 0
    while True:
        query = _FULL.select_from(_JOINED).where(calls.c.id > last).order_by(calls.c.id).limit(PAGE)
        page = list(connection.execute(query))
        for row in page:
            problem = _trouble(dict(row._mapping))
            if problem is not None:
                yield problem
        if not page:
            return
        last = page[-1].id


def missing(connection: sa.Connection) -> Iterator[str]:
    """Yield a line per range of missing calls, the newest ones included, and per missing usage.

    A usage counts as missing up to the note `billed_to`; that of a newer call may not have been read yet.
    """
    notes = dict(connection.execute(sa.select(meta.c.name, meta.c.value)).tuples().all())
    ids = list(connection.execute(sa.select(calls.c.id).order_by(calls.c.id)).scalars())
    try:
        top = seals.top_of(notes.get(seals.TOP))
    except ValueError as error:
        top = 0
        yield str(error)
    if seals.TOP not in notes:
        yield "the note of the newest call is missing"
    before = 0
    for id_ in [*ids, max(top, ids[-1] if ids else 0) + 1]:
        if id_ > before + 1:
            yield (
                f"call {before + 1} is missing"
                if id_ == before + 2
                else (f"calls {before + 1} to {id_ - 1} are missing")
            )
        before = id_
    billed_to = notes.get("billed_to", "0")
    if not billed_to.isdecimal():
        yield "the note of the newest call with a usage was altered"
        return
    billed = sa.select(bills.c.call_id)
    unbilled_ = sa.select(calls.c.id).where(calls.c.id <= int(billed_to)).except_(billed)
    for id_ in sorted(connection.execute(unbilled_).scalars()):
        yield f"the usage of call {id_} is missing"


def unsealed(connection: sa.Connection, after: int) -> list[dict[str, Any]]:
    """Return the next page of calls above `after` that lack a seal, or whose usage lacks one, with all columns."""
    lacking = sa.or_(calls.c.seal.is_(None), sa.and_(bills.c.call_id.is_not(None), bills.c.seal.is_(None)))
    query = _FULL.select_from(_JOINED).where(calls.c.id > after, lacking).order_by(calls.c.id).limit(PAGE)
    return [dict(row._mapping) for row in connection.execute(query)]


def usage_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of the usage in a joined row, as they are stored."""
    return {"call_id": row["id"]} | {name: row[name] for name in _USAGE_NAMES}


def _trouble(row: Mapping[str, Any]) -> str | None:
    """Describe how a joined row differs from its seals; None if it does not, or if it has none."""
    name = f"call {row['id']} (key {bytes(row['key']).hex()[:12]})"
    seal, bill_seal = row["call_seal"], row["bill_seal"]
    try:
        if seal is not None and bytes(seal)[: seals.HALF] != seals.call_half(row):
            return f"{name} was altered"
        request = bytes(row["request"])
        if seal is not None and request and bytes(seal)[seals.HALF :] != seals.request_half(request):
            return f"the request of {name} was altered"
        if bill_seal is not None and bytes(bill_seal) != seals.of_usage(usage_of(row)):
            return f"the usage of {name} was altered"
        unpack(row["raw"])
        unpack(row["request"]) if request else b""
    except (TypeError, ValueError, OSError, AttributeError, struct.error, pa.ArrowException) as error:
        return f"{name} cannot be read ({' '.join(str(error).split())[:100]})"
    return None


def _stored(row: Any) -> Stored:
    columns = dict(row._mapping)
    problem = _trouble(columns)
    if problem is not None:
        raise Damaged(problem)
    call = Call(
        key=bytes(columns["key"]).hex(),
        request=unpack(columns["request"]) if columns["request"] else b"",
        raw=unpack(columns["raw"]),
        **{name: columns[name] for name in _CALL_NAMES},
    )
    if columns["outcome"] is None:
        return Stored(columns["id"], call)
    usage = {name: columns[name] for name in _USAGE_NAMES} | {"estimated": bool(columns["estimated"])}
    return Stored(columns["id"], call, **usage)
