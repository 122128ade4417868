"""Making an answer durable, then reading it, then billing it: in this order, whatever it holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from storage.ledger import COMPLETION, DUPLICATE, Call, CallUsage, Ledger, LedgerError, Receipt, Stored
from tasks.llm import wire
from tasks.llm.endpoint import Endpoint
from tasks.llm.request import Completion, Failure, Request
from tasks.llm.stats import Meter


class Pending(Protocol):
    """A call to make: the request, its key and its canonical form, how many unusable answers to it earlier runs have
    paid for, and whether anybody still waits."""

    key: str
    canonical: bytes
    request: Request
    unusable: int

    def wanted(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Booked:
    """A paid answer in the ledger. `completion` is None where it is no answer and there is to be another try."""

    reading: wire.Reading
    bill: CallUsage
    completion: Completion | None


class Booker:
    """Lives in the engine's event loop; `fail` is told if an answer cannot be stored."""

    def __init__(
        self, endpoint: Endpoint, ledger: Ledger, meter: Meter, run: str, fail: Callable[[Exception], None]
    ) -> None:
        self._run = run
        self._endpoint = endpoint
        self._redactor = endpoint.redactor
        self._ledger = ledger
        self._meter = meter
        self._fail = fail
        self._loop = asyncio.get_running_loop()
        self._landing: dict[int, asyncio.Future[Receipt]] = {}

    async def keep(
        self, entry: Pending, status: int, raw: bytes, started: float, elapsed: float, *, last: bool
    ) -> Booked:
        """`started` in Unix seconds, `elapsed` in seconds; `last`: there will be no further try."""
        end, request = self._endpoint, entry.request
        # Before anything is durable: a gateway may echo the headers, and so the key, in what it answers.
        plain = 200 <= status < 300 and b'"choices"' in raw and b'"error"' not in raw
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
            price_in=end.price_in,
            price_out=end.price_out,
        )
        receipt = await self._durable(call)
        reading = wire.read(request, entry.key, status, raw, end.names)
        outcome, completion = judged(
            reading, first_answer(receipt.earlier, request, entry.key, end.names), last
        )
        usage = reading.completion.usage
        cost = end.cost(usage.prompt_tokens, usage.completion_tokens)
        bill = CallUsage(
            receipt.id, outcome, usage.prompt_tokens, usage.completion_tokens, usage.estimated, cost
        )
        self._ledger.record_usage(bill)
        if outcome == COMPLETION and reading.outcome is wire.Outcome.EMPTY:
            # Only its bill says that this is the answer: a reader must not come before it.
            await self._loop.run_in_executor(None, self._ledger.flush)
        self._meter.billed(request.tag, usage, cost, elapsed)
        if completion is not None and outcome != DUPLICATE:
            completion = replace(completion, cost=cost)
        return Booked(reading, bill, completion)

    async def _durable(self, call: Call) -> Receipt:
        future: asyncio.Future[Receipt] = self._loop.create_future()
        self._landing[id(call)] = future
        self._ledger.put_nowait(call, self._landed)
        return await future

    def _landed(self, receipts: list[Receipt], error: LedgerError | None) -> None:
        """Runs in the ledger's writer thread, once a commit."""
        if not self._loop.is_closed():  # after a close that lost patience nobody waits any more
            self._loop.call_soon_threadsafe(self._wake, receipts, error)

    def _wake(self, receipts: list[Receipt], error: LedgerError | None) -> None:
        if error is not None:
            self._fail(error)
        for receipt in receipts:
            future = self._landing.pop(id(receipt.call))
            if future.done():  # cancelled by a close that lost patience
                continue
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(receipt)


def judged(reading: wire.Reading, first: Completion | None, last: bool) -> tuple[str, Completion | None]:
    """The ledger's outcome for a new answer, and the completion to hand out; `first` is the answer that
    was durable before it."""
    outcome = str(reading.outcome)
    if first is not None:
        return (DUPLICATE if reading.outcome is wire.Outcome.ANSWER else outcome), replace(
            first, cached=False
        )
    if reading.outcome is wire.Outcome.ANSWER:
        return outcome, reading.completion
    if not last:
        return outcome, None
    if reading.outcome is wire.Outcome.EMPTY:
        return COMPLETION, reading.completion  # the model has nothing to say: paid for, and not asked again
    return outcome, unusable(reading)


def unusable(reading: wire.Reading) -> Completion:
    """What is handed out for an answer that cannot be used and is not asked for again."""
    kind = Failure(str(reading.outcome))
    error = f"{kind}: {reading.detail}"
    return replace(reading.completion, text=None, error=error, kind=kind, detail=reading.detail)


def unusable_before(
    stored: Sequence[Stored], request: Request, key: str, names: Sequence[str]
) -> list[wire.Reading]:
    """The stored answers to a key that were paid for and cannot be used: tries that count in every later run. A call
    that broke off without a byte is no such answer."""
    readings = [
        wire.read(request, key, item.call.status, item.call.raw, () if item.outcome == COMPLETION else names)
        for item in stored
        if item.outcome != DUPLICATE and item.call.raw
    ]
    return [reading for reading in readings if reading.outcome is not wire.Outcome.ANSWER]


def first_answer(
    stored: Sequence[Stored], request: Request, key: str, names: Sequence[str]
) -> Completion | None:
    """The answer to a key: the first durable call that is one. Every process finds the same. What was unusable when it
    came is read again: a parser that has learnt more, or one more name in `accept_models`, makes it an answer."""
    for item in stored:
        if item.outcome == DUPLICATE:
            continue
        accepted = () if item.outcome == COMPLETION else names
        reading = wire.read(request, key, item.call.status, item.call.raw, accepted)
        empty = item.outcome == COMPLETION and reading.outcome is wire.Outcome.EMPTY
        if empty or reading.outcome is wire.Outcome.ANSWER:
            call, usage = item.call, reading.completion.usage
            cost = (usage.prompt_tokens * call.price_in + usage.completion_tokens * call.price_out) / 1e6
            return replace(
                reading.completion, cached=True, cost=item.cost if item.outcome is not None else cost
            )
    return None
