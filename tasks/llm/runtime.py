"""The event loop of an engine in a thread of its own, started by the first call that needs it."""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import orjson

from storage.ledger import Ledger
from tasks.llm import providers
from tasks.llm.admission import HEALTH_TIMEOUT, AdmissionControl
from tasks.llm.breaker import Breaker
from tasks.llm.budget import Budget
from tasks.llm.caller import Caller
from tasks.llm.checkpoint import CheckpointTransport
from tasks.llm.concurrency import Controller
from tasks.llm.endpoint import IN_PROCESS, Endpoint, EndpointError, EngineLimits, host_of
from tasks.llm.endpoint_pool import Address
from tasks.llm.pipe import PipeTransport
from tasks.llm.recording import Pending, record_unread_usage
from tasks.llm.request import Completion
from tasks.llm.stats import Meter, Stats
from tasks.llm.transport import AsgiTransport, HttpTransport, Transport, TransportError
from tasks.llm.wire import error_of, is_name, stated_status

EMBEDDED_APP = "tasks.teacher.app"  # imported only where it is the endpoint
LANDING_GRACE = 60.0  # seconds that calls in flight have to end when the engine is closed
STUCK_GRACE = 5.0  # the same for an engine that the watchdog stopped, and for calls that were cancelled

Result = TypeVar("Result")


Resolve = Callable[[Any, Completion | None, BaseException | None], None]


