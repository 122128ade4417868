"""Ways in which a run once waited for ever, or could have: each ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from storage.ledger import Ledger
from tasks.llm.admission import Gate, Permit
from tasks.llm.breaker import Breaker, State
from tasks.llm.concurrency import Controller
from tasks.llm.endpoint import Endpoint, EndpointError, EngineLimits
from tasks.llm.endpoint_pool import Lane
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
        raise AssertionError("the gate sends no calls")

    async def close(self) -> None:
        return None


def gate(*, after: int = 1) -> tuple[Gate, Lane]:
    lane = Lane("x", Healthy(), Controller(4, 4), Breaker(after=after, cooloff=0.01))
    end = Endpoint("teacher", "m", ["http://x/v1"])
    return Gate(end, [lane], Meter(), {}, budget=None, unreachable_after=900.0), lane


async def entered(gate_: Gate) -> Permit:
    async with asyncio.timeout(10):
        return await gate_.enter((0.0, 0), lambda: True, again=False)


async def half_open(gate_: Gate, lane: Lane) -> None:
    for _ in range(10_000):
        if lane.breaker.state is State.HALF_OPEN:
            return
        await asyncio.sleep(0.001)
    raise AssertionError("the health check was not answered")


async def test_a_failure_that_arrives_as_the_health_check_ends_does_not_leave_the_breaker_open() -> None:
    """The hang that was seen: the failure of an older call opened the half-open breaker again while the task of
    the health check that had just ended was still registered, so none was started."""
    found, lane = gate()
    older, first = await entered(found), await entered(found)
    found.failed(first, "http 503")
    found.done(first)
    await half_open(found, lane)
    found.failed(older, "http 503")  # the very turn in which the health check ended
    found.done(older)
    for _ in range(3):  # and the trials that follow fail in the same way
        trial = await entered(found)
        found.failed(trial, "http 503")
        found.done(trial)
    last = await entered(found)
    found.alive(last)
    found.done(last)
    assert lane.breaker.state is State.CLOSED
    await found.close()


async def test_a_breaker_that_opens_again_while_its_health_check_sleeps_is_checked_again() -> None:
    found, _ = gate()
    permits = [await entered(found) for _ in range(3)]
    found.failed(permits[0], "http 503")
    found.alive(permits[1])  # closed by an older answer; the first health check still sleeps
    late = await entered(found)
    found.failed(late, "http 503")
    for permit in (*permits, late):
        found.done(permit)
    found.done(await entered(found))
    await found.close()


async def test_a_trial_that_is_cancelled_or_ends_without_a_word_is_due_again() -> None:
    found, lane = gate()
    first = await entered(found)
    found.failed(first, "http 503")

    def cancelled_as_it_is_let_through() -> bool:
        asyncio.get_running_loop().call_soon(waiting.cancel)
        return True

    waiting = asyncio.create_task(found.enter((0.0, 0), cancelled_as_it_is_let_through, again=False))
    await asyncio.sleep(0)
    found.done(first)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    silent = await entered(found)
    found.done(silent)
    trial = await entered(found)
    found.alive(trial)
    found.done(trial)
    assert (lane.breaker.state, lane.in_flight) == (State.CLOSED, 0)
    await found.close()


async def test_a_health_check_that_raises_stops_the_run_with_its_name() -> None:
    found, lane = gate()

    async def broken(path: str, headers: Mapping[str, str], seconds: float) -> Response:
        raise ZeroDivisionError("in the health check")

    lane.transport.get = broken  # type: ignore[method-assign]
    first = await entered(found)
    found.failed(first, "http 503")
    found.done(first)
    with pytest.raises(
        EndpointError, match=r"health check failed \(ZeroDivisionError: in the health check\)"
    ):
        await entered(found)
    await found.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite") as opened:
        yield opened


SHORT = EngineLimits(deadline=0.2, stalled_after=0.3)


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


def test_the_watchdog_sees_an_event_loop_that_does_not_turn(ledger: Ledger) -> None:
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

    def check(completion: Completion) -> str | None:
        inside.set()
        release.wait()
        return "not yet"

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
