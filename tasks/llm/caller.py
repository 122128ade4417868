"""One request against one endpoint until it is answered, has failed for good, or must wait: the
single retry layer. Every fault and what is done about it is tested in tests/chaos/test_faults.py."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass

from storage.ledger import Ledger
from tasks.llm import wire
from tasks.llm.booking import Booker, Pending
from tasks.llm.budget import Budget
from tasks.llm.endpoint import Endpoint, EndpointError, EngineLimits
from tasks.llm.gate import Gate, Permit
from tasks.llm.request import Completion, Usage
from tasks.llm.stats import Meter
from tasks.llm.transport import Response, TransportError

PATH = "/chat/completions"
REFUSED_IN_A_ROW = 20  # client errors before any success: the request itself is wrong, not one item


@dataclass(frozen=True, slots=True)
class Again:
    """Try once more after `delay` seconds; if there is no time left, end with `reason`."""

    delay: float
    reason: str
    unreadable: bool = False


@dataclass(slots=True)
class Effort:
    """What was spent on one request so far: seconds of its deadline, tries, answers that could not be read.
    `worst` is what one more send may cost, in USD and tokens."""

    entry: Pending
    worst: tuple[float, int]
    spent: float = 0.0
    tries: int = 0
    unreadable: int = 0


class Caller:
    """Sends and decides. Lives in the engine's event loop."""

    def __init__(
        self,
        endpoint: Endpoint,
        ledger: Ledger,
        limits: EngineLimits,
        gate: Gate,
        meter: Meter,
        budget: Budget | None,
        run: str,
    ) -> None:
        self._endpoint = endpoint
        self._limits = limits
        self._gate = gate
        self._meter = meter
        self._budget = budget
        self._booker = Booker(endpoint, ledger, meter, run, gate.stop)
        self._loop = asyncio.get_running_loop()
        self._headers = endpoint.request_headers()
        self._dialect = wire.Dialect()
        self._refused = 0
        self._jitter = random.Random()  # decides when, never what

    async def ask(self, entry: Pending) -> Completion:
        """The completion of one request, durable in the ledger if it was paid for. Raises what
        stopped the engine, or Abandoned."""
        effort = Effort(entry, self._worst_case(entry))
        while True:
            permit = await self._gate.enter(effort.worst, entry.wanted, again=effort.tries > 0)
            sent = self._loop.time()
            try:
                result = await self._attempt(effort, permit)
            finally:
                self._gate.done(permit)
            if isinstance(result, Again):
                effort.unreadable += result.unreadable
                effort.spent += self._loop.time() - sent + result.delay
                effort.tries += 1
                if effort.spent < self._limits.deadline:
                    self._meter.retried(entry.request.tag)
                    await self._pause(result.delay)
                    continue
                reason = f"deferred: {result.reason}"
                result = Completion(entry.key, None, None, Usage(0, 0), reason)
            if result.error is not None:
                self._meter.failed(entry.request.tag, result.error)
            return result

    async def _attempt(self, effort: Effort, permit: Permit) -> Completion | Again:
        """One send. What it cost is noted in the permit."""
        lane, entry, dialect = permit.lane, effort.entry, self._dialect
        left = self._limits.deadline - effort.spent
        last = effort.unreadable >= self._limits.malformed_retries
        sent, started = self._loop.time(), time.time()
        try:
            response = await lane.transport.post(PATH, self._headers, wire.body(entry.request, dialect), left)
            elapsed = self._loop.time() - sent
            if not wire.is_answer(response.status, response.body):
                return self._refusal(effort, permit, response, dialect, sent)
            self._gate.alive(permit)
            lane.controller.succeeded(self._loop.time(), sent, len(response.body), busy=self._gate.crowded)
            self._refused = 0
            booked = await self._booker.keep(
                entry, response.status, response.body, started, elapsed, last=last
            )
            permit.bill = booked.bill
            if booked.completion is not None:
                return booked.completion
            reading = booked.reading
            return Again(self._delay(effort), f"{reading.outcome}: {reading.detail}", unreadable=True)
        except EndpointError as error:
            self._gate.stop(error)
            return Again(0.0, str(error))
        except TransportError as error:
            if error.started:
                # The endpoint had begun to answer, and will bill it.
                elapsed = self._loop.time() - sent
                permit.bill = (await self._booker.keep(entry, 200, b"", started, elapsed, last=False)).bill
            self._broken(permit, str(error))
            if error.timed_out:
                return Again(self._limits.deadline, f"deadline: {error}")
            return Again(self._delay(effort), f"no answer: {self._endpoint.redact(str(error))}")

    def _refusal(
        self, effort: Effort, permit: Permit, response: Response, dialect: wire.Dialect, sent: float
    ) -> Completion | Again:
        """Any status but 200: unbilled."""
        end, status, lane = self._endpoint, response.status, permit.lane
        error = wire.error_of(response.body)
        said = f"http {status}: {end.redact(error.message)}"
        asked = wire.retry_after(response.headers, time.time()) or 0.0
        if status >= 500 or status in (408, 409, 425):
            self._broken(permit, f"http {status}")
            return Again(max(asked, self._delay(effort)), said)
        self._gate.alive(permit)
        if status == 429 and not wire.is_quota(error):
            lane.controller.refused(self._loop.time(), sent)
            # Past what it asked for, not at it: everyone else it refused comes back then too.
            return Again(asked + self._delay(effort), said)
        if (stop := end.stopped_by(lane.name, status, said)) is not None:
            self._gate.stop(stop)
            return Again(0.0, said)
        new = wire.adapted(dialect, status, error)
        if new is not None and self._dialect == dialect:
            self._dialect = new
        if self._dialect != dialect:
            return Again(0.0, said)
        self._refused += 1
        if self._refused >= REFUSED_IN_A_ROW and not self._meter.answered:
            self._gate.stop(EndpointError(f"{end.role} endpoint {lane.name} refuses every request: {said}"))
        return Completion(effort.entry.key, None, None, Usage(0, 0), said)

    def _broken(self, permit: Permit, why: str) -> None:
        self._gate.failed(permit, why)
        # One alone is chance, and says nothing about the endpoint's state.
        if permit.lane.breaker.failures > 1:
            permit.lane.controller.failed(self._loop.time(), self._limits.breaker_cooloff)

    async def _pause(self, delay: float) -> None:
        """Sleep, unless the engine is stopped meanwhile."""
        if delay <= 0 or self._gate.stopped.is_set():
            return
        try:
            await asyncio.wait_for(self._gate.stopped.wait(), delay)
        except TimeoutError:
            return

    def _delay(self, effort: Effort) -> float:
        """Full jitter: anything up to a cap that doubles with each try."""
        longest = min(self._limits.backoff_cap, self._limits.backoff * 2.0 ** min(effort.tries, 20))
        return self._jitter.uniform(0.0, longest)

    def _worst_case(self, entry: Pending) -> tuple[float, int]:
        if self._budget is None:
            return 0.0, 0
        prompt, most = wire.estimate_prompt(entry.request), entry.request.max_tokens
        return self._endpoint.cost(prompt, most), prompt + most
