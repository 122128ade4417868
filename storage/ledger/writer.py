"""Group commit: one thread writes everything that was queued since the last commit in one transaction."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Engine as Database

from storage.ledger import seals
from storage.ledger.prepared import PreparedStatement
from storage.ledger.reader import read
from storage.ledger.schema import Call, CallUsage, LedgerError, Stored, bills, calls, lock, meta, pack, shown

MOST_IN_A_COMMIT = 2000


@dataclass(frozen=True, slots=True)
class Receipt:
    """Confirms that a call is durable under `id`.

    `earlier` are the calls of the same key that were durable before it, oldest first. If one of them holds a usable
    completion, this call is a duplicate.
    """

    id: int
    call: Call
    earlier: tuple[Stored, ...]


Sink = Callable[[list[Receipt], LedgerError | None], None]


class Note(NamedTuple):
    name: str
    value: str


class _Put(NamedTuple):
    call: Call
    sink: Sink


@dataclass(slots=True)
class _Group:
    """The items of one commit."""

    puts: list[_Put] = field(default_factory=list)
    usages: list[CallUsage] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    reached: list[threading.Event] = field(default_factory=list)

    def add(self, item: _Put | CallUsage | Note | threading.Event) -> None:
        if isinstance(item, _Put):
            self.puts.append(item)
        elif isinstance(item, CallUsage):
            self.usages.append(item)
        elif isinstance(item, Note):
            self.notes.append(item)
        else:
            self.reached.append(item)

    @property
    def full(self) -> bool:
        return len(self.puts) + len(self.usages) >= MOST_IN_A_COMMIT


class Writer:
    """Owns the writing connection. `put` and `record_usage` never block; `close` writes what is queued."""

    def __init__(self, database: Database) -> None:
        self._database = database
        insert = postgresql.insert if database.dialect.name == "postgresql" else sqlite.insert
        # After a crash two processes may record the usage of the same call; both read the same bytes.
        once = insert(bills).on_conflict_do_nothing(index_elements=["call_id"])
        self._insert_usage = PreparedStatement(once, database.dialect)
        self._insert_call = PreparedStatement(calls.insert(), database.dialect)
        self._top = PreparedStatement(sa.select(sa.func.max(calls.c.id)), database.dialect)
        noted = meta.c.name == sa.bindparam("noted")
        self._noted_top = PreparedStatement(sa.select(meta.c.value).where(noted), database.dialect)
        self._note_top = PreparedStatement(
            meta.update().where(noted).values(value=sa.bindparam("value")), database.dialect
        )
        self._queue: queue.SimpleQueue[_Put | CallUsage | Note | threading.Event | None] = queue.SimpleQueue()
        self._failure: LedgerError | None = None
        self._thread = threading.Thread(target=self._work, name="ledger-writer", daemon=True)
        self._thread.start()

    def put(self, call: Call, sink: Sink) -> None:
        """Queue a call. After the commit its sink is called from the writer's thread, once per commit, with all its
        receipts and, if the commit failed, the error."""
        self._queue.put(_Put(call, sink))

    def record_usage(self, usage: CallUsage) -> None:
        """Queue the usage of a stored call."""
        self._queue.put(usage)

    def note(self, name: str, value: str) -> None:
        """Queue a change of one entry of the table `ledger_meta`."""
        self._queue.put(Note(name, value))

    def flush(self) -> None:
        """Wait until everything that was queued before is durable. Raises LedgerError if a commit failed."""
        reached = threading.Event()
        self._queue.put(reached)
        reached.wait()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def close(self) -> None:
        """Write what is queued, then end the thread and close the connection."""
        self._queue.put(None)
        self._thread.join()
        self._database.dispose()

    def _work(self) -> None:
        item = self._queue.get()
        while item is not None:
            group = _Group()
            while item is not None:
                group.add(item)
                if group.full:
                    break
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
            self._commit(group)
            for event in group.reached:
                event.set()
            if item is not None:
                item = self._queue.get()

    def _commit(self, group: _Group) -> None:
        """Write a group and call each of its sinks once."""
        error: LedgerError | None = None
        receipts: list[Receipt] = []
        try:
            if group.puts or group.usages or group.notes:
                receipts = self._write(group)
        except Exception as caught:  # noqa: BLE001 - every waiting sink must get the error, whatever it is
            # A later commit may succeed (once the full disk has space again), so the thread continues.
            why = " ".join(str(getattr(caught, "orig", caught)).split())[:200]
            where = shown(self._database.url)
            error = LedgerError(
                f"{where} could not be written ({why}). Fix: free space on its disk, or check MATHMILL_LEDGER"
            )
            error.__cause__ = caught
            self._failure = error
            receipts = [Receipt(-1, put.call, ()) for put in group.puts]
        by_sink: dict[Sink, list[Receipt]] = defaultdict(list)
        for receipt, put in zip(receipts, group.puts, strict=True):
            by_sink[put.sink].append(receipt)
        for sink, sink_receipts in by_sink.items():
            sink(sink_receipts, error)

    def _write(self, group: _Group) -> list[Receipt]:
        earlier: dict[str, list[Stored]] = {}
        first = 0
        with self._database.begin() as connection:
            lock(connection)
            if group.puts:
                # rarely not empty: another process stored the same key after this one had looked it up
                earlier = read(connection, {put.call.key for put in group.puts})
                first = self._next(connection)
                self._insert_call.many(
                    connection, [_columns(number, put.call) for number, put in enumerate(group.puts, first)]
                )
                self._reached(connection, first + len(group.puts) - 1)
            if group.usages:
                self._insert_usage.many(connection, [_usage_columns(usage) for usage in group.usages])
            for name, value in group.notes:
                connection.execute(meta.delete().where(meta.c.name == name))
                connection.execute(meta.insert().values(name=name, value=value))
        receipts = []
        for number, put in enumerate(group.puts, first):
            before = earlier.setdefault(put.call.key, [])
            receipts.append(Receipt(number, put.call, tuple(before)))
            before.append(Stored(number, put.call))
        return receipts

    def _next(self, connection: sa.Connection) -> int:
        """Return the id of the next call, which follows the newest stored call and the newest call that was ever stored."""
        noted = self._noted_top.first(connection, {"noted": seals.TOP})
        with contextlib.suppress(ValueError):  # `verify` names it
            return max(seals.top_of(noted), self._top.first(connection, {}) or 0) + 1
        return (self._top.first(connection, {}) or 0) + 1

    def _reached(self, connection: sa.Connection, top: int) -> None:
        value = seals.of_top(top)
        if not self._note_top.one(connection, {"noted": seals.TOP, "value": value}):
            connection.execute(meta.insert().values(name=seals.TOP, value=value))


def _columns(number: int, call: Call) -> dict[str, object]:
    columns: dict[str, object] = {
        "id": number,
        "key": bytes.fromhex(call.key),
        "created": call.created,
        "role": call.role,
        "model": call.model,
        "tag": call.tag,
        "run": call.run,
        "status": call.status,
        "elapsed": call.elapsed,
        "price_in": call.price_in,
        "price_out": call.price_out,
        "request": pack(call.request),
        "raw": pack(call.raw),
    }
    return columns | {"seal": seals.of_call(columns)}


def _usage_columns(usage: CallUsage) -> dict[str, object]:
    columns: dict[str, object] = {
        "call_id": usage.call_id,
        "outcome": usage.outcome,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "estimated": usage.estimated,
        "cost": usage.cost,
    }
    return columns | {"seal": seals.of_usage(columns)}
