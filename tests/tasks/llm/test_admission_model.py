"""Admission control as a model: random orders of answers, failures, health checks, cancellations, budgets and closings
on an event loop whose clock the test turns, one turn of the loop at a time, so that every race can be met."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from storage.ledger import CallUsage
from tasks.llm.admission import BUDGET_POLL, Abandoned, AdmissionControl, Permit
from tasks.llm.breaker import Breaker, BreakerState
from tasks.llm.budget import Budget, BudgetExceeded
from tasks.llm.concurrency import Controller
from tasks.llm.endpoint import Endpoint, EndpointError
from tasks.llm.endpoint_pool import Address, least_loaded
from tasks.llm.stats import Meter
from tasks.llm.transport import Response, TransportError

PATIENCE = 900.0
TURNS = st.integers(0, 2)
LATE = 12  # calls after which a rule may end the whole engine, so that most of a walk has a running engine
ENDPOINT = Endpoint("teacher", "m", ["http://one/v1", "http://two/v1"])


class TurnedLoop(asyncio.SelectorEventLoop):
    """An event loop that makes one turn when it is asked to, at the time that the test sets."""

    now = 0.0

    def time(self) -> float:
        return self.now

    def turn(self) -> None:
        self.call_soon(self.stop)
        self.run_forever()


class Models:
    """A transport whose answer to /models, and its time, the test decides."""

    def __init__(self) -> None:
        self.requests: list[asyncio.Future[Response]] = []

    async def get(self, path: str, headers: Mapping[str, str], seconds: float) -> Response:
        self.requests.append(asyncio.get_running_loop().create_future())
        return await self.requests[-1]

    async def post(self, path: str, headers: Mapping[str, str], body: bytes, seconds: float) -> Response:
        raise AssertionError("admission control sends no calls")

    async def close(self) -> None:
        return None

    @property
    def open(self) -> list[asyncio.Future[Response]]:
        return [future for future in self.requests if not future.done()]


class AdmissionMachine(RuleBasedStateMachine):
    @initialize(
        addresses=st.integers(1, 2),
        after=st.sampled_from([1, 1, 2, 3]),
        limit=st.integers(1, 4),
        tokens=st.sampled_from([None, None, 2, 12, 40]),
    )
    def start(self, addresses: int, after: int, limit: int, tokens: int | None) -> None:
        self.loop = TurnedLoop()
        self.transports = [Models() for _ in range(addresses)]
        self.addresses = [
            Address(f"address {n}", transport, Controller(limit, limit), Breaker(after=after, cooloff=1.0))
            for n, transport in enumerate(self.transports)
        ]
        for address in self.addresses:
            address.breaker._jitter.seed(0)
        self.budget = Budget(tokens=tokens)
        self.other_holds = 0  # of another engine that shares the budget
        self.calls: list[asyncio.Task[None]] = []
        self.sent: dict[asyncio.Future[str], Permit] = {}  # in flight, and how each is ended
        self.unwanted: set[int] = set()
        self.over: list[Permit] = []
        self.closed = False
        self.admission = self.loop.run_until_complete(self.make_admission())

    async def make_admission(self) -> AdmissionControl:
        return AdmissionControl(
            ENDPOINT, self.addresses, Meter(), {}, budget=self.budget, unreachable_after=PATIENCE
        )

    async def call(self, number: int, is_retry: bool) -> None:
        """What the caller does with a permit."""
        permit = await self.admission.enter((0.0, 1), lambda: number not in self.unwanted, is_retry=is_retry)
        end: asyncio.Future[str] = self.loop.create_future()
        self.sent[end] = permit
        try:
            outcome = await end
            if outcome == "answered":
                self.admission.alive(permit)
                permit.charge = CallUsage(0, "completion", 1, 0, False, 0.0)
            elif outcome == "failed":
                self.admission.failed(permit, "http 503")
            elif outcome == "stops":
                self.admission.stop(EndpointError("http 401"))
            elif outcome == "raises":
                raise KeyError("a fault of ours between send and answer")
        finally:
            del self.sent[end]
            self.admission.done(permit)
            self.over.append(permit)

    # What may happen.

    @rule(count=st.integers(2, 8), is_retry=st.booleans(), turns=TURNS)
    def enter(self, count: int, is_retry: bool, turns: int) -> None:
        for _ in range(min(count, 60 - len(self.calls))):
            self.calls.append(self.loop.create_task(self.call(len(self.calls), is_retry)))
        self.turn(turns)

    @rule(data=st.data(), outcome=st.sampled_from(["failed", "failed", "answered", "silent", "raises"]))
    def end(self, data: st.DataObject, outcome: str) -> None:
        pending = [end for end in self.sent if not end.done()]
        if pending:
            data.draw(st.sampled_from(pending)).set_result(outcome)

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        alive = [task for task in self.calls if not task.done()]
        if alive:
            data.draw(st.sampled_from(alive)).cancel()

    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        if self.calls:
            self.unwanted.add(data.draw(st.integers(0, len(self.calls) - 1)))

    @rule(data=st.data(), count=st.integers(1, 4), turns=TURNS)
    def fail_many(self, data: st.DataObject, count: int, turns: int) -> None:
        for _ in range(count):
            pending = [end for end in self.sent if not end.done()]
            if pending:
                data.draw(st.sampled_from(pending)).set_result("failed")
        self.turn(turns)

    @precondition(lambda self: len(self.calls) > LATE)
    @rule(data=st.data())
    def end_all(self, data: st.DataObject) -> None:
        pending = [end for end in self.sent if not end.done()]
        if pending:
            data.draw(st.sampled_from(pending)).set_result("stops")

    @precondition(lambda self: len(self.calls) > LATE)
    @rule(data=st.data(), result=st.sampled_from(["endpoint", "fault"]))
    def end_all_by_health(self, data: st.DataObject, result: str) -> None:
        self.health_result(data, result)

    @rule(data=st.data(), result=st.sampled_from([200, 200, 200, 404, 503, "none"]))
    def health(self, data: st.DataObject, result: int | str) -> None:
        self.health_result(data, result)

    def health_result(self, data: st.DataObject, result: int | str) -> None:
        pending = [future for transport in self.transports for future in transport.open]
        if not pending:
            return
        future = data.draw(st.sampled_from(pending))
        if isinstance(result, int):
            future.set_result(Response(result, {}, b"{}"))
        else:
            future.set_exception(
                {
                    "none": TransportError("refused"),
                    "endpoint": EndpointError("bad name"),
                    "fault": ZeroDivisionError("in the health check"),
                }[result]
            )

    @rule(data=st.data(), result=st.sampled_from([200, 200, 503, "fault"]), turns=st.integers(0, 2))
    def health_due(self, data: st.DataObject, result: int | str, turns: int) -> None:
        """Time passes until a health check is sent, and it is answered."""
        waiting = [address for address in self.addresses if address.breaker.state is BreakerState.OPEN]
        if not waiting or self.admission.fatal is not None:
            return
        address = data.draw(st.sampled_from(waiting))
        self.loop.now = max(self.loop.now, address.breaker.retry_at) + 0.001
        self.turn(3)
        for future in self.transports[self.addresses.index(address)].open:
            if isinstance(result, int):
                future.set_result(Response(result, {}, b"{}"))
            elif len(self.calls) > LATE:
                future.set_exception(ZeroDivisionError("in the health check"))
        self.turn(turns)

    @rule(data=st.data(), outcome=st.sampled_from(["failed", "answered", "silent", "raises", "cancelled"]))
    def end_trial(self, data: st.DataObject, outcome: str) -> None:
        trials = [address.breaker.trial for address in self.addresses if address.breaker.trial is not None]
        for end, permit in list(self.sent.items()):
            if permit.breaker_pass in trials and not end.done():
                end.cancel() if outcome == "cancelled" else end.set_result(outcome)

    @rule(data=st.data())
    def answer_older(self, data: st.DataObject) -> None:
        """A call from before the opening is answered, and those let through instead fail."""
        older = [
            end
            for end, permit in self.sent.items()
            if permit.address.breaker.state is BreakerState.OPEN and not end.done()
        ]
        if older:
            data.draw(st.sampled_from(older)).set_result("answered")
            self.enter(4, is_retry=False, turns=3)
            for end, permit in list(self.sent.items()):
                if permit.breaker_pass.generation == permit.address.breaker.generation and not end.done():
                    end.set_result("failed")
            self.turn(2)

    @rule()
    def other_engine(self) -> None:
        """Another engine of the run takes budget, or gives it back unspent."""
        if self.other_holds:
            self.other_holds -= 1
            self.budget.release((0.0, 1), None)
        else:
            try:
                self.other_holds += self.budget.reserve(0.0, 1)
            except BudgetExceeded:
                return

    @rule(count=st.integers(1, 3))
    def budget_held_elsewhere(self, count: int) -> None:
        """Another engine of the run holds all that is left of the budget while calls wait here and none is in flight.
        It gives it back later, and this engine does not hear of it: only its own looks at the budget let them go."""
        if self.budget.tokens is None or self.admission.fatal is not None:
            return
        try:
            while self.budget.reserve(0.0, 1):
                self.other_holds += 1
        except BudgetExceeded:
            return
        self.enter(count, is_retry=False, turns=2)
        while pending := [end for end in self.sent if not end.done()]:
            for end in pending:
                end.set_result("answered")
            self.turn(3)
        self.what_waits_has_a_way_forward()
        for _ in range(2):  # two looks in vain
            self.wait(BUDGET_POLL + 0.001)
            self.turn(1)
        self.what_waits_has_a_way_forward()
        while self.other_holds:
            self.other_holds -= 1
            self.budget.release((0.0, 1), None)
        self.wait(BUDGET_POLL + 0.001)
        self.turn(3)
        waiting = [ticket for ticket in self.admission._queue if not ticket.future.done()]
        assert (
            not waiting
            or self.admission._in_flight
            or least_loaded(self.addresses) is None
            or self.admission.fatal
        )

    @rule(turns=st.integers(0, 3))
    def turn(self, turns: int) -> None:
        for _ in range(turns):
            self.loop.turn()

    @rule(seconds=st.sampled_from([0.06, 1.3, 1.3, 40.0]))
    def wait(self, seconds: float) -> None:
        self.loop.now += seconds
        self.loop.turn()

    @precondition(lambda self: len(self.calls) > LATE)
    @rule()
    def outage(self) -> None:
        self.loop.now += PATIENCE + 1

    @precondition(lambda self: not self.closed and len(self.calls) > LATE)
    @rule()
    def close(self) -> None:
        self.closed = True
        self.admission.stop(RuntimeError("closed"))

    # What always holds.

    @invariant()
    def open_has_one_health_check_task(self) -> None:
        for address in self.admission.addresses:
            task = self.admission._health_checks.get(address)
            if address.breaker.state is BreakerState.OPEN and self.admission.fatal is None:
                assert task is not None
                # One that has just raised is reported in the next turn, and stops admission then.
                assert not task.done() or (task in self.admission._tasks and task.exception() is not None)
                others = [t for t in self.admission._tasks if t is not task and not t.done()]
                assert len(others) <= sum(other.breaker.generation for other in self.addresses) - 1

    @invariant()
    def half_open_has_one_trial(self) -> None:
        for address in self.admission.addresses:
            trials = [p for p in self.sent.values() if p.breaker_pass is address.breaker.trial]
            assert not [p for p in self.over if p.breaker_pass is address.breaker.trial]
            if address.breaker.state is not BreakerState.HALF_OPEN:
                assert address.breaker.trial is None
            elif trials:
                assert not address.breaker.trial_due
                assert len(trials) == 1

    @invariant()
    def what_waits_has_a_way_forward(self) -> None:
        admission = self.admission
        waiting = [ticket for ticket in admission._queue if not ticket.future.done()]
        if not waiting:
            return
        if admission.fatal is not None:
            assert admission._in_flight > 0
            return
        assert (
            admission._in_flight > 0
            or admission._poll is not None
            or any(not task.done() for task in admission._tasks)
            or any(task.exception() for task in admission._tasks if not task.cancelled())
        )

    @invariant()
    def what_is_held_is_in_flight(self) -> None:
        assert self.admission._in_flight == sum(address.in_flight for address in self.addresses)
        assert self.budget.state().held_tokens == self.admission._in_flight + self.other_holds

    def teardown(self) -> None:
        """From every state the endpoint can come back: then every call ends, and nothing stays held."""
        if not hasattr(self, "loop"):
            return
        while self.other_holds:
            self.other_holds -= 1
            self.budget.release((0.0, 1), None)
        for _ in range(400):
            for end in self.sent:
                if not end.done():
                    end.set_result("answered")
            for transport in self.transports:
                for future in transport.open:
                    future.set_result(Response(200, {}, b"{}"))
            self.loop.now += 1.0
            self.loop.turn()
        asserted = [task.done() for task in self.calls]
        for task in self.calls:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                assert isinstance(error, EndpointError | BudgetExceeded | Abandoned | KeyError | RuntimeError)
        self.loop.run_until_complete(self.admission.close())
        tasks = asyncio.all_tasks(self.loop)
        for left in tasks:
            left.cancel()
        if tasks:
            self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self.loop.close()
        assert all(asserted), self.admission.state()
        assert self.budget.state().held_tokens == 0
        if self.admission.fatal is None:
            assert (
                all(address.breaker.state is not BreakerState.OPEN for address in self.addresses)
                or not self.calls
            )


TestAdmission = AdmissionMachine.TestCase
TestAdmission.settings = settings(stateful_step_count=80, suppress_health_check=list(HealthCheck))
TestAdmission.pytestmark = [pytest.mark.slow]
