"""Records answers: each is stored in the ledger first, then read, and then its usage is recorded.

The order is the same whatever the answer contains, so that a kill loses no answer that was paid for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from storage.ledger import COMPLETION, DUPLICATE, Call, CallUsage, Ledger, LedgerError, Receipt, Stored
from tasks.llm import providers, wire
from tasks.llm.endpoint import Endpoint
from tasks.llm.prices import TokenPrices, of_stored_call
from tasks.llm.request import Completion, Failure, Request, request_of
from tasks.llm.stats import Meter


class Pending(Protocol):
    """A call to send: the request with its key and canonical form, the number of unusable answers that earlier runs
    have paid for, and whether anything still waits for it."""

    key: str
    canonical: bytes
    request: Request
    unusable: int

    def has_waiters(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Recorded:
    """A paid answer in the ledger. `completion` is None if the answer cannot be used and is to be retried."""

    reading: wire.Reading
    charge: CallUsage
    completion: Completion | None


class Recorder:
    """Records answers in the ledger. Used only in the engine's event loop; `fail` is called if an answer cannot be stored."""

    def __init__(
        self, endpoint: Endpoint, ledger: Ledger, meter: Meter, run: str, fail: Callable[[Exception], None]
    ) -> None:
        self._run = run
        self._endpoint = endpoint
        self._redactor = endpoint.redactor
        self._price = endpoint.price
        self._ledger = ledger
        self._meter = meter
        self._fail = fail
        self._loop = asyncio.get_running_loop()
        self._landing: dict[int, asyncio.Future[Receipt]] = {}

    async def keep(
        self, entry: Pending, status: int, raw: bytes, started: float, elapsed: float, *, last: bool
    ) -> Recorded:
        """Store an answer, read it and record its usage.

        `started` is in Unix seconds, `elapsed` in seconds; `last` says that there will be no further retry.
        Raises LedgerError if the answer cannot be stored.
        """
        end, request = self._endpoint, entry.request
        # Secrets are removed before anything is stored: a gateway may echo the headers, and so the key, in its answer.
        plain = 200 <= status < 300 and providers.ordinary(raw)
        raw = self._redactor.answer(raw) if plain else self._redactor.error(raw)
        call = Call(
            key=entry.key,
            request=entry.canonical,
            raw=raw,
            status=status,
            model=end.model,
            created=started,
            role=end.role,
            tag=request.tag,
            run=self._run,
            elapsed=elapsed,
            price_in=self._price.prompt,
            price_out=self._price.completion,
        )
        receipt = await self._durable(call)
        reading = wire.read(request, entry.key, status, raw, end.names)
        outcome, completion = judged(
            reading, first_answer(receipt.earlier, request, entry.key, end.names, self._price), last
        )
        usage = reading.completion.usage
        cost = self._price.cost(usage)
        charge = CallUsage(
            receipt.id, outcome, usage.prompt_tokens, usage.completion_tokens, usage.estimated, cost
        )
        self._ledger.record_usage(charge)
        if outcome == COMPLETION and reading.outcome is wire.CallOutcome.EMPTY:
            # Only the usage record says that this empty text is the answer: no reader may come before it.
            await self._loop.run_in_executor(None, self._ledger.flush)
        self._meter.billed(request.tag, usage, cost, elapsed)
        if completion is not None and outcome != DUPLICATE:
            completion = replace(completion, cost=cost)
        return Recorded(reading, charge, completion)

    async def _durable(self, call: Call) -> Receipt:
        future: asyncio.Future[Receipt] = self._loop.create_future()
        self._landing[id(call)] = future
        self._ledger.put_nowait(call, self._landed)
        return await future

    def _landed(self, receipts: list[Receipt], error: LedgerError | None) -> None:
        """Runs in the ledger's writer thread, once per commit."""
        if not self._loop.is_closed():  # after a close that timed out nothing waits any more
            self._loop.call_soon_threadsafe(self._wake, receipts, error)

    def _wake(self, receipts: list[Receipt], error: LedgerError | None) -> None:
        if error is not None:
            self._fail(error)
        for receipt in receipts:
            future = self._landing.pop(id(receipt.call))
            if future.done():  # cancelled by a close that timed out
                continue
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(receipt)


