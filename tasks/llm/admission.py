"""Admission control decides when the next call may be sent, given load, circuit breakers and budget.

All of it runs in the engine's event loop; times are seconds of that loop's clock. Until admission is stopped, two
invariants hold, which tests/tasks/llm/test_admission_model.py checks over random orders of events:

- an open breaker has exactly one health check task, and a half-open one has a trial that is due or in flight;
- while calls wait in the queue, an event will follow that may admit one: the end of a call in flight, of a health check, or the
  next poll of the budget.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from storage.counting import counted
from storage.ledger import CallUsage
from tasks.llm import providers
from tasks.llm.breaker import BreakerState, Pass
from tasks.llm.budget import Budget, BudgetExceeded
from tasks.llm.endpoint import Endpoint, EndpointError
from tasks.llm.endpoint_pool import Address, least_loaded
from tasks.llm.stats import Meter
from tasks.llm.transport import TransportError

HEALTH_TIMEOUT = 10.0
FIRST_PATIENCE = 120.0  # seconds for an endpoint that never answered: its address is probably wrong
BUDGET_POLL = 0.05  # seconds; calls of another engine may free budget without notifying this one


class Abandoned(Exception):
    """The call was not sent, because no run waits for it any more."""


@dataclass(slots=True, eq=False)
class Permit:
    """An admitted call, from `AdmissionControl.enter` to `AdmissionControl.done`.

    `reserved` is what the budget holds for it, in USD and tokens; `charge` is what it cost, None while that is nothing.
    """

    address: Address
    breaker_pass: Pass
    reserved: tuple[float, int]
    charge: CallUsage | None = field(default=None)


@dataclass(slots=True, eq=False)
class Ticket:
    """A call that waits to be sent. `cost` is its worst case in USD and tokens."""

    future: asyncio.Future[Permit]
    cost: tuple[float, int]
    has_waiters: Callable[[], bool]


class AdmissionControl:
    """The queue in front of an endpoint pool: `enter` waits for a permit and `done` returns it."""

    def __init__(
        self,
        endpoint: Endpoint,
        addresses: list[Address],
        meter: Meter,
        headers: Mapping[str, str],
        *,
        budget: Budget | None,
        unreachable_after: float,
    ) -> None:
        self.addresses = addresses
        self.stopped = asyncio.Event()
        self.fatal: Exception | None = None
        self._endpoint = endpoint
        self._meter = meter
        self._headers = headers
        self._models = providers.wire_format(endpoint.api).MODELS
        self._budget = budget
        self._patience = unreachable_after
        self._first_patience = max(FIRST_PATIENCE, endpoint.wait_ready)
        self._queue: deque[Ticket] = deque()
        self._in_flight = 0
        self._alive_at: float | None = None  # the last answer to a call
        self._failing_since: float | None = None
        self._health_checks: dict[Address, asyncio.Task[None]] = {}  # of each breaker's latest opening
        self._tasks: set[asyncio.Task[None]] = set()
        self._poll: asyncio.TimerHandle | None = None

    @property
    def crowded(self) -> bool:
        """Whether calls wait that could be sent if the concurrency limit were higher."""
        return bool(self._queue)

    async def enter(
        self, cost: tuple[float, int], has_waiters: Callable[[], bool], *, is_retry: bool
    ) -> Permit:
        """Wait for the permit to send a call.

        Retries (`is_retry`) go before new calls, because their deadline is running. Raises Abandoned if `has_waiters`
        is false when the call's turn comes, and the error that stopped the engine once no call is in flight any more.
        """
        ticket = Ticket(asyncio.get_running_loop().create_future(), cost, has_waiters)
        if is_retry:
            self._queue.appendleft(ticket)
        else:
            self._queue.append(ticket)
        self.pump()
        try:
            return await ticket.future
        except asyncio.CancelledError:
            future = ticket.future
            if future.done() and not future.cancelled() and future.exception() is None:
                self.done(
                    future.result()
                )  # admitted and cancelled in the same turn of the loop: it was not sent
            raise

    def pump(self) -> None:
        """Admit the calls at the head of the queue that may be sent now."""
        if self.fatal is not None:
            self._fail_waiting()
            return
        while self._queue:
            ticket = self._queue[0]
            if ticket.future.done():  # its caller was cancelled
                self._queue.popleft()
                continue
            address = least_loaded(self.addresses)
            if address is None:
                return
            if not ticket.has_waiters():
                self._queue.popleft()
                ticket.future.set_exception(Abandoned())
                continue
            try:
                if self._budget is not None and not self._budget.reserve(*ticket.cost):
                    self._pump_later()
                    return
            except BudgetExceeded as exceeded:
                self.stop(exceeded)
                return
            self._queue.popleft()
            permit = Permit(address, address.breaker.take(), ticket.cost)
            address.in_flight += 1
            self._in_flight += 1
            self._meter.moved()
            if self._in_flight == 1:
                self._meter.busy(1)
            ticket.future.set_result(permit)

    def done(self, permit: Permit) -> None:
        """Return the permit of a call that is over: stored with its usage, failed, or never sent.

        Until then the call counts as in flight, so that a kill never costs more than the calls in flight, however
        slow the disk is.
        """
        if self._budget is not None:
            self._budget.release(permit.reserved, permit.charge)
        permit.address.breaker.ended(permit.breaker_pass)
        permit.address.in_flight -= 1
        self._in_flight -= 1
        self._meter.moved()
        if self._in_flight == 0:
            self._meter.busy(0)
        self.pump()

    def alive(self, permit: Permit) -> None:
        """Record that the endpoint answered with a status below 500, which closes the breaker."""
        self._alive_at = asyncio.get_running_loop().time()
        self._failing_since = None
        self._meter.moved()
        permit.address.breaker.answered()

    def failed(self, permit: Permit, reason: str) -> None:
        """Record a server error or a missing answer.

        Several in a row open the breaker. Stops the run if no address has answered for too long.
        """
        now = asyncio.get_running_loop().time()
        self._meter.moved()
        if self._failing_since is None:
            self._failing_since = now
        if permit.address.breaker.failed(permit.breaker_pass, now):
            self._start_health_checks(permit.address, reason)
            self._give_up_if_too_long(now, reason)

    def stop(self, error: Exception) -> None:
        """Send no more calls; the waiting ones fail with `error`. If called again, the first error stays."""
        if self.fatal is None:
            self.fatal = error
            self.stopped.set()
        self._fail_waiting()

    async def close(self) -> None:
        """Cancel the health checks and the poll of the budget."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._poll is not None:
            self._poll.cancel()

    def state(self) -> str:
        """Describe, for an error message, how many calls wait and are in flight, and the state of each breaker."""
        addresses = ", ".join(f"{address.name} {address.breaker.state}" for address in self.addresses)
        return f"{counted(len(self._queue), 'call')} wait, {self._in_flight} are in flight; {addresses}"

    def _fail_waiting(self) -> None:
        if self._in_flight or self.fatal is None:
            return
        while self._queue:
            ticket = self._queue.popleft()
            if not ticket.future.done():
                ticket.future.set_exception(self.fatal)

    def _pump_later(self) -> None:
        if self._poll is None:

            def again() -> None:
                self._poll = None
                self.pump()

            self._poll = asyncio.get_running_loop().call_later(BUDGET_POLL, again)

    def _start_health_checks(self, address: Address, reason: str) -> None:
        """Start the health check task of one opening of a breaker.

        The task of an earlier opening, if it has not ended yet, sees that the generation has changed and stops.
        """
        task = asyncio.get_running_loop().create_task(
            self._check_health(address, address.breaker.generation, reason)
        )
        self._health_checks[address] = task
        self._tasks.add(task)
        task.add_done_callback(self._health_checks_ended)

    def _health_checks_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.stop(
                EndpointError(
                    f"{self._endpoint.role} endpoint: the health check failed ({type(error).__name__}: "
                    f"{self._endpoint.redact(str(error))}). Fix: run again; what is paid for is kept"
                )
            )

    async def _check_health(self, address: Address, generation: int, reason: str) -> None:
        """Request /models from an address whose breaker is open until it answers; then one trial call is admitted."""
        loop = asyncio.get_running_loop()
        breaker = address.breaker
        while self.fatal is None and breaker.open_since(generation):
            await asyncio.sleep(max(0.0, breaker.retry_at - loop.time()))
            if not breaker.open_since(generation):
                return  # a call that was still in flight was answered
            try:
                response = await address.transport.get(self._models, self._headers, HEALTH_TIMEOUT)
                reason = f"http {response.status}"
                healthy = response.status < 500
            except TransportError as error:
                reason, healthy = str(error), False
            except EndpointError as error:
                self.stop(error)
                return
            self._meter.moved()
            if not breaker.checked(generation, loop.time(), healthy=healthy):
                return
            if healthy:
                self.pump()
            else:
                self._give_up_if_too_long(loop.time(), reason)

    def _give_up_if_too_long(self, now: float, reason: str) -> None:
        """Stop the run if no address is in use and the outage is too long: shorter for an endpoint that never answered."""
        out_for = now - (now if self._failing_since is None else self._failing_since)
        patience = self._patience if self._alive_at is not None else min(self._patience, self._first_patience)
        if out_for > patience and not any(
            address.breaker.state is BreakerState.CLOSED for address in self.addresses
        ):
            hosts = ", ".join(address.name for address in self.addresses)
            self.stop(
                EndpointError(
                    f"{self._endpoint.role} endpoint {hosts} has not answered for {out_for:.0f} s "
                    f"({self._endpoint.redact(reason)}). Fix: start it, or correct {self._endpoint.setting('BASE_URL')}"
                )
            )