class Runtime:
    """Starts the loop, the endpoint pool and the caller, and passes work to them from other threads."""

    def __init__(
        self,
        endpoint: Endpoint,
        ledger: Ledger,
        limits: EngineLimits,
        meter: Meter,
        budget: Budget | None,
        transports: list[Transport] | None,
        run: str,
    ) -> None:
        self._endpoint = endpoint
        self._ledger = ledger
        self._limits = limits
        self._meter = meter
        self._budget = budget
        self._transports = transports
        self._run = run
        self._lock = threading.RLock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._addresses: list[Address] = []
        self._admission: AdmissionControl | None = None
        self._caller: Caller | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._stuck = False

    def send(self, entries: Sequence[Pending], resolve: Resolve) -> None:
        """Send every entry; `resolve` is called with the result of each, in the thread of the loop. Never blocks."""
        with self._lock:
            # Under the lock, so that `close` winds down only after every call that was accepted has started.
            self._started().call_soon_threadsafe(self._spawn, list(entries), resolve)

    def probe(self) -> list[str]:
        """Return the models that the endpoint serves. Raises EndpointError if none of its addresses answers."""
        return self._call(self._probe())

    def stats(self) -> Stats:
        return self._meter.snapshot(
            cuts=sum(address.controller.cuts for address in self._addresses),
            opened=sum(address.breaker.generation for address in self._addresses),
            in_flight=sum(address.in_flight for address in self._addresses),
            limit=sum(address.controller.limit for address in self._addresses),
            dialect=self._caller.dialect.notes() if self._caller is not None else (),
        )

    def close(self) -> None:
        """Stop sending, wait for the calls in flight, and end the loop."""
        with self._lock:
            self._closed = True
            loop, thread = self._loop, self._thread
        if loop is None or thread is None or not thread.is_alive():
            return
        winding_down = asyncio.run_coroutine_threadsafe(self._wind_down(), loop)
        try:
            winding_down.result(STUCK_GRACE if self._stuck else None)
        except TimeoutError:
            return  # a loop that is blocked cannot be stopped; its thread is a daemon
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    @property
    def dead(self) -> bool:
        """Whether the event loop has ended although the engine was not closed."""
        return self._thread is not None and not self._thread.is_alive() and not self._closed

    def abort(self, error: Exception) -> None:
        """Fail everything with `error`, without waiting for calls in flight."""
        self._stuck = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._abort, error)

    def state(self) -> str:
        """Describe, for an error message, which calls wait and which are in flight."""
        return self._admission.state() if self._admission is not None else "nothing was sent yet"

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._closed:
                raise RuntimeError(f"the {self._endpoint.role} engine is closed")
            if self._loop is None:
                record_unread_usage(self._ledger, self._endpoint)
                loop = _new_loop()
                thread = threading.Thread(
                    target=loop.run_forever, name=f"{self._endpoint.role}-engine", daemon=True
                )
                thread.start()
                try:
                    asyncio.run_coroutine_threadsafe(self._set_up(), loop).result()
                except BaseException:
                    loop.call_soon_threadsafe(loop.stop)
                    raise
                self._loop, self._thread = loop, thread
            return self._loop

    def _call(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        try:
            loop = self._started()
        except BaseException:
            coroutine.close()
            raise
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result()

    async def _set_up(self) -> None:
        """Create the objects that belong to the loop; runs in it."""
        end, limits = self._endpoint, self._limits
        transports = self._transports or _transports(end, limits)
        names = [host_of(url) for url in end.base_urls or ()] or [transport_name(end)] * len(transports)
        share = max(1, limits.max_in_flight // len(transports))
        self._addresses = [
            Address(
                name,
                transport,
                Controller(min(limits.start_in_flight, share), share),
                Breaker(after=limits.breaker_after, cooloff=limits.breaker_cooloff),
            )
            for name, transport in zip(names, transports, strict=True)
        ]
        self._admission = AdmissionControl(
            end,
            self._addresses,
            self._meter,
            end.request_headers(),
            budget=self._budget,
            unreachable_after=limits.unreachable_after,
        )
        self._caller = Caller(
            end, self._ledger, limits, self._admission, self._meter, self._budget, self._run
        )

    def _abort(self, error: Exception) -> None:
        assert self._admission is not None
        self._admission.stop(error)
        for task in self._tasks:
            task.cancel()

    def _spawn(self, entries: list[Pending], resolve: Resolve) -> None:
        loop = asyncio.get_running_loop()
        for entry in entries:
            task = loop.create_task(self._serve(entry, resolve))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, entry: Pending, resolve: Resolve) -> None:
        assert self._caller is not None
        assert self._admission is not None
        try:
            completion = await self._caller.ask(entry)
        except BaseException as error:
            # A cancelled call fails with the error that stopped the engine; CancelledError would explain nothing.
            stopped = self._admission.fatal if isinstance(error, asyncio.CancelledError) else None
            resolve(entry, None, stopped or error)
            if isinstance(error, asyncio.CancelledError):
                raise
        else:
            resolve(entry, completion, None)

    async def _wind_down(self) -> None:
        assert self._admission is not None
        self._admission.stop(RuntimeError(f"the {self._endpoint.role} engine was closed"))
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=0.0 if self._stuck else LANDING_GRACE)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=STUCK_GRACE / 2)
        await self._admission.close()
        for address in self._addresses:
            await address.transport.close()

    async def _probe(self) -> list[str]:
        """Return the models served by the first address that answers. Raises EndpointError only if none does."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._endpoint.wait_ready
        while True:
            problems = []
            for address in self._addresses:
                try:
                    return await self._models(address)
                except TransportError as error:
                    problems.append(f"{address.name}: {error}")
            if loop.time() >= until:
                end = self._endpoint
                raise EndpointError(
                    f"{end.role} endpoint cannot be reached ({end.redact('; '.join(problems))}). "
                    f"Fix: start it, or correct {end.setting('BASE_URL')}"
                )
            await asyncio.sleep(min(1.0, max(0.05, until - loop.time())))

    async def _models(self, address: Address) -> list[str]:
        """Return the models that an address lists. Raises EndpointError if they do not include the endpoint's."""
        end = self._endpoint
        form = providers.wire_format(end.api)
        response = await address.transport.get(form.MODELS, end.request_headers(), HEALTH_TIMEOUT)
        if response.status >= 500:
            raise TransportError(f"http {response.status}")
        status = stated_status(response.status, response.body)
        if status in (401, 402, 403):
            reason = f"http {response.status}: {end.redact(error_of(response.body).message)}"
            raise end.stopped_by(address.name, status, reason) or EndpointError(reason)
        if response.status != 200:
            return []  # many gateways do not list their models: the first call shows whether the model exists
        try:
            names = form.listed(orjson.loads(response.body))
        except (orjson.JSONDecodeError, TypeError, KeyError) as problem:
            raise EndpointError(
                f"{end.role} endpoint {address.name} answers /models with something else than a list of models. "
                f"Fix: correct {end.setting('BASE_URL')} (it usually ends in /v1)"
            ) from problem
        if names and not any(is_name(name, end.names) for name in names):
            raise EndpointError(
                f"{end.role} endpoint {address.name} does not serve {end.model}, but {', '.join(names[:5])}. "
                f"Fix: correct {end.setting('MODEL')}"
            )
        return names


def transport_name(endpoint: Endpoint) -> str:
    """Return the name, for messages, of an endpoint without a base URL."""
    return "embedded" if endpoint.embedded else "in process"


def _transports(endpoint: Endpoint, limits: EngineLimits) -> list[Transport]:
    if endpoint.base_urls and endpoint.region:
        from tasks.llm.aws_signing import SignedTransport  # takes a library of an extra

        return [
            SignedTransport(url, endpoint, connect=limits.connect, most_bytes=limits.most_bytes)
            for url in endpoint.base_urls
        ]
    if endpoint.base_urls:
        return [
            HttpTransport(url, connect=limits.connect, most_bytes=limits.most_bytes)
            for url in endpoint.base_urls
        ]
    if endpoint.model.startswith(IN_PROCESS):
        return [PipeTransport(endpoint)]
    if endpoint.checkpoint is not None:
        return [CheckpointTransport(endpoint)]
    return [AsgiTransport(importlib.import_module(EMBEDDED_APP).app)]


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # not on Windows
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
