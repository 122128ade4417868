"""The completion ledger: stores every completion byte for byte, so that no request is paid for twice.

It is SQLite (WAL, group commit) by default, PostgreSQL by URL. Any number of processes may use one ledger; of two
completions for one key, the first that became durable is the one that every process reads. A SQLite ledger must be on a
local disk: WAL needs shared memory, which network file systems lack.
"""

from __future__ import annotations

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
    Call,
    CallUsage,
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
from storage.ledger.service import DayUsage, Service, Spent, Traffic
from storage.ledger.writer import Receipt, Sink, Writer

__all__ = [
    "COMPLETION",
    "DUPLICATE",
    "Call",
    "CallUsage",
    "Damaged",
    "Ledger",
    "LedgerError",
    "LedgerStats",
    "Receipt",
    "Service",
    "Spent",
    "Stored",
    "UsageTotals",
]


_FIX = "Fix: restore the ledger from a copy, or see what `./mathmill verify` names"


@dataclass(frozen=True, slots=True)
class UsageTotals:
    """Sums over the calls of one role, model and tag.

    Times are in seconds, costs in USD. `completion_sd` is the standard deviation of the completion tokens per call, from
    which forecasts get their range.
    """

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
    """Totals of a ledger. `unbilled` counts the calls without a usage: the process crashed before it read their bytes."""

    where: str
    calls: int
    keys: int
    unbilled: int
    prompt_tokens: int
    completion_tokens: int
    estimated: int
    cost: float
    outcomes: dict[str, int]
    groups: tuple[UsageTotals, ...]


