"""Seals of the ledger's records: a checksum in each record, so that a flipped bit is reported and never read as an answer.

The seal of a call has two halves, one over the request and one over everything else, since the request is not read when a
completion is looked up. Both are over the bytes as they are stored. A record that was written before version 3 has no seal;
it can still be read, and `mathmill maintain` seals it.

A missing record leaves a gap in the ids, which count from 1. Missing newest records are detected by the note TOP, the id of
the newest call that was ever stored. It is written in the transaction that stores the call, so that no kill separates the
two, and new calls are numbered after it.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from typing import Any

HALF = 16  # bytes of a BLAKE2b digest
TOP = "top"  # name of the note in the table `ledger_meta`

_CALL = (
    "id",
    "key",
    "created",
    "role",
    "model",
    "tag",
    "run",
    "status",
    "elapsed",
    "price_in",
    "price_out",
    "raw",
)
_USAGE = ("call_id", "outcome", "prompt_tokens", "completion_tokens", "estimated", "cost")
_REAL = {"created", "elapsed", "price_in", "price_out", "cost"}


def of_call(values: Mapping[str, Any]) -> bytes:
    """Return the 32 bytes that seal a call, given its columns as they are stored."""
    return call_half(values) + request_half(values["request"])


def call_half(values: Mapping[str, Any]) -> bytes:
    """Return the half of a seal that covers everything but the request."""
    return _digest(values, _CALL)


def request_half(request: bytes) -> bytes:
    """Return the half of a seal that covers the request."""
    return hashlib.blake2b(request, digest_size=HALF).digest()


def of_usage(values: Mapping[str, Any]) -> bytes:
    """Return the 16 bytes that seal the usage of a call."""
    return _digest(values, _USAGE)


def of_top(top: int) -> str:
    """Return the value of the note TOP, with a checksum."""
    return f"{top} {hashlib.blake2b(str(top).encode(), digest_size=8).hexdigest()}"


def top_of(value: str | None) -> int:
    """Return the id of the newest call that a note TOP names, 0 if there is no note. Raises ValueError if it was altered."""
    if value is None:
        return 0
    number = value.partition(" ")[0]
    if not number.isdecimal() or of_top(int(number)) != value:
        raise ValueError("the note of the newest call was altered")
    return int(number)


def _digest(values: Mapping[str, Any], names: tuple[str, ...]) -> bytes:
    digest = hashlib.blake2b(digest_size=HALF)
    for name in names:
        value = values[name]
        # the type is sealed too: SQLite stores it with each value, and text that became a blob equals no text
        if isinstance(value, str):
            data = b"t" + value.encode("utf-8", "surrogatepass")
        elif isinstance(value, bytes | memoryview):
            data = b"b" + bytes(value)
        elif name in _REAL:
            data = struct.pack(">d", value)
        else:
            data = struct.pack(">q", int(value))
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.digest()
