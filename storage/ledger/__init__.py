"""The completion ledger: every answer of a model, kept byte for byte, so that none is paid for twice.

SQLite (WAL, group commit) by default, PostgreSQL by URL. Any number of processes may use one ledger;
of two answers to one key the first that became durable is the one that everybody reads.
A SQLite ledger must lie on a local disk: WAL needs shared memory, which network file systems lack.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine as Database

from storage.ledger import exchange, reader, seals, service
from storage.ledger.schema import (
    COMPLETION,
    DUPLICATE,
    Bill,
    Call,
    Damaged,
    LedgerError,
    Stored,
    bills,
    calls,
    connect,
    location,
    meta,
    only_for_its_owner,
    prepare,
    shown,
)
from storage.ledger.service import Service, Spent
from storage.ledger.writer import Receipt, Sink, Writer

__all__ = [
    "COMPLETION",
    "DUPLICATE",
    "Bill",
    "Call",
    "Damaged",
    "Ledger",
    "LedgerError",
    "LedgerStats",
    "Receipt",
    "Service",
    "Spent",
    "Stored",
    "Usage",
]


MEND = "Fix: restore the ledger from a copy, or see what `./mathmill verify` names"


@dataclass(frozen=True, slots=True)
class Usage:
    """Sums over the calls of one role, model and tag. Times in seconds, cost in USD; `completion_sd` is
    the standard deviation of a call's completion tokens, for forecasts with a range."""

    role: str
    model: str
    tag: str
    calls: int
    completions: int
    prompt_tokens: int
    completion_tokens: int
    estimated: int
    cost: float
    mean_elapsed: float
    completion_sd: float


@dataclass(frozen=True, slots=True)
class LedgerStats:
    """What a ledger holds. `unbilled` calls were cut off by a crash and not read since."""

    where: str
    calls: int
    keys: int
    unbilled: int
    prompt_tokens: int
    completion_tokens: int
    estimated: int
    cost: float
    outcomes: dict[str, int]
    groups: tuple[Usage, ...]