class Ledger:
    """An open ledger. It is thread-safe. Get one with `Ledger.open`, and end with `close` (or use `with`)."""

    def __init__(self, url: sa.URL, reading: Database, writer: Writer) -> None:
        self.url = url
        self._reading = reading
        self._writer = writer

    @classmethod
    def open(cls, url_or_path: str | Path) -> Ledger:
        """Open a ledger, and create it if it does not exist. A path means a SQLite file.

        Raises LedgerError if it cannot be opened, and Damaged if its content is not what was written.
        """
        url = location(url_or_path)
        if url.get_backend_name() == "sqlite" and url.database:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
            only_for_its_owner(Path(url.database))
        database = connect(url, writing=True)
        try:
            prepare(database)
        except (UnicodeDecodeError, OverflowError) as error:  # SQLite quotes bytes of a damaged schema
            database.dispose()
            raise Damaged(f"the ledger {shown(url)} is damaged: {error}. {_FIX}") from error
        except sa.exc.DBAPIError as error:
            database.dispose()
            raise LedgerError(
                f"cannot open the ledger {shown(url)}: {' '.join(str(error.orig).split())[:300]}. "
                "Fix: check MATHMILL_LEDGER"
            ) from error
        return cls(url, connect(url, writing=False), Writer(database))

    def get_many(self, keys: Iterable[str], *, failed: bool = False) -> dict[str, list[Stored]]:
        """Return the stored calls of each key, oldest first; the first usable one holds the completion.

        Calls that did not succeed are left out unless `failed` is set; calls without a usage are included. Keys without a
        call are absent from the result. The field `request` of the calls is left empty.
        """
        with self._connection() as connection:
            return reader.read(connection, set(keys), failed=failed)

    def find(self, prefix: str) -> list[Stored]:
        """Return every call whose hex key begins with `prefix`, failed ones too, with its request.

        Raises LedgerError if `prefix` is not made of hex digits.
        """
        digits = prefix.lower()
        try:
            even = bytes.fromhex(digits[: len(digits) // 2 * 2]).hex()
        except ValueError as error:
            raise LedgerError(f"{prefix!r} is not the start of a ledger key. Fix: give hex digits") from error
        with self._connection() as connection:
            return [stored for stored in reader.find(connection, even) if stored.call.key.startswith(digits)]

    def put_nowait(self, call: Call, sink: Sink) -> None:
        """Queue a call for the next commit. The sink is called in another thread once the call is durable."""
        self._writer.put(call, sink)

    def put(self, call: Call) -> Future[Receipt]:
        """Queue a call and return a future that is done once the call is durable (fsynced)."""
        future: Future[Receipt] = Future()

        def on_commit(receipts: list[Receipt], error: LedgerError | None) -> None:
            if error is None:
                future.set_result(receipts[0])
            else:
                future.set_exception(error)

        self._writer.put(call, on_commit)
        return future

    def record_usage(self, usage: CallUsage) -> None:
        """Record what was read from a stored call. It becomes durable with the next commit."""
        self._writer.record_usage(usage)

    def record_missing_usage(self, read: Callable[[Stored], CallUsage], older_than: float = 60.0) -> int:
        """Record the usage of calls that have had none for `older_than` seconds, and return how many there were.

        The process that made such a call was killed before it read the bytes; `read` reads them. Only calls that are newer
        than the note `billed_to` are considered, so that this is cheap enough for every start.
        """
        self.flush()
        with self._connection() as connection:
            after = int(connection.execute(_BILLED_TO).scalar() or 0)
            newest = connection.execute(_TOP).scalar() or 0
            unread = reader.unbilled(connection, after)
            late = [
                item
                for item in reader.by_ids(connection, unread)
                if item.call.created < time.time() - older_than
            ]
        for item in late:
            self.record_usage(read(item))
        self.flush()
        remaining = set(unread) - {item.id for item in late}
        self._writer.note("billed_to", str(min(remaining, default=newest + 1) - 1))
        self.flush()
        return len(late)

    def every(self) -> Iterator[Stored]:
        """Yield all calls in the order in which they became durable."""
        with self._connection() as connection:
            yield from reader.every(connection)

    def flush(self) -> None:
        """Wait until everything that was queued before is durable. Raises LedgerError if a commit failed."""
        self._writer.flush()

    def stats(self) -> LedgerStats:
        """Return totals, and sums per role, model and tag."""
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

    def history(self, last: int = 200_000) -> tuple[UsageTotals, ...]:
        """Return sums per role, model and tag over the `last` calls, from which `plan` makes its forecast."""
        self.flush()
        with self._connection() as connection:
            top = connection.execute(_TOP).scalar() or 0
            return tuple(_usage(row) for row in connection.execute(_GROUPS.where(calls.c.id > top - last)))

    def newest(self, role: str, model: str, most: int, *, within: int = 200_000) -> list[Stored]:
        """Return the newest `most` answered calls of a role and model, oldest first, among the last `within` calls."""
        self.flush()
        with self._connection() as connection:
            return reader.newest(connection, role, model, most, within)

    def spent(self, run: str, since: float = 0.0) -> Spent:
        """Return the cost of the calls that `run` made since `since` (Unix seconds)."""
        self.flush()
        with self._connection() as connection:
            return service.spent(connection, run, since)

    def last_answer(self, run: str) -> float | None:
        """Return when the newest answer to a call of `run` came, in Unix seconds; None if it has made no call."""
        self.flush()
        with self._connection() as connection:
            return service.last_answer(connection, run)

    def served(self, run: str) -> list[Service]:
        """Return latencies, throughput and cost of the calls of `run`, one entry per role, model and tag."""
        self.flush()
        with self._connection() as connection:
            return list(service.served(connection, run))

    def daily(self) -> list[DayUsage]:
        """Return the usage of every day, run, role, model and tag, in this order."""
        self.flush()
        with self._connection() as connection:
            return list(service.daily(connection))

    def traffic(self, seconds: float) -> list[Traffic]:
        """Return the traffic of each role and model in the last `seconds`."""
        self.flush()
        with self._connection() as connection:
            return list(service.traffic(connection, time.time(), seconds))

    def export(self, path: str | Path) -> int:
        """Write every call as JSON lines, gzipped if the name ends in .gz, and return how many were written."""
        self.flush()
        return exchange.write(self.every(), Path(path))

    def import_(self, path: str | Path) -> tuple[int, int]:
        """Add the calls of an export and return (number added, number that were in the ledger already).

        Raises LedgerError, with the line number, if a line is not part of a ledger export.
        """
        return exchange.load(self, Path(path))

    def vacuum(self) -> tuple[int, int]:
        """Free unused space and return the size in bytes before and after (0, 0 on PostgreSQL).

        Raises LedgerError if the ledger is in use.
        """
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
                f"{shown(self.url)} is in use ({error.orig}). Fix: vacuum when no run is active"
            ) from error
        finally:
            database.dispose()
        return before, _size(file)

    def verify(self) -> tuple[int, list[str]]:
        """Compare every record with its seal; return the number of calls, and a line per damaged or missing record.

        On SQLite the structure of the database is checked first. Not checked are bytes of the file that hold no record,
        and records without a seal (see `seal`).
        """
        self.flush()
        try:
            with self._connection() as connection:
                if self.url.get_backend_name() == "sqlite":
                    lines = connection.exec_driver_sql("PRAGMA integrity_check(20)").scalars().all()
                    if lines != ["ok"]:
                        text = "; ".join(" ".join(str(line).split()) for line in lines)
                        return 0, [f"{shown(self.url)}: {text[:500]}"]
                lines = [*reader.missing(connection), *reader.damaged(connection)]
                findings = [f"{shown(self.url)}: {line}" for line in lines]
                return int(connection.execute(sa.select(sa.func.count(calls.c.id))).scalar() or 0), findings
        except Damaged as error:
            return 0, [str(error)]

    def seal(self) -> int:
        """Seal the records that were written before version 3, and return the number of calls sealed.

        One short transaction per page, so that runs that write at the same time do not have to wait.
        """
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
                            value = seals.of_usage(reader.usage_of(row))
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
        """Yield a connection for reading. Raises Damaged if a record or the database turns out to be damaged."""
        where = shown(self.url)
        try:
            with self._reading.connect() as connection:
                yield connection
        except Damaged as error:
            raise Damaged(f"the ledger {where} is damaged: {error}. {_FIX}") from error
        except UnicodeDecodeError as error:
            raise Damaged(f"the ledger {where} is damaged: {error}. {_FIX}") from error
        except sa.exc.DatabaseError as error:
            why = " ".join(str(error.orig).split())[:200]
            if any(
                word in why
                for word in ("malformed", "not a database", "corrupt", "invalid page", "decode", "no such")
            ):
                raise Damaged(f"the ledger {where} is damaged: {why}. {_FIX}") from error
            raise

    def close(self) -> None:
        """Write what is queued and close the database."""
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


def _usage(row: Any) -> UsageTotals:
    mean, mean_square = row[-2:]
    spread = max(0.0, mean_square - mean * mean) ** 0.5
    values: list[Any] = [*row[:-2], spread]
    for place in range(3, 8):  # PostgreSQL's sums of integers are Decimal
        values[place] = int(values[place])
    return UsageTotals(*values)


_COMPLETION_TOKENS = sa.cast(bills.c.completion_tokens, sa.Double)
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
        sa.func.coalesce(sa.func.avg(_COMPLETION_TOKENS), 0.0),
        sa.func.coalesce(sa.func.avg(_COMPLETION_TOKENS * _COMPLETION_TOKENS), 0.0),
    )
    .select_from(calls.outerjoin(bills, bills.c.call_id == calls.c.id))
    .group_by(calls.c.role, calls.c.model, calls.c.tag)
    .order_by(calls.c.role, calls.c.model, calls.c.tag)
)
