"""Group commit: one thread makes everything handed in since the last commit durable in one transaction."""

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
from storage.ledger.prepared import Prepared
from storage.ledger.reader import read
from storage.ledger.schema import Bill, Call, LedgerError, Stored, bills, calls, lock, meta, pack, shown

MOST_IN_A_COMMIT = 2000


@dataclass(frozen=True, slots=True)
class Receipt:
    """A put call is durable under `id`. `earlier` are the calls of the same key that were durable
    before it (oldest first): if one of them answers the key, it wins and this one is a duplicate."""

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
    """What goes into one commit."""

    puts: list[_Put] = field(default_factory=list)
    bills: list[Bill] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    reached: list[threading.Event] = field(default_factory=list)

    def add(self, item: _Put | Bill | Note | threading.Event) -> None:
        if isinstance(item, _Put):
            self.puts.append(item)
        elif isinstance(item, Bill):
            self.bills.append(item)
        elif isinstance(item, Note):
            self.notes.append(item)
        else:
            self.reached.append(item)

    @property
    def full(self) -> bool:
        return len(self.puts) + len(self.bills) >= MOST_IN_A_COMMIT


class Writer:
    """Owns the writing connection. `put` and `bill` never block; `close` writes what is left."""

    def __init__(self, database: Database) -> None:
        self._database = database
        insert = postgresql.insert if database.dialect.name == "postgresql" else sqlite.insert
        # Two readers may settle the same call after a crash; they read the same bytes.
        once = insert(bills).on_conflict_do_nothing(index_elements=["call_id"])
        self._insert_bill = Prepared(once, database.dialect)
        self._insert_call = Prepared(calls.insert(), database.dialect)
        self._top = Prepared(sa.select(sa.func.max(calls.c.id)), database.dialect)
        noted = meta.c.name == sa.bindparam("noted")
        self._noted_top = Prepared(sa.select(meta.c.value).where(noted), database.dialect)
        self._note_top = Prepared(
            meta.update().where(noted).values(value=sa.bindparam("value")), database.dialect
        )
        self._queue: queue.SimpleQueue[_Put | Bill | Note | threading.Event | None] = queue.SimpleQueue()
        self._failure: LedgerError | None = None
        self._thread = threading.Thread(target=self._work, name="ledger-writer", daemon=True)
        self._thread.start()

    def put(self, call: Call, sink: Sink) -> None:
        """Hand in a call; after its commit the sink is called, from the writer's thread, once a
        commit with all its receipts, or with the calls' failure."""
        self._queue.put(_Put(call, sink))

    def bill(self, bill: Bill) -> None:
        self._queue.put(bill)

    def note(self, name: str, value: str) -> None:
        """Set one entry of the ledger's own notes."""
        self._queue.put(Note(name, value))

    def flush(self) -> None:
        """Returns when everything handed in before is durable; raises what made a commit fail."""
        reached = threading.Event()
        self._queue.put(reached)
        reached.wait()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def close(self) -> None:
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
        """Write a group and tell its sinks, each once."""
        error: LedgerError | None = None
        receipts: list[Receipt] = []
        try:
            if group.puts or group.bills or group.notes:
                receipts = self._write(group)
        except Exception as caught:  # noqa: BLE001 - whatever it is, everyone who waits must be told
            # A later commit may succeed again (a full disk that was emptied): the thread lives on.
            why = " ".join(str(getattr(caught, "orig", caught)).split())[:200]
            where = shown(self._database.url)
            error = LedgerError(
                f"{where} could not be written ({why}): free its disk, or mend MATHMILL_LEDGER"
            )
            error.__cause__ = caught
            self._failure = error
            receipts = [Receipt(-1, put.call, ()) for put in group.puts]
        told: dict[Sink, list[Receipt]] = defaultdict(list)
        for receipt, put in zip(receipts, group.puts, strict=True):
            told[put.sink].append(receipt)
        for sink, theirs in told.items():
            sink(theirs, error)

    def _write(self, group: _Group) -> list[Receipt]:
        earlier: dict[str, list[Stored]] = {}
        first = 0
        with self._database.begin() as connection:
            lock(connection)
            if group.puts:
                # almost never any: another process asked the same since this one looked
                earlier = read(connection, {put.call.key for put in group.puts})
                first = self._next(connection)
                self._insert_call.many(
                    connection, [_columns(number, put.call) for number, put in enumerate(group.puts, first)]
                )
                self._reached(connection, first + len(group.puts) - 1)
            if group.bills:
                self._insert_bill.many(connection, [_bill_columns(bill) for bill in group.bills])
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
        """The id of the next call: after the newest that is there, and after the newest that there ever was."""
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


def _bill_columns(bill: Bill) -> dict[str, object]:
    columns: dict[str, object] = {
        "call_id": bill.call_id,
        "outcome": bill.outcome,
        "prompt_tokens": bill.prompt_tokens,
        "completion_tokens": bill.completion_tokens,
        "estimated": bill.estimated,
        "cost": bill.cost,
    }
    return columns | {"seal": seals.of_bill(columns)}
