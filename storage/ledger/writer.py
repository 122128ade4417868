"""Group commit: one thread makes everything handed in since the last commit durable in one transaction."""

from __future__ import annotations

import queue
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Engine as Database

from storage.ledger.reader import read
from storage.ledger.schema import Bill, Call, LedgerError, Stored, bills, calls, lock, pack, shown

MOST_IN_A_COMMIT = 2000


@dataclass(frozen=True, slots=True)
class Receipt:
    """A put call is durable under `id`. `earlier` are the calls of the same key that were durable
    before it (oldest first): if one of them answers the key, it wins and this one is a duplicate."""

    id: int
    call: Call
    earlier: tuple[Stored, ...]


Sink = Callable[[list[Receipt], BaseException | None], None]


class Writer:
    """Owns the writing connection. `put` and `bill` never block; `close` writes what is left."""

    def __init__(self, database: Database) -> None:
        self._database = database
        insert = postgresql.insert if database.dialect.name == "postgresql" else sqlite.insert
        # Two readers may settle the same call after a crash; they read the same bytes.
        self._insert_bill = insert(bills).on_conflict_do_nothing(index_elements=["call_id"])
        self._queue: queue.SimpleQueue[tuple[Call, Sink] | Bill | threading.Event | None] = (
            queue.SimpleQueue()
        )
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="ledger-writer", daemon=True)
        self._thread.start()

    def put(self, call: Call, sink: Sink) -> None:
        """Hand in a call; after its commit the sink is called, from the writer's thread, once a
        commit with all its receipts, or with the calls' failure."""
        self._queue.put((call, sink))

    def bill(self, bill: Bill) -> None:
        self._queue.put(bill)

    def flush(self) -> None:
        """Returns when everything handed in before is durable; raises what made a commit fail."""
        reached = threading.Event()
        self._queue.put(reached)
        reached.wait()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise LedgerError(f"{shown(self._database.url)} could not be written: {failure}") from failure

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join()
        self._database.dispose()

    def _work(self) -> None:
        open_ = True
        while open_:
            item = self._queue.get()
            puts: list[tuple[Call, Sink]] = []
            notes: list[Bill] = []
            reached: list[threading.Event] = []
            while True:
                if item is None:
                    open_ = False
                elif isinstance(item, Bill):
                    notes.append(item)
                elif isinstance(item, threading.Event):
                    reached.append(item)
                else:
                    puts.append(item)
                if not open_ or len(puts) + len(notes) >= MOST_IN_A_COMMIT:
                    break
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
            self._commit(puts, notes)
            for event in reached:
                event.set()

    def _commit(self, puts: Sequence[tuple[Call, Sink]], notes: Sequence[Bill]) -> None:
        receipts: list[Receipt] = []
        try:
            if puts or notes:
                receipts = self._write([call for call, _ in puts], notes)
        except Exception as error:  # noqa: BLE001 - whatever it is, everyone who waits must be told
            # A later commit may succeed again (a full disk that was emptied): the thread lives on.
            self._failure = error
            failed: dict[Sink, list[Receipt]] = defaultdict(list)
            for call, sink in puts:
                failed[sink].append(Receipt(-1, call, ()))
            for sink, group in failed.items():
                sink(group, error)
            return
        landed: dict[Sink, list[Receipt]] = defaultdict(list)
        for receipt, (_, sink) in zip(receipts, puts, strict=True):
            landed[sink].append(receipt)
        for sink, group in landed.items():
            sink(group, None)

    def _write(self, new: Sequence[Call], notes: Sequence[Bill]) -> list[Receipt]:
        with self._database.begin() as connection:
            lock(connection)
            earlier: dict[str, list[Stored]] = {}
            ids = range(0)
            if new:
                earlier = read(connection, {call.key for call in new})
                top = connection.execute(_TOP).scalar() or 0
                ids = range(top + 1, top + 1 + len(new))
                values = [_columns(number, call) for number, call in zip(ids, new, strict=True)]
                connection.execute(_INSERT_CALL, values)
            if notes:
                connection.execute(self._insert_bill, [_bill_columns(note) for note in notes])
        receipts = []
        for number, call in zip(ids, new, strict=True):
            before = earlier.setdefault(call.key, [])
            receipts.append(Receipt(number, call, tuple(before)))
            before.append(Stored(number, call))
        return receipts


_TOP = sa.select(sa.func.max(calls.c.id))
_INSERT_CALL = calls.insert()


def _columns(number: int, call: Call) -> dict[str, object]:
    return {
        "id": number,
        "key": bytes.fromhex(call.key),
        "created": call.created,
        "role": call.role,
        "model": call.model,
        "tag": call.tag,
        "status": call.status,
        "elapsed": call.elapsed,
        "price_in": call.price_in,
        "price_out": call.price_out,
        "request": pack(call.request),
        "raw": pack(call.raw),
    }


def _bill_columns(bill: Bill) -> dict[str, object]:
    return {
        "call_id": bill.call_id,
        "outcome": bill.outcome,
        "prompt_tokens": bill.prompt_tokens,
        "completion_tokens": bill.completion_tokens,
        "estimated": bill.estimated,
        "cost": bill.cost,
    }
