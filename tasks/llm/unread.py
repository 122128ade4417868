"""Billing what a killed process had stored but not read any more."""

from __future__ import annotations

import orjson

from storage.ledger import CallUsage, Ledger, Stored
from tasks.llm import wire
from tasks.llm.request import Request


def settle(ledger: Ledger, names: dict[str, tuple[str, ...]] | None = None, older_than: float = 60.0) -> int:
    """Bill every call left unbilled for `older_than` seconds; returns how many. `names`: by model asked
    for, the model names that its answers may carry; other models' answers are taken as they are."""
    return ledger.record_missing_usage(
        lambda stored: bill_of(stored, (names or {}).get(stored.call.model, ())), older_than
    )


def bill_of(stored: Stored, names: tuple[str, ...] = ()) -> CallUsage:
    call = stored.call
    request = request_of(call.request)
    reading = wire.read(request, call.key, call.status, call.raw, names)
    usage = reading.completion.usage
    cost = (usage.prompt_tokens * call.price_in + usage.completion_tokens * call.price_out) / 1e6
    tokens = (usage.prompt_tokens, usage.completion_tokens)
    return CallUsage(stored.id, str(reading.outcome), *tokens, usage.estimated, cost)


def request_of(canonical: bytes) -> Request:
    """The request that a ledger stores in canonical form. ValueError if it is not one."""
    fields = orjson.loads(canonical)
    fields.pop("revision", None)
    return Request(**fields)