class Ledger:
    """One open ledger; thread-safe. Use `Ledger.open`, and `close` (or `with`) at the end."""

    def __init__(self, url: sa.URL, reading: Database, writer: Writer) -> None:
        self.url = url
        self._reading = reading
        self._writer = writer

    @classmethod
    def open(cls, url_or_path: str | Path) -> Ledger:
        """Opens or creates. A path is a SQLite file; LedgerError names what is wrong and the mend."""
        url = location(url_or_path)
        if url.get_backend_name() == "sqlite" and url.database:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
            only_for_its_owner(Path(url.database))
        database = connect(url, writing=True)
        try:
            prepare(database)
        except (UnicodeDecodeError, OverflowError) as error:  # of what SQLite quotes from a damaged schema
            database.dispose()
            raise Damaged(f"the ledger {shown(url)} is damaged: {error}. {MEND}") from error
        except sa.exc.DBAPIError as error:
            database.dispose()
            raise LedgerError(
                f"cannot open the ledger {shown(url)}: {' '.join(str(error.orig).split())[:300]}; mend MATHMILL_LEDGER"
            ) from error
        return cls(url, connect(url, writing=False), Writer(database))

    def get_many(self, keys: Iterable[str], *, failed: bool = False) -> dict[str, list[Stored]]:
        """The calls that answer each key (or may, where unbilled; `failed`: or did not), oldest first;
        the first usable one is the answer. Keys never asked for are absent. Requests are not read."""
        with self._connection() as connection:
            return reader.read(connection, set(keys), failed=failed)

    def find(self, prefix: str) -> list[Stored]:
        """Every call whose hex key begins with `prefix`, failed ones too, with its request."""
        digits = prefix.lower()
        try:
            even = bytes.fromhex(digits[: len(digits) // 2 * 2]).hex()
        except ValueError as error:
            raise LedgerError(f"{prefix!r} is not the start of a ledger key (hex digits)") from error
        with self._connection() as connection:
            return [stored for stored in reader.find(connection, even) if stored.call.key.startswith(digits)]

    def put_nowait(self, call: Call, sink: Sink) -> None:
        """Hand in a call; the sink hears of it, in another thread, once it is durable."""
        self._writer.put(call, sink)

    def put(self, call: Call) -> Future[Receipt]:
        """A future that is done when the call is durable (fsynced)."""
        future: Future[Receipt] = Future()

        def landed(receipts: list[Receipt], error: LedgerError | None) -> None:
            if error is None:
                future.set_result(receipts[0])
            else:
                future.set_exception(error)

        self._writer.put(call, landed)
        return future

    async def aput(self, call: Call) -> Receipt:
        return await asyncio.wrap_future(self.put(call))

    def bill(self, bill: Bill) -> None:
        """Note what was read out of a stored call; durable with the next commit."""
        self._writer.bill(bill)

    def settle(self, read: Callable[[Stored], Bill], older_than: float = 60.0) -> int:
        """Bill the calls that nobody has billed for `older_than` seconds, since their process was
        killed; `read` says what their bytes mean. Returns how many. Looks only at calls newer than
        those known to be billed, so it is cheap to do at every start."""
        self.flush()
        with self._connection() as connection:
            after = int(connection.execute(_BILLED_TO).scalar() or 0)
            top = connection.execute(_TOP).scalar() or 0
            open_ = reader.unbilled(connection, after)
            late = [
                item
                for item in reader.by_ids(connection, open_)
                if item.call.created < time.time() - older_than
            ]
        for item in late:
            self.bill(read(item))
        self.flush()
        left = set(open_) - {item.id for item in late}
        self._writer.note("billed_to", str(min(left, default=top + 1) - 1))
        self.flush()
        return len(late)

    def every(self) -> Iterator[Stored]:
        """All calls, in the order they became durable."""
        with self._connection() as connection:
            yield from reader.every(connection)

    def flush(self) -> None:
        self._writer.flush()

    def stats(self) -> LedgerStats:
        """Totals, and sums by role, model and tag."""
        self.flush()
        with self._connection() as connection:
            counts = connection.execute(_COUNTS).one()
            outcomes: dict[str, int] = {row[0]: row[1] for row in connection.execute(_OUTCOMES)}
            groups = tuple(_usage(row) for row in connection.execute(_GROUPS))
        return LedgerStats(
            where=shown(self.url),
            calls=counts[0],
            keys=counts[1],
            unbilled=counts[0] - sum(outcomes.values()),
            prompt_tokens=sum(group.prompt_tokens for group in groups),
            completion_tokens=sum(group.completion_tokens for group in groups),
            estimated=sum(group.estimated for group in groups),
            cost=sum(group.cost for group in groups),
            outcomes=outcomes,
            groups=groups,
        )

    def history(self, last: int = 200_000) -> tuple[Usage, ...]:
        """Sums by role, model and tag over the `last` calls: what `plan` forecasts from."""
        self.flush()
        with self._connection() as connection:
            top = connection.execute(_TOP).scalar() or 0
            return tuple(_usage(row) for row in connection.execute(_GROUPS.where(calls.c.id > top - last)))

    def spent(self, run: str, since: float = 0.0) -> Spent:
        """What the calls of `run` made from `since` (Unix seconds) on have cost."""
        self.flush()
        with self._connection() as connection:
            return service.spent(connection, run, since)

    def served(self, run: str) -> list[Service]:
        """How the calls of `run` were served, a line a role, model and tag."""
        self.flush()
        with self._connection() as connection:
            return list(service.served(connection, run))

    def export(self, path: str | Path) -> int:
        """Write every call as JSON lines (gzip where the name ends in .gz); returns how many."""
        self.flush()
        return exchange.write(self.every(), Path(path))

    def import_(self, path: str | Path) -> tuple[int, int]:
        """Take the calls of an export; returns (taken, already here). LedgerError names a bad line."""
        return exchange.take(self, Path(path))

    def vacuum(self) -> tuple[int, int]:
        """Give unused space back; returns the size in bytes before and after (0, 0 on PostgreSQL)."""
        self.flush()
        database = sa.create_engine(self.url, isolation_level="AUTOCOMMIT")
        file = Path(self.url.database or "") if self.url.get_backend_name() == "sqlite" else None
        before = _size(file)
        try:
            with database.connect() as connection:
                connection.exec_driver_sql("VACUUM")
                if file is not None:
                    connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        except sa.exc.OperationalError as error:
            raise LedgerError(
                f"{shown(self.url)} is in use ({error.orig}): vacuum when no run is on"
            ) from error
        finally:
            database.dispose()
        return before, _size(file)

    def verify(self) -> tuple[int, list[str]]:
        """Read every record and compare it with its seal; returns how many calls there are, and a line for
        each thing that is damaged or missing. On SQLite the database's own structure is checked first. What this does not
        see: bytes of the file that hold no record, and records without a seal (see `seal`)."""
        self.flush()
        try:
            with self._connection() as connection:
                if self.url.get_backend_name() == "sqlite":
                    lines = connection.exec_driver_sql("PRAGMA integrity_check(20)").scalars().all()
                    if lines != ["ok"]:
                        text = "; ".join(" ".join(str(line).split()) for line in lines)
                        return 0, [f"{shown(self.url)}: {text[:500]}"]
                lines = [*reader.missing(connection), *reader.damaged(connection)]
                found = [f"{shown(self.url)}: {line}" for line in lines]
                return int(connection.execute(sa.select(sa.func.count(calls.c.id))).scalar() or 0), found
        except Damaged as error:
            return 0, [str(error)]

    def seal(self) -> int:
        """Seal the records that were written before there were seals; returns how many calls. Short
        transactions, one a page: runs that write meanwhile are not held up."""
        self.flush()
        database, count, last = connect(self.url, writing=True), 0, 0
        try:
            while True:
                with database.begin() as connection:
                    page = reader.unsealed(connection, last)
                    for row in page:
                        if row["call_seal"] is None:
                            value = seals.of_call(row)
                            connection.execute(
                                calls.update().where(calls.c.id == row["id"]).values(seal=value)
                            )
                        if row["outcome"] is not None and row["bill_seal"] is None:
                            value = seals.of_bill(reader.bill_of(row))
                            connection.execute(
                                bills.update().where(bills.c.call_id == row["id"]).values(seal=value)
                            )
                if not page:
                    return count
                count, last = count + len(page), page[-1]["id"]
        finally:
            database.dispose()

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sa.Connection]:
        """A connection to read with; damage that shows while it is used is one line that names it."""
        where = shown(self.url)
        try:
            with self._reading.connect() as connection:
                yield connection
        except Damaged as error:
            raise Damaged(f"the ledger {where} is damaged: {error}. {MEND}") from error
        except UnicodeDecodeError as error:
            raise Damaged(f"the ledger {where} is damaged: {error}. {MEND}") from error
        except sa.exc.DatabaseError as error:
            why = " ".join(str(error.orig).split())[:200]
            if any(
                word in why
                for word in ("malformed", "not a database", "corrupt", "invalid page", "decode", "no such")
            ):
                raise Damaged(f"the ledger {where} is damaged: {why}. {MEND}") from error
            raise

    def close(self) -> None:
        self._writer.close()
        self._reading.dispose()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _size(file: Path | None) -> int:
    if file is None:
        return 0
    wal = file.with_name(file.name + "-wal")
    return file.stat().st_size + (wal.stat().st_size if wal.exists() else 0)


def _usage(row: Any) -> Usage:
    mean, mean_square = row[-2:]
    spread = max(0.0, mean_square - mean * mean) ** 0.5
    values: list[Any] = [*row[:-2], spread]
    for place in range(3, 8):  # PostgreSQL's sums of integers are Decimal
        values[place] = int(values[place])
    return Usage(*values)


_MADE = sa.cast(bills.c.completion_tokens, sa.Double)
_BILLED_TO = sa.select(meta.c.value).where(meta.c.name == "billed_to")
_TOP = sa.select(sa.func.max(calls.c.id))
_COUNTS = sa.select(sa.func.count(), sa.func.count(calls.c.key.distinct())).select_from(calls)
_OUTCOMES = sa.select(bills.c.outcome, sa.func.count()).group_by(bills.c.outcome)
_GROUPS = (
    sa.select(
        calls.c.role,
        calls.c.model,
        calls.c.tag,
        sa.func.count(),
        sa.func.sum(sa.case((bills.c.outcome == COMPLETION, 1), else_=0)),
        sa.func.coalesce(sa.func.sum(bills.c.prompt_tokens), 0),
        sa.func.coalesce(sa.func.sum(bills.c.completion_tokens), 0),
        sa.func.sum(sa.case((bills.c.estimated, 1), else_=0)),
        sa.func.coalesce(sa.func.sum(bills.c.cost), 0.0),
        sa.func.avg(calls.c.elapsed),
        sa.func.coalesce(sa.func.avg(_MADE), 0.0),
        sa.func.coalesce(sa.func.avg(_MADE * _MADE), 0.0),
    )
    .select_from(calls.outerjoin(bills, bills.c.call_id == calls.c.id))
    .group_by(calls.c.role, calls.c.model, calls.c.tag)
    .order_by(calls.c.role, calls.c.model, calls.c.tag)
)
