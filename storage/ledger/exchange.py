"""Export and import of a ledger as JSON lines: one call per line, bytes as base64."""

from __future__ import annotations

import base64
import binascii
import gzip
import itertools
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, wait
from pathlib import Path
from typing import IO, Any, Protocol, cast

import orjson

from storage.atomic import replacing
from storage.ledger.schema import COMPLETION, DUPLICATE, Call, CallUsage, LedgerError, Stored
from storage.ledger.writer import Receipt

FIELDS = ("key", "status", "model", "created", "role", "tag", "elapsed", "price_in", "price_out")


def write(stored: Iterable[Stored], path: Path) -> int:
    """Write calls with their usage to `path`, which appears only when it is complete; return how many."""
    count = 0
    with replacing(path) as part, _open(part, "wb", path.suffix == ".gz") as out:
        for item in stored:
            record: dict[str, object] = {name: getattr(item.call, name) for name in FIELDS}
            record["request"] = base64.b64encode(item.call.request).decode()
            record["raw"] = base64.b64encode(item.call.raw).decode()
            if item.outcome is not None:
                record["bill"] = {
                    "outcome": item.outcome,
                    "prompt_tokens": item.prompt_tokens,
                    "completion_tokens": item.completion_tokens,
                    "estimated": item.estimated,
                    "cost": item.cost,
                }
            out.write(orjson.dumps(record) + b"\n")
            count += 1
    return count


class Target(Protocol):
    """The methods of `storage.ledger.Ledger` that an import uses."""

    def get_many(self, keys: Iterable[str], *, failed: bool = False) -> dict[str, list[Stored]]: ...
    def put(self, call: Call) -> Future[Receipt]: ...
    def record_usage(self, usage: CallUsage) -> None: ...
    def flush(self) -> None: ...


def load(ledger: Target, path: Path) -> tuple[int, int]:
    """Add the calls of an export that the ledger lacks; return (number added, number that it had already).

    Raises LedgerError, with the line number, if a line is not part of a ledger export.
    """
    added = known = 0
    lines = _read(path)
    while batch := list(itertools.islice(lines, 500)):
        present = ledger.get_many((call.key for call, _ in batch), failed=True)
        new = []
        for call, usage in batch:
            if any(item.call.raw == call.raw for item in present.get(call.key, ())):
                known += 1
            else:
                new.append((ledger.put(call), usage))
        wait([future for future, _ in new])
        for future, usage in new:
            receipt = future.result()
            added += 1
            if usage is not None:
                # A usable completion that the ledger had already stays the completion of its key.
                answered = any(item.outcome == COMPLETION for item in receipt.earlier)
                outcome = DUPLICATE if answered and usage["outcome"] == COMPLETION else usage["outcome"]
                ledger.record_usage(CallUsage(**{**usage, "call_id": receipt.id, "outcome": outcome}))
    ledger.flush()
    return added, known


def _read(path: Path) -> Iterator[tuple[Call, dict[str, Any] | None]]:
    with _open(path, "rb", path.suffix == ".gz") as lines:
        for number, line in enumerate(lines, 1):
            try:
                record = orjson.loads(line)
                call = Call(
                    **{name: record[name] for name in FIELDS},
                    request=base64.b64decode(record["request"], validate=True),
                    raw=base64.b64decode(record["raw"], validate=True),
                )
                if len(bytes.fromhex(call.key)) != 32:
                    raise ValueError("key is not a sha256 in hex")
                usage = record.get("bill")
            except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
                raise LedgerError(
                    f"{path}, line {number}: not a line of a ledger export ({error}). Fix: export the ledger again"
                ) from error
            yield call, usage


def _open(path: Path, mode: str, zipped: bool) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path, mode) if zipped else open(path, mode))
