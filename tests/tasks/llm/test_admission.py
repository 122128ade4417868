"""Situations in which a run once waited for ever, or could have: each of them ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from prompts.asking_again import FaultKind, ReplyFault
from storage.ledger import Ledger
from tasks.llm.admission import AdmissionControl, Permit
from tasks.llm.breaker import Breaker, BreakerState
from tasks.llm.concurrency import Controller
from tasks.llm.endpoint import Endpoint, EndpointError, EngineLimits
from tasks.llm.endpoint_pool import Address
from tasks.llm.engine import Engine
from tasks.llm.request import Completion
from tasks.llm.stats import Meter
from tasks.llm.transport import AsgiTransport, Response
from tests.tasks.llm.test_engine import ENDPOINT, Model, ask


class Healthy:
    """A transport that answers /models; the tests end the calls themselves."""

    async def get(self, path: str, headers: Mapping[str, str], seconds: float) -> Response:
        return Response(200, {}, b"{}")

    async def post(self, path: str, headers: Mapping[str, str], body: bytes, seconds: float) -> Response:
        raise AssertionError("admission control sends no calls")

    async def close(self) -> None:
        return None


def one_address(*, after: int = 1) -> tuple[AdmissionControl, Address]:
    address = Address("x", Healthy(), Controller(4, 4), Breaker(after=after, cooloff=0.01))
    end = Endpoint("teacher", "m", ["http://x/v1"])
    return AdmissionControl(end, [address], Meter(), {}, budget=None, unreachable_after=900.0), address


async def entered(admission: AdmissionControl) -> Permit:
    async with asyncio.timeout(10):
        return await admission.enter((0.0, 0), lambda: True, is_retry=False)


async def half_open(admission: AdmissionControl, address: Address) -> None:
    for _ in range(10_000):
        if address.breaker.state is BreakerState.HALF_OPEN:
            return
        await asyncio.sleep(0.001)
    raise AssertionError("the health check was not answered")


async def test_a_failure_that_arrives_as_the_health_check_ends_does_not_leave_the_breaker_open() -> None:
    """The hang that was seen: the failure of an older call opened the half-open breaker again while the task of
    the health check that had just ended was still registered, so none was started."""
    admission, address = one_address()
    older, first = await entered(admission), await entered(admission)
    admission.failed(first, "http 503")
    admission.done(first)
    await half_open(admission, address)
    admission.failed(older, "http 503")  # the very turn in which the health check ended
    admission.done(older)
    for _ in range(3):  # and the trials that follow fail in the same way
        trial = await entered(admission)
        admission.failed(trial, "http 503")
        admission.done(trial)
    last = await entered(admission)
    admission.alive(last)
    admission.done(last)
    assert address.breaker.state is BreakerState.CLOSED
    await admission.close()


async def test_a_breaker_that_opens_again_while_its_health_check_sleeps_is_checked_again() -> None:
    admission, _ = one_address()
    permits = [await entered(admission) for _ in range(3)]
    admission.failed(permits[0], "http 503")
    admission.alive(permits[1])  # closed by an older answer; the first health check still sleeps
    late = await entered(admission)
    admission.failed(late, "http 503")
    for permit in (*permits, late):
        admission.done(permit)
    admission.done(await entered(admission))
    await admission.close()


async def test_a_trial_that_is_cancelled_or_ends_without_a_word_is_due_again() -> None:
    admission, address = one_address()
    first = await entered(admission)
    admission.failed(first, "http 503")

    def cancelled_as_it_is_let_through() -> bool:
        asyncio.get_running_loop().call_soon(waiting.cancel)
        return True

    waiting = asyncio.create_task(admission.enter((0.0, 0), cancelled_as_it_is_let_through, is_retry=False))
    await asyncio.sleep(0)
    admission.done(first)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    silent = await entered(admission)
    admission.done(silent)
    trial = await entered(admission)
    admission.alive(trial)
    admission.done(trial)
    assert (address.breaker.state, address.in_flight) == (BreakerState.CLOSED, 0)
    await admission.close()


async def test_a_health_check_that_raises_stops_the_run_with_its_name() -> None:
    admission, address = one_address()

    async def broken(path: str, headers: Mapping[str, str], seconds: float) -> Response:
        raise ZeroDivisionError("in the health check")

    address.transport.get = broken  # type: ignore[method-assign]
    first = await entered(admission)
    admission.failed(first, "http 503")
    admission.done(first)
    with pytest.raises(
        EndpointError, match=r"health check failed \(ZeroDivisionError: in the health check\)"
    ):
        await entered(admission)
    await admission.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite") as opened:
        yield opened


SHORT = EngineLimits(deadline=0.2, stalled_after=0.3)


@pytest.mark.slow
def test_the_watchdog_ends_a_run_whose_call_never_comes_back(ledger: Ledger) -> None:
    async def deaf(scope, receive, send) -> None:
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                continue

    with (
        Engine(ENDPOINT, ledger, SHORT, transports=[AsgiTransport(deaf)]) as engine,
        pytest.raises(EndpointError, match=r"teacher engine has stalled.* in flight.*Fix: ") as stalled,
    ):
        list(engine.run([ask(1)]))
    assert "\n" not in str(stalled.value)


def test_the_watchdog_sees_an_event_loop_that_is_blocked(ledger: Ledger) -> None:
    over = threading.Event()

    async def blocking(scope, receive, send) -> None:
        over.wait()

    engine = Engine(ENDPOINT, ledger, SHORT, transports=[AsgiTransport(blocking)])
    try:
        with pytest.raises(EndpointError, match="has stalled: nothing has happened for"):
            list(engine.run([ask(1)]))
    finally:
        over.set()
        engine.close()


def test_a_close_ends_every_run_that_waits(ledger: Ledger) -> None:
    """Also the ones whose second question had not been asked yet."""
    inside, release = threading.Event(), threading.Event()

    def check(completion: Completion) -> ReplyFault | None:
        inside.set()
        release.wait()
        return ReplyFault(FaultKind.OTHER, "not yet")

    ended: list[BaseException | None] = []

    def work() -> None:
        try:
            list(engine.run([ask(i) for i in range(20)], check))
            ended.append(None)
        except RuntimeError as error:
            ended.append(error)

    engine = Engine(ENDPOINT, ledger, transports=[AsgiTransport(Model())])
    thread = threading.Thread(target=work)
    thread.start()
    inside.wait()
    closing = threading.Thread(target=engine.close)
    closing.start()
    release.set()
    closing.join()
    thread.join(60)
    assert not thread.is_alive()
    assert len(ended) == 1
