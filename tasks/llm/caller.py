"""One request against one endpoint until it is answered, has failed for good, or must wait: the
single retry layer. What to do for which fault is the table in docs/engine.md, tested in tests/chaos."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from storage.ledger import COMPLETION, Bill, Call, Ledger, LedgerError, Receipt, Stored
from tasks.llm import wire
from tasks.llm.budget import Budget
from tasks.llm.endpoint import Endpoint, EndpointError, EngineLimits
from tasks.llm.gate import Gate
from tasks.llm.lanes import Lane
from tasks.llm.request import Completion, Request, Usage
from tasks.llm.stats import Meter
from tasks.llm.transport import Response, TransportError

PATH = "/chat/completions"
REFUSED_IN_A_ROW = 20  # client errors before any success: the request itself is wrong, not one item


@dataclass(frozen=True, slots=True)
class Again:
    """Try once more after `delay` seconds; if there is no time left, end with `reason`."""

    delay: float
    reason: str


class Caller:
    """Sends, stores, reads, bills. Lives in the engine's event loop."""

    def __init__(
        self,
        endpoint: Endpoint,
        ledger: Ledger,
        limits: EngineLimits,
        gate: Gate,
        meter: Meter,
        budget: Budget | None,
    ) -> None:
        self._endpoint = endpoint
        self._ledger = ledger
        self._limits = limits
        self._gate = gate
        self._meter = meter
        self._budget = budget
        self._loop = asyncio.get_running_loop()
        self._headers = headers_of(endpoint)
        self._names = names_of(endpoint)
        self._dialect = wire.Dialect()
        self._landing: dict[int, asyncio.Future[Receipt]] = {}
        self._refused = 0
        self._jitter = random.Random()  # decides when, never what

    async def ask(self, request: Request, key: str, wanted: Callable[[], bool]) -> Completion:
        """The completion of one request, durable in the ledger if it was paid for. Raises what
        stopped the engine, or Abandoned."""
        spent, tries, bad = 0.0, 0, 0
        worst = self._worst_case(request)
        while True:
            lane = await self._gate.enter(worst, wanted, again=tries > 0)
            sent = self._loop.time()
            try:
                result = await self._attempt(
                    request, key, lane, worst, self._limits.deadline - spent, tries, bad
                )
            finally:
                self._gate.done(lane)
            if isinstance(result, Completion):
                return result
            bad += result.reason.startswith(("malformed", "quarantined", "empty"))
            spent += self._loop.time() - sent + result.delay
            tries += 1
            if spent >= self._limits.deadline:
                self._meter.failed(request.tag, result.reason)
                return Completion(key, None, None, Usage(0, 0), result.reason)
            self._meter.retried(request.tag)
            if result.delay > 0 and not self._gate.stopped.is_set():
                await self._pause(result.delay)

    async def _attempt(
        self,
        request: Request,
        key: str,
        lane: Lane,
        worst: tuple[float, int],
        left: float,
        tries: int,
        bad: int,
    ) -> Completion | Again:
        """One send. Settles the budget's hold whatever happens."""
        dialect = self._dialect
        spending = (0.0, 0, False)
        sent, started = self._loop.time(), time.time()
        try:
            response = await lane.transport.post(PATH, self._headers, wire.body(request, dialect), left)
            elapsed = self._loop.time() - sent
            if response.status == 200 or wire.terminal_reason(response.status, wire.error_of(response.body)):
                self._gate.alive(lane)
                lane.controller.succeeded(self._loop.time(), sent, busy=self._gate.crowded)
                self._refused = 0
                reading, bill, completion = await self._keep(request, key, response, started, elapsed, bad)
                spending = (bill.cost, bill.prompt_tokens + bill.completion_tokens, bill.estimated)
                if completion is not None:
                    if completion.error is not None:
                        self._meter.failed(request.tag, completion.error)
                    return completion
                return Again(self._delay(tries), f"{reading.outcome}: {reading.detail}")
            return self._refusal(request, key, lane, response, dialect, sent, tries)
        except TransportError as error:
            if error.started:
                # The endpoint had begun to answer, and will bill it.
                _, bill, _ = await self._keep(
                    request, key, Response(200, {}, b""), started, self._loop.time() - sent, bad
                )
                spending = (bill.cost, bill.prompt_tokens + bill.completion_tokens, bill.estimated)
            self._broken(lane, str(error))
            if error.timed_out:
                return Again(self._limits.deadline, f"deadline: {error}")
            return Again(self._delay(tries), f"no answer: {self._endpoint.redact(str(error))}")
        finally:
            if self._budget is not None:
                self._budget.settle(worst, spending[0], spending[1], estimated=spending[2])

    async def _keep(
        self, request: Request, key: str, response: Response, started: float, elapsed: float, bad: int
    ) -> tuple[wire.Reading, Bill, Completion | None]:
        """Make the bytes durable, then read and bill them. The completion is None if there is to be
        another try."""
        end = self._endpoint
        call = Call(
            key=key,
            request=request.canonical(end.revision),
            raw=response.body,
            status=response.status,
            model=end.model,
            created=started,
            role=end.role,
            tag=request.tag,
            elapsed=elapsed,
            price_in=end.price_in,
            price_out=end.price_out,
        )
        receipt = await self._durable(call)
        reading = wire.read(request, key, response.status, response.body, self._names)
        first = answer_among(receipt.earlier, request, key, self._names)
        last = bad >= self._limits.malformed_retries
        completion: Completion | None = None
        outcome = str(reading.outcome)
        if first is not None:
            completion = replace(first, cached=False)
            outcome = "duplicate" if reading.outcome is wire.Outcome.ANSWER else outcome
        elif reading.outcome is wire.Outcome.ANSWER:
            completion = reading.completion
        elif last:
            completion = reading.completion
            if reading.outcome is wire.Outcome.EMPTY:
                outcome = COMPLETION  # the model has nothing to say to this: paid for, and not asked again
            else:
                completion = replace(completion, text=None, error=f"{reading.outcome}: {reading.detail}")
        usage = reading.completion.usage
        cost = end.cost(usage.prompt_tokens, usage.completion_tokens)
        bill = Bill(receipt.id, outcome, usage.prompt_tokens, usage.completion_tokens, usage.estimated, cost)
        self._ledger.bill(bill)
        if outcome == COMPLETION and reading.outcome is wire.Outcome.EMPTY:
            # Only its bill says that this is the answer: a reader must not come before it.
            await self._loop.run_in_executor(None, self._ledger.flush)
        tokens = (usage.prompt_tokens, usage.completion_tokens, usage.estimated)
        self._meter.billed(request.tag, tokens, cost, elapsed)
        return reading, bill, completion

    def _refusal(
        self,
        request: Request,
        key: str,
        lane: Lane,
        response: Response,
        dialect: wire.Dialect,
        sent: float,
        tries: int,
    ) -> Completion | Again:
        """Any status but 200: unbilled."""
        end, status = self._endpoint, response.status
        error = wire.error_of(response.body)
        said = end.redact(error.message)
        now = self._loop.time()
        if status >= 500 or status in (408, 409, 425):
            self._broken(lane, f"http {status}")
            asked = wire.retry_after(response.headers, time.time()) or 0.0
            return Again(max(asked, self._delay(tries)), f"http {status}: {said}")
        self._gate.alive(lane)
        if status == 429 and not wire.is_quota(error):
            lane.controller.refused(now, sent)
            asked = wire.retry_after(response.headers, time.time()) or 0.0
            # Past what it asked for, not at it: everyone else it refused comes back then too.
            return Again(asked + self._delay(tries), f"deferred: http 429: {said}")
        if (stop := stopping(end, lane.name, status, said, error)) is not None:
            self._gate.stop(stop)
            return Again(0.0, f"http {status}")
        new = wire.adapted(dialect, status, error)
        if new is not None or self._dialect != dialect:
            if new is not None and self._dialect == dialect:
                self._dialect = new
            return Again(0.0, f"http {status}: {said}")
        self._refused += 1
        if self._refused >= REFUSED_IN_A_ROW and not self._meter.answered:
            self._gate.stop(
                EndpointError(f"{end.role} endpoint {lane.name} refuses every request: http {status}: {said}")
            )
        self._meter.failed(request.tag, f"http {status}")
        return Completion(key, None, None, Usage(0, 0), f"http {status}: {said}")

    def _broken(self, lane: Lane, why: str) -> None:
        self._gate.failed(lane, why)
        if lane.failures > 1:  # one alone is chance, and says nothing about the endpoint's state
            lane.controller.failed(self._loop.time(), self._limits.breaker_cooloff)

    async def _durable(self, call: Call) -> Receipt:
        future: asyncio.Future[Receipt] = self._loop.create_future()
        self._landing[id(call)] = future
        self._ledger.put_nowait(call, self._landed)
        return await future

    def _landed(self, receipts: list[Receipt], error: BaseException | None) -> None:
        """Runs in the ledger's writer thread, once a commit."""
        if not self._loop.is_closed():  # after a close that lost patience nobody waits any more
            self._loop.call_soon_threadsafe(self._wake, receipts, error)

    def _wake(self, receipts: list[Receipt], error: BaseException | None) -> None:
        failure = LedgerError(f"a paid answer could not be stored: {error}") if error is not None else None
        if failure is not None:
            self._gate.stop(failure)
        for receipt in receipts:
            future = self._landing.pop(id(receipt.call))
            if future.done():  # cancelled by a close that lost patience
                continue
            if failure is not None:
                future.set_exception(failure)
            else:
                future.set_result(receipt)

    async def _pause(self, delay: float) -> None:
        """Sleep, unless the engine is stopped meanwhile."""
        try:
            await asyncio.wait_for(self._gate.stopped.wait(), delay)
        except TimeoutError:
            return

    def _delay(self, tries: int) -> float:
        """Full jitter: anything up to a cap that doubles with each try."""
        return self._jitter.uniform(
            0.0, min(self._limits.backoff_cap, self._limits.backoff * 2.0 ** min(tries, 20))
        )

    def _worst_case(self, request: Request) -> tuple[float, int]:
        if self._budget is None:
            return 0.0, 0
        prompt = wire.estimate_prompt(request)
        return self._endpoint.cost(prompt, request.max_tokens), prompt + request.max_tokens


