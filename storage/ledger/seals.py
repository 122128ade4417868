"""Seals of the ledger's records: a checksum in each, so that a bit that flipped is named and never an answer.

A call's seal has two halves, over everything but the request and over the request, since the request is
not read when an answer is looked up. Both are over the bytes as they are stored. A record written before
version 3 has no seal: it is read on, and `mathmill maintain` seals it.

A record that is gone leaves a gap in the ids, which count from 1. That the newest ones are gone shows in the note TOP,
the id of the newest call that was ever stored: it is written in the transaction that stores the call, so that no kill
comes between the two, and new calls are numbered after it.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from typing import Any

HALF = 16  # bytes of a BLAKE2b digest
TOP = "top"  # name of the note in the ledger's table of notes

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
_BILL = ("call_id", "outcome", "prompt_tokens", "completion_tokens", "estimated", "cost")
_REAL = {"created", "elapsed", "price_in", "price_out", "cost"}


def of_call(values: Mapping[str, Any]) -> bytes:
    """The 32 bytes that seal a call, given its columns as they are stored."""
    return call_half(values) + request_half(values["request"])


def call_half(values: Mapping[str, Any]) -> bytes:
    return _digest(values, _CALL)


def request_half(request: bytes) -> bytes:
    return hashlib.blake2b(request, digest_size=HALF).digest()


def of_bill(values: Mapping[str, Any]) -> bytes:
    """The 16 bytes that seal a bill."""
    return _digest(values, _BILL)


def of_top(top: int) -> str:
    """The value of the note TOP, with a checksum."""
    return f"{top} {hashlib.blake2b(str(top).encode(), digest_size=8).hexdigest()}"


def top_of(value: str | None) -> int:
    """The id of the newest call that a note TOP names; 0 where there is no note, ValueError if it was altered."""
    if value is None:
        return 0
    number = value.partition(" ")[0]
    if not number.isdecimal() or of_top(int(number)) != value:
        raise ValueError("the note of the newest call was altered")
    return int(number)


def _digest(values: Mapping[str, Any], names: tuple[str, ...]) -> bytes:
    found = hashlib.blake2b(digest_size=HALF)
    for name in names:
        value = values[name]
        # the kind is sealed too: SQLite keeps it with each value, and text that became a blob equals no text
        if isinstance(value, str):
            data = b"t" + value.encode("utf-8", "surrogatepass")
        elif isinstance(value, bytes | memoryview):
            data = b"b" + bytes(value)
        elif name in _REAL:
            data = struct.pack(">d", value)
        else:
            data = struct.pack(">q", int(value))
        found.update(len(data).to_bytes(8, "big"))
        found.update(data)
    return found.digest()