def judged(reading: wire.Reading, first: Completion | None, last: bool) -> tuple[str, Completion | None]:
    """Return the ledger's outcome for a new answer, and the completion to return to the caller.

    `first` is the answer that was stored before it, if any. `last` says that there will be no further retry.
    """
    outcome = str(reading.outcome)
    if first is not None:
        return (DUPLICATE if reading.outcome is wire.CallOutcome.ANSWER else outcome), replace(
            first, cached=False
        )
    if reading.outcome is wire.CallOutcome.ANSWER:
        return outcome, reading.completion
    if not last:
        return outcome, None
    if reading.outcome is wire.CallOutcome.EMPTY:
        return COMPLETION, reading.completion  # the model gives no text: paid for, and not requested again
    return outcome, unusable(reading)


def unusable(reading: wire.Reading) -> Completion:
    """Return the failed completion for an answer that cannot be used and is not retried."""
    kind = Failure(str(reading.outcome))
    error = f"{kind}: {reading.detail}"
    return replace(reading.completion, text=None, error=error, kind=kind, detail=reading.detail)


def unusable_before(
    stored: Sequence[Stored], request: Request, key: str, names: Sequence[str]
) -> list[wire.Reading]:
    """Return the stored answers to a key that were paid for and cannot be used. They count as retries in every later
    run. A call that broke off without a byte is not among them."""
    readings = [
        wire.read(request, key, item.call.status, item.call.raw, () if item.outcome == COMPLETION else names)
        for item in stored
        if item.outcome != DUPLICATE and item.call.raw
    ]
    return [reading for reading in readings if reading.outcome is not wire.CallOutcome.ANSWER]


def given_up(
    stored: Sequence[Stored], request: Request, key: str, names: Sequence[str], retries: int
) -> Completion | None:
    """Return the last unusable answer to a key if more than `retries` of them were paid for; such a key is not sent again."""
    readings = unusable_before(stored, request, key, names)
    return replace(unusable(readings[-1]), cached=True) if len(readings) > retries else None


def first_answer(
    stored: Sequence[Stored],
    request: Request,
    key: str,
    names: Sequence[str],
    price: TokenPrices | None = None,
) -> Completion | None:
    """Return the answer to a key: the first stored call that can be used, which is the same for every process. `price` is
    that of the endpoint, for a call whose usage is not recorded yet.

    Calls that were unusable when they came are read again, because a newer parser or a further name in `accept_models`
    may make them usable.
    """
    for item in stored:
        if item.outcome == DUPLICATE:
            continue
        accepted = () if item.outcome == COMPLETION else names
        reading = wire.read(request, key, item.call.status, item.call.raw, accepted)
        empty = item.outcome == COMPLETION and reading.outcome is wire.CallOutcome.EMPTY
        if empty or reading.outcome is wire.CallOutcome.ANSWER:
            call, usage = item.call, reading.completion.usage
            paid = (
                item.cost
                if item.outcome is not None
                else of_stored_call(call.model, call.price_in, call.price_out, price).cost(usage)
            )
            return replace(reading.completion, cached=True, cost=paid)
    return None


def record_unread_usage(ledger: Ledger, endpoint: Endpoint | None = None, older_than: float = 60.0) -> int:
    """Record the usage of calls that a killed process had stored but not read, and return how many there were.

    Only calls older than `older_than` seconds are read. Those of the model of `endpoint` have its names and prices;
    answers of other models are accepted under any name.
    """

    def read(stored: Stored) -> CallUsage:
        if endpoint is None or endpoint.model != stored.call.model:
            return usage_of(stored)
        return usage_of(stored, endpoint.names, endpoint.price)

    return ledger.record_missing_usage(read, older_than)


def usage_of(stored: Stored, names: Sequence[str] = (), price: TokenPrices | None = None) -> CallUsage:
    """Read the outcome, tokens and cost (USD) of a stored call. `names` are the accepted model names; empty accepts any.
    `price` is that of the endpoint, if it is known."""
    call = stored.call
    reading = wire.read(request_of(call.request), call.key, call.status, call.raw, names)
    usage = reading.completion.usage
    cost = of_stored_call(call.model, call.price_in, call.price_out, price).cost(usage)
    tokens = (usage.prompt_tokens, usage.completion_tokens)
    return CallUsage(stored.id, str(reading.outcome), *tokens, usage.estimated, cost)