def headers_of(endpoint: Endpoint) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "Accept": "application/json", **endpoint.headers}
    if endpoint.api_key is not None and endpoint.api_key.get_secret_value():
        headers["Authorization"] = f"Bearer {endpoint.api_key.get_secret_value()}"
    return headers


def names_of(endpoint: Endpoint) -> tuple[str, ...]:
    """The model names that an answer of this endpoint may carry."""
    return (endpoint.model.removeprefix("vllm:"), *endpoint.accept_models)


def answer_among(
    stored: tuple[Stored, ...] | list[Stored], request: Request, key: str, names: tuple[str, ...]
) -> Completion | None:
    """The answer to a key: the first durable call that is one. Every process finds the same."""
    for item in stored:
        if item.outcome not in (None, COMPLETION):
            continue
        reading = wire.read(
            request, key, item.call.status, item.call.raw, names if item.outcome is None else ()
        )
        if item.outcome == COMPLETION or reading.outcome is wire.Outcome.ANSWER:
            return replace(reading.completion, cached=True)
    return None


def stopping(end: Endpoint, host: str, status: int, said: str, error: wire.WireError) -> EndpointError | None:
    """The error that stops the run for statuses that no retry can mend."""
    where = f"{end.role} endpoint {host}: http {status}"
    if status == 429:
        return EndpointError(
            f"{where}: quota used up ({said}): raise it with the provider, or mend {end.setting('API_KEY')}"
        )
    if status == 402:
        return EndpointError(
            f"{where}: payment required ({said}): top up the account of {end.setting('API_KEY')}"
        )
    if status in (401, 403):
        return EndpointError(
            f"{where}: not allowed ({said}): set {end.setting('API_KEY')} to a key that may use {end.model}"
        )
    if status == 404:
        return EndpointError(
            f"{where}: no such model or path ({said}): mend {end.setting('MODEL')} ({end.model}) or {end.setting('BASE_URL')}"
        )
    if 300 <= status < 400 or status == 405:
        return EndpointError(
            f"{where}: not a chat-completions address: mend {end.setting('BASE_URL')} (it usually ends in /v1)"
        )
    return None
