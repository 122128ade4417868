"""The engine that everything in the project asks models through.

`Engine.run` is an ordinary generator: requests in, completions out in the same order, both streamed.
Behind it one event loop in a thread of its own keeps the endpoint full for all runs of the engine at
once. What the ledger holds is never asked for again, nor is a key that is being asked for already.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from storage.ledger import Ledger, Stored
from tasks.llm.admission import Abandoned
from tasks.llm.budget import Budget, BudgetExceeded, BudgetState
from tasks.llm.endpoint import Endpoint, EndpointError, EngineLimits
from tasks.llm.pending import Check, Entry, Slot
from tasks.llm.recording import first_answer, unusable, unusable_before
from tasks.llm.request import Completion, Failure, Request, Usage
from tasks.llm.runtime import Runtime
from tasks.llm.stats import Meter, Stats
from tasks.llm.transport import Transport

__all__ = [
    "Budget",
    "BudgetExceeded",
    "BudgetState",
    "Completion",
    "Endpoint",
    "EndpointError",
    "Engine",
    "EngineLimits",
    "Request",
    "Stats",
    "Usage",
]

CHUNK = 128  # requests looked up in the ledger together
WATCH = 5.0  # seconds between the watchdog's looks
PATIENCE = 0.005  # seconds that a slow source is waited for before what it gave is sent


class Engine:
    """One endpoint, one ledger, one concurrency controller. Thread-safe; `close` it, or use `with`.

    `budget` is shared with the other engines of a run. `transports` replaces the endpoint's own
    (one a base URL), for an application served in this process. `through` sees the requests of every
    run first: `batch.Batches.through` has them answered by batches before the run asks for the rest.
    `run` is whose calls these are, for the ledger's sums.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        ledger: Ledger,
        limits: EngineLimits | None = None,
        *,
        budget: Budget | None = None,
        transports: list[Transport] | None = None,
        through: Callable[[Iterable[Request]], Iterator[Request]] | None = None,
        run: str = "",
    ) -> None:
        self.endpoint = endpoint
        self.ledger = ledger
        self.limits = limits or EngineLimits()
        self._through = through
        self._meter = Meter()
        self._entries: dict[str, Entry] = {}
        self._lock = threading.Lock()
        self._runtime = Runtime(endpoint, ledger, self.limits, self._meter, budget, transports, run)
        self._follow = ThreadPoolExecutor(1, thread_name_prefix=f"{endpoint.role}-again")

    def run(self, requests: Iterable[Request], check: Check | None = None) -> Iterator[Completion]:
        """The completions of `requests`, in their order; memory is bounded by `limits.window`.

        `check` says what is wrong with an answer (None: nothing): the model is shown its answer and
        the error once, and a second failure comes back with `error` "rejected: ...". It runs in any
        thread. Raises EndpointError or BudgetExceeded at the first request that was therefore not
        answered, after everything in flight has landed in the ledger.
        """
        for batch in self._batches(self._source(requests), check, threading.Event(), threading.Event()):
            yield from batch

    async def arun(
        self, requests: Iterable[Request], check: Check | None = None
    ) -> AsyncIterator[Completion]:
        """`run` for callers that live in an event loop of their own."""
        wake, over = threading.Event(), threading.Event()
        batches = self._batches(self._source(requests), check, wake, over)
        loop = asyncio.get_running_loop()
        pending: asyncio.Future[list[Completion] | None] | None = None
        try:
            while True:
                pending = loop.run_in_executor(None, next, batches, None)
                batch = await asyncio.shield(pending)
                if batch is None:
                    return
                for completion in batch:
                    yield completion
        finally:
            over.set()
            wake.set()
            if pending is not None:
                await asyncio.wait([pending])
            batches.close()

    def check(self) -> list[str]:
        """Ask every base URL for its models, before any paid work; the names served, sorted. EndpointError
        if none answers within `endpoint.wait_ready` seconds, or the key or the model is refused.
        The embedded teacher is always ready."""
        return [] if self.limits.offline else self._runtime.probe()

    def stats(self) -> Stats:
        return self._runtime.stats()

    def close(self) -> None:
        """Lands what is in flight, then ends the event loop. Nothing new is sent."""
        self._follow.shutdown(wait=True, cancel_futures=True)
        self._runtime.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _source(self, requests: Iterable[Request]) -> Iterator[Request]:
        return iter(requests) if self._through is None else self._through(requests)

    def _batches(
        self, source: Iterator[Request], check: Check | None, wake: threading.Event, over: threading.Event
    ) -> Generator[list[Completion], None, None]:
        spread = self.limits.spread
        refill = min(CHUNK, max(1, spread // 4))  # less than this is not worth a look into the ledger
        window: deque[Slot] = deque()
        more = True
        try:
            while (more or window) and not over.is_set():
                while more and spread - len(window) >= refill and not (window and window[0].done):
                    fresh, more = _pull(source, min(CHUNK, spread - len(window)))
                    slots = [Slot(request, self.endpoint.revision, check, wake) for request in fresh]
                    window.extend(slots)
                    self._claim(slots)
                wake.clear()
                ready = []
                while window and window[0].completion is not None:
                    ready.append(window.popleft().completion)
                if ready:
                    yield [completion for completion in ready if completion is not None]
                elif window and window[0].failure is not None:
                    raise window[0].failure
                elif window:
                    self._wait(wake)
        finally:
            for slot in window:
                slot.gone = True

    def _wait(self, wake: threading.Event) -> None:
        """Until a slot has its end. EndpointError where nothing has happened for too long: no way of
        waiting in the engine is to go on for ever without a word."""
        patience = self.limits.deadline + self.limits.stalled_after
        began = time.monotonic()
        while not wake.wait(min(WATCH, patience / 4)):
            quiet = time.monotonic() - max(began, self._meter.moved_at)
            if not self._runtime.dead and quiet < patience:
                continue
            what = (
                "its event loop has ended"
                if self._runtime.dead
                else f"nothing has happened for {quiet:.0f} s"
            )
            stalled = EndpointError(
                f"the {self.endpoint.role} engine has stalled: {what} while requests wait "
                f"({self._runtime.state()}). Fix: run again (what is paid for is kept) and report this line; "
                f"slow endpoints need a longer MATHMILL_STALLED_SECONDS"
            )
            self._runtime.abort(stalled)
            raise stalled

    def _claim(self, slots: list[Slot]) -> None:
        """Join keys that are being asked for; look the others up; send for what is not there. A key is
        claimed before it is looked up and let go of after it is durable, so none slips between."""
        fresh = []
        with self._lock:
            for slot in slots:
                entry = self._entries.get(slot.key)
                if entry is None:
                    self._entries[slot.key] = entry = Entry(slot)
                    fresh.append(entry)
                else:
                    entry.slots.append(slot)
        if not fresh:
            return
        try:
            found = self.ledger.get_many((entry.key for entry in fresh), failed=True)
            missing = []
            for entry in fresh:
                stored = found.get(entry.key)
                known = (
                    first_answer(stored, entry.request, entry.key, self.endpoint.names) if stored else None
                )
                if known is None and stored:
                    known = self._given_up(entry, stored)
                if known is not None:
                    self._resolve(entry, known)
                elif self.limits.offline:
                    offline = Failure.OFFLINE
                    self._resolve(
                        entry, Completion(entry.key, None, None, Usage(0, 0), str(offline), kind=offline)
                    )
                else:
                    missing.append(entry)
            if missing:
                self._runtime.send(missing, self._resolve)
        except BaseException as error:
            for entry in fresh:
                self._resolve(entry, None, error)
            raise

    def _given_up(self, entry: Entry, stored: Sequence[Stored]) -> Completion | None:
        """The last of the unusable answers to a key, if there were as many as there are tries; else None, and they
        count as tries of this run."""
        readings = unusable_before(stored, entry.request, entry.key, self.endpoint.names)
        entry.unusable = len(readings)
        if len(readings) <= self.limits.malformed_retries:
            return None
        return replace(unusable(readings[-1]), cached=True)

    def _resolve(
        self, entry: Entry, completion: Completion | None, failure: BaseException | None = None
    ) -> None:
        """Hand an entry's end to all that wait for it. Called from any thread, effective once."""
        with self._lock:
            if self._entries.get(entry.key) is not entry:
                return
            if isinstance(failure, Abandoned) and entry.wanted():
                # Somebody joined after the last one had left: it is wanted after all.
                try:
                    self._runtime.send([entry], self._resolve)
                except RuntimeError as closed:
                    failure = closed
                else:
                    return
            del self._entries[entry.key]
        for number, slot in enumerate(entry.slots):
            if completion is None:
                slot.failure = failure
                slot.wake.set()
                continue
            free = completion.cached or number > 0
            if free and completion.kind is not Failure.OFFLINE:
                self._meter.cached(slot.request.tag)
            self._land(
                slot, replace(completion, cached=True) if free and not completion.cached else completion
            )

    def _land(self, slot: Slot, completion: Completion) -> None:
        """The slot's completion, unless it is to be asked for with a larger cap or once more."""
        try:
            again = self._again(slot, completion)
        except Exception as error:  # noqa: BLE001 - the caller's own check failed: it is told in its thread
            slot.failure = error
            slot.wake.set()
            return
        if again is None:
            slot.wake.set()
            return
        slot.ask(again, self.endpoint.revision)
        try:
            self._follow.submit(self._claim_again, slot).add_done_callback(
                lambda future: self._end_closed(slot) if future.cancelled() else None
            )
        except RuntimeError as closed:
            slot.failure = closed
            slot.wake.set()

    def _again(self, slot: Slot, completion: Completion) -> Request | None:
        request = slot.request
        if completion.error is not None:
            slot.completion = slot.fallback or completion
            return None
        if (
            completion.finish_reason == "length"
            and request.longer is not None
            and request.longer > request.max_tokens
        ):
            slot.fallback = completion
            return request.with_longer_cap()
        wrong = slot.check(completion) if slot.check is not None else None
        if wrong is None:
            slot.completion = completion
            return None
        slot.fallback = replace(
            completion, error=f"{Failure.REJECTED}: {wrong}", kind=Failure.REJECTED, detail=wrong
        )
        if slot.reasked:
            self._meter.failed(request.tag, Failure.REJECTED)
            slot.completion = slot.fallback
            return None
        slot.reasked = True
        return request.asked_again(completion.text or "", wrong)

    def _end_closed(self, slot: Slot) -> None:
        slot.failure = RuntimeError(f"the {self.endpoint.role} engine was closed")
        slot.wake.set()

    def _claim_again(self, slot: Slot) -> None:
        try:
            self._claim([slot])
        except BaseException as error:  # noqa: BLE001 - told to the run that waits for the slot
            slot.failure = error
            slot.wake.set()


def _pull(source: Iterator[Request], most: int) -> tuple[list[Request], bool]:
    """Up to `most` requests, fewer from a slow source; and whether there may be more."""
    found: list[Request] = []
    began = time.monotonic()
    for request in source:
        found.append(request)
        if len(found) >= most or time.monotonic() - began > PATIENCE:
            return found, True
    return found, False
