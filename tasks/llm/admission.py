"""Which call may be sent next: a queue in front of the base URLs, held back by load, circuit breakers and budget.

All of it runs in the engine's event loop; times are seconds of that loop's clock. What always holds, and is
checked by tests/tasks/llm/test_gate_model.py over random orders of events, until the gate is stopped:

- a breaker that is open has exactly one health check task, one that is half-open has a trial due or in flight;
- while calls wait in the queue something will move it: a call in flight, a health check, or the next look at
  the budget.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from storage.counting import counted
from storage.ledger import CallUsage
from tasks.llm.breaker import Pass, State
from tasks.llm.budget import Budget, BudgetExceeded
from tasks.llm.endpoint import Endpoint, EndpointError
from tasks.llm.endpoint_pool import Lane, least_loaded
from tasks.llm.stats import Meter
from tasks.llm.transport import TransportError

HEALTH_TIMEOUT = 10.0
FIRST_PATIENCE = 120.0  # seconds for an endpoint that never answered: more likely a wrong address
BUDGET_POLL = 0.05  # another engine's calls may free budget without this one hearing of it


class Abandoned(Exception):
    """The call was not sent, since no run waits for it any more."""


@dataclass(slots=True, eq=False)
class Permit:
    """A call that was let through, from `Gate.enter` to `Gate.done`. `cost` is what the budget holds for it, in
    USD and tokens; `bill` what it took, None while it has cost nothing."""

    lane: Lane
    breaker_pass: Pass
    cost: tuple[float, int]
    bill: CallUsage | None = field(default=None)


@dataclass(slots=True, eq=False)
class Ticket:
    """A call waiting to be sent. `cost` is its worst case in USD and tokens."""

    future: asyncio.Future[Permit]
    cost: tuple[float, int]
    wanted: Callable[[], bool]


class Gate:
    """Admission: `enter` waits for a permit, `done` gives it back."""

    def __init__(
        self,
        endpoint: Endpoint,
        lanes: list[Lane],
        meter: Meter,
        headers: Mapping[str, str],
        *,
        budget: Budget | None,
        unreachable_after: float,
    ) -> None:
        self.lanes = lanes
        self.stopped = asyncio.Event()
        self.fatal: Exception | None = None
        self._endpoint = endpoint
        self._meter = meter
        self._headers = headers
        self._budget = budget
        self._patience = unreachable_after
        self._first_patience = max(FIRST_PATIENCE, endpoint.wait_ready)
        self._queue: deque[Ticket] = deque()
        self._in_flight = 0
        self._alive_at: float | None = None  # the last answer to a call
        self._failing_since: float | None = None
        self._health_checks: dict[Lane, asyncio.Task[None]] = {}  # of each lane's latest opening
        self._tasks: set[asyncio.Task[None]] = set()
        self._poll: asyncio.TimerHandle | None = None

    @property
    def crowded(self) -> bool:
        """Whether calls wait that could be sent if more were let through."""
        return bool(self._queue)

    async def enter(self, cost: tuple[float, int], wanted: Callable[[], bool], *, again: bool) -> Permit:
        """The permit to send a call. Retries (`again`) go before new calls, since their time is running.
        Raises the error that stopped the engine, once everything in flight has landed; Abandoned."""
        ticket = Ticket(asyncio.get_running_loop().create_future(), cost, wanted)
        if again:
            self._queue.appendleft(ticket)
        else:
            self._queue.append(ticket)
        self.pump()
        try:
            return await ticket.future
        except asyncio.CancelledError:
            future = ticket.future
            if future.done() and not future.cancelled() and future.exception() is None:
                self.done(future.result())  # let through and cancelled in the same turn: it was not sent
            raise

    def pump(self) -> None:
        """Let through whatever may go."""
        if self.fatal is not None:
            self._fail_waiting()
            return
        while self._queue:
            ticket = self._queue[0]
            if ticket.future.done():  # its caller was cancelled
                self._queue.popleft()
                continue
            lane = least_loaded(self.lanes)
            if lane is None:
                return
            if not ticket.wanted():
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
            permit = Permit(lane, lane.breaker.take(), ticket.cost)
            lane.in_flight += 1
            self._in_flight += 1
            self._meter.moved()
            if self._in_flight == 1:
                self._meter.busy(1)
            ticket.future.set_result(permit)

    def done(self, permit: Permit) -> None:
        """A call let through is over: durable and billed, failed, or never sent. Until then it counts as in
        flight, so that a kill never costs more than the calls in flight, on however slow a disk."""
        if self._budget is not None:
            self._budget.settle(permit.cost, permit.bill)
        permit.lane.breaker.ended(permit.breaker_pass)
        permit.lane.in_flight -= 1
        self._in_flight -= 1
        self._meter.moved()
        if self._in_flight == 0:
            self._meter.busy(0)
        self.pump()

    def alive(self, permit: Permit) -> None:
        """The endpoint answered, with whatever status below 500."""
        self._alive_at = asyncio.get_running_loop().time()
        self._failing_since = None
        self._meter.moved()
        permit.lane.breaker.answered()

    def failed(self, permit: Permit, why: str) -> None:
        """A server error or no answer. Opens the breaker after some in a row, and stops the run when
        no lane has answered for too long."""
        now = asyncio.get_running_loop().time()
        self._meter.moved()
        if self._failing_since is None:
            self._failing_since = now
        if permit.lane.breaker.failed(permit.breaker_pass, now):
            self._start_health_checks(permit.lane, why)
            self._give_up_if_too_long(now, why)

    def stop(self, error: Exception) -> None:
        """No new sends from here on; the first error is the one that is reported."""
        if self.fatal is None:
            self.fatal = error
            self.stopped.set()
        self._fail_waiting()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._poll is not None:
            self._poll.cancel()

    def state(self) -> str:
        """For an error: how many calls wait and are in flight, and the breakers' states."""
        lanes = ", ".join(f"{lane.name} {lane.breaker.state}" for lane in self.lanes)
        return f"{counted(len(self._queue), 'call')} wait, {self._in_flight} are in flight; {lanes}"

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

    def _start_health_checks(self, lane: Lane, why: str) -> None:
        """One task per opening. The task of an earlier opening, if it is still about to end, sees that the
        generation has changed and does nothing more."""
        task = asyncio.get_running_loop().create_task(self._check_health(lane, lane.breaker.generation, why))
        self._health_checks[lane] = task
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

    async def _check_health(self, lane: Lane, generation: int, why: str) -> None:
        """Ask for the models of a lane that is left out until it answers; then one call is let through."""
        loop = asyncio.get_running_loop()
        breaker = lane.breaker
        while self.fatal is None and breaker.open_since(generation):
            await asyncio.sleep(max(0.0, breaker.retry_at - loop.time()))
            if not breaker.open_since(generation):
                return  # a call that was still in flight was answered
            try:
                response = await lane.transport.get("/models", self._headers, HEALTH_TIMEOUT)
                why = f"http {response.status}"
                well = response.status < 500
            except TransportError as error:
                why, well = str(error), False
            except EndpointError as error:
                self.stop(error)
                return
            self._meter.moved()
            if not breaker.checked(generation, loop.time(), well=well):
                return
            if well:
                self.pump()
            else:
                self._give_up_if_too_long(loop.time(), why)

    def _give_up_if_too_long(self, now: float, why: str) -> None:
        """An endpoint that answered before is waited for longer than one that never did."""
        out_for = now - (now if self._failing_since is None else self._failing_since)
        patience = self._patience if self._alive_at is not None else min(self._patience, self._first_patience)
        if out_for > patience and not any(lane.breaker.state is State.CLOSED for lane in self.lanes):
            hosts = ", ".join(lane.name for lane in self.lanes)
            self.stop(
                EndpointError(
                    f"{self._endpoint.role} endpoint {hosts} has not answered for {out_for:.0f} s "
                    f"({self._endpoint.redact(why)}). Fix: start it, or correct {self._endpoint.setting('BASE_URL')}"
                )
            )
