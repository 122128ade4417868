"""Carrying a ledger elsewhere: JSON lines, one call a line, the bytes as base64."""

from __future__ import annotations

import base64
import binascii
import gzip
import itertools
from collections.abc import Iterable, Iterator
from concurrent.futures import wait
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import orjson

from storage.ledger.schema import COMPLETION, DUPLICATE, Bill, Call, LedgerError, Stored

if TYPE_CHECKING:
    from storage.ledger import Ledger

FIELDS = ("key", "status", "model", "created", "role", "tag", "elapsed", "price_in", "price_out")


def write(stored: Iterable[Stored], path: Path) -> int:
    """Calls with their bills to `path`, which appears only when complete; returns how many."""
    part = path.with_name(path.name + ".part")
    count = 0
    with _open(part, "wb", path.suffix == ".gz") as out:
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
    part.replace(path)
    return count


def take(ledger: Ledger, path: Path) -> tuple[int, int]:
    """Put the calls of an export that this ledger has not; returns (taken, already here)."""
    taken = known = 0
    lines = _read(path)
    while batch := list(itertools.islice(lines, 500)):
        have = ledger.get_many((call.key for call, _ in batch), failed=True)
        new = []
        for call, bill in batch:
            if any(item.call.raw == call.raw for item in have.get(call.key, ())):
                known += 1
            else:
                new.append((ledger.put(call), bill))
        wait([future for future, _ in new])
        for future, bill in new:
            receipt = future.result()
            taken += 1
            if bill is not None:
                # Of two answers to one key the one that was here first stays the answer; what could not be used is none.
                answered = any(item.outcome == COMPLETION for item in receipt.earlier)
                outcome = DUPLICATE if answered and bill["outcome"] == COMPLETION else bill["outcome"]
                ledger.bill(Bill(**{**bill, "call_id": receipt.id, "outcome": outcome}))
    ledger.flush()
    return taken, known


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
                bill = record.get("bill")
            except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
                raise LedgerError(
                    f"{path}, line {number}: not a line of a ledger export ({error})"
                ) from error
            yield call, bill


def _open(path: Path, mode: str, zipped: bool) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path, mode) if zipped else open(path, mode))
