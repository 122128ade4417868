"""Who may be sent next: a queue in front of the lanes, held back by load, breaker and budget.

All of it runs in the engine's event loop; times are seconds of that loop's clock.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tasks.llm.budget import Budget, BudgetExceeded
from tasks.llm.endpoint import Endpoint, EndpointError
from tasks.llm.lanes import Lane, State, least_loaded
from tasks.llm.stats import Meter
from tasks.llm.transport import TransportError

HEALTH_TIMEOUT = 10.0
FIRST_PATIENCE = 120.0  # seconds for an endpoint that never answered: more likely a wrong address
BUDGET_POLL = 0.05  # another engine's calls may free budget without this one hearing of it


class Abandoned(Exception):
    """The call was not sent, since whoever asked for it is gone."""


@dataclass(slots=True)
class Ticket:
    """A call waiting to be sent. `cost` is its worst case in USD and tokens."""

    future: asyncio.Future[Lane]
    cost: tuple[float, int]
    wanted: Callable[[], bool]


class Gate:
    """Admission: `enter` waits for a lane, `done` gives it back."""

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
        self._healers: dict[Lane, asyncio.Task[None]] = {}
        self._poll: asyncio.TimerHandle | None = None

    @property
    def crowded(self) -> bool:
        """Whether calls wait that could be sent if more were let through."""
        return bool(self._queue)

    async def enter(self, cost: tuple[float, int], wanted: Callable[[], bool], *, again: bool) -> Lane:
        """A lane to send on. Retries (`again`) go before new calls, since their time is running.
        Raises the error that stopped the engine, once everything in flight has landed."""
        ticket = Ticket(asyncio.get_running_loop().create_future(), cost, wanted)
        if again:
            self._queue.appendleft(ticket)
        else:
            self._queue.append(ticket)
        self.pump()
        return await ticket.future

    def pump(self) -> None:
        """Let through whatever may go."""
        if self.fatal is not None:
            self._fail_waiting()
            return
        while self._queue:
            lane = least_loaded(self.lanes)
            if lane is None:
                return
            ticket = self._queue[0]
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
            lane.take()
            self._in_flight += 1
            if self._in_flight == 1:
                self._meter.busy(1)
            ticket.future.set_result(lane)

    def done(self, lane: Lane) -> None:
        """A call let through is over: durable and billed, or failed. Until then it counts as in flight,
        so that a kill never costs more than the calls in flight, on however slow a disk."""
        lane.in_flight -= 1
        self._in_flight -= 1
        if self._in_flight == 0:
            self._meter.busy(0)
        self.pump()

    def alive(self, lane: Lane) -> None:
        """The endpoint answered, with whatever status below 500."""
        self._alive_at = asyncio.get_running_loop().time()
        self._failing_since = None
        lane.answered()

    def failed(self, lane: Lane, why: str) -> None:
        """A server error or no answer. Opens the breaker after some in a row, and stops the run when
        no lane has answered for too long."""
        now = asyncio.get_running_loop().time()
        if self._failing_since is None:
            self._failing_since = now
        if lane.failed(now):
            self._give_up_if_too_long(now, why)
            self._heal(lane, why)

    def stop(self, error: Exception) -> None:
        """No new sends from here on; the first error is the one that is told."""
        if self.fatal is None:
            self.fatal = error
            self.stopped.set()
        self._fail_waiting()

    async def close(self) -> None:
        healers = list(self._healers.values())
        for task in healers:
            task.cancel()
        await asyncio.gather(*healers, return_exceptions=True)
        if self._poll is not None:
            self._poll.cancel()

    def _fail_waiting(self) -> None:
        if self._in_flight or self.fatal is None:
            return
        while self._queue:
            self._queue.popleft().future.set_exception(self.fatal)

    def _pump_later(self) -> None:
        if self._poll is None:

            def again() -> None:
                self._poll = None
                self.pump()

            self._poll = asyncio.get_running_loop().call_later(BUDGET_POLL, again)

    def _heal(self, lane: Lane, why: str) -> None:
        if lane in self._healers:
            return
        self._healers[lane] = asyncio.get_running_loop().create_task(self._nurse(lane, why))
        self._healers[lane].add_done_callback(lambda _: self._healers.pop(lane, None))

    async def _nurse(self, lane: Lane, why: str) -> None:
        """Ask after a left-out lane until it answers; then one call is let through as the proof."""
        loop = asyncio.get_running_loop()
        while self.fatal is None:
            await asyncio.sleep(max(0.0, lane.retry_at - loop.time()))
            if lane.state is not State.OPEN:
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
            if well:
                lane.healthy()
                self.pump()
                return
            lane.unhealthy(loop.time())
            self._give_up_if_too_long(loop.time(), why)

    def _give_up_if_too_long(self, now: float, why: str) -> None:
        """An endpoint that answered before is waited for longer than one that never did."""
        out_for = now - (now if self._failing_since is None else self._failing_since)
        patience = self._patience if self._alive_at is not None else min(self._patience, self._first_patience)
        if out_for > patience and all(lane.state is State.OPEN for lane in self.lanes):
            hosts = ", ".join(lane.name for lane in self.lanes)
            self.stop(
                EndpointError(
                    f"{self._endpoint.role} endpoint {hosts} has not answered for {out_for:.0f} s "
                    f"({self._endpoint.redact(why)}): start it, or mend {self._endpoint.setting('BASE_URL')}"
                )
            )
