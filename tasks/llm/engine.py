"""The engine through which the whole project calls models.

`Engine.run` is an ordinary generator: requests in, completions out in the same order, both streamed. One event loop in
a thread of its own sends the calls of all runs of the engine. A request whose answer is in the ledger, or that is in
flight already, is not sent again.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from storage.ledger import Ledger, Stored
from tasks.llm.admission import Abandoned
from tasks.llm.budget import Budget, BudgetExceeded, BudgetState
from tasks.llm.endpoint import Endpoint, EndpointError, EngineLimits
from tasks.llm.pending import CompletionCheck, PendingKey, WaitingRequest
from tasks.llm.recording import first_answer, given_up, unusable_before
from tasks.llm.request import Completion, Failure, Request, Usage
from tasks.llm.runtime import Runtime
from tasks.llm.sampling import limit_after
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

CHUNK = 128  # requests that are looked up in the ledger together
WATCH = 5.0  # seconds between the checks of the watchdog
PATIENCE = 0.005  # seconds to wait for a slow source before the requests that it gave are sent


class Engine:
    """Sends requests to one endpoint and stores the answers in one ledger. Thread-safe; `close` it, or use `with`.

    `budget` is shared with the other engines of a run. `transports` replaces the endpoint's own (one per base URL), for
    an application served in this process. `through` gets the requests of every run first: `batch.Batches.through` has
    them answered by batches before the run sends the rest. `run` is the name under which the ledger sums the calls.
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
        self._price = endpoint.price
        self._through = through
        self._meter = Meter()
        self._entries: dict[str, PendingKey] = {}
        self._lock = threading.Lock()
        self._runtime = Runtime(endpoint, ledger, self.limits, self._meter, budget, transports, run)
        self._follow_ups = ThreadPoolExecutor(1, thread_name_prefix=f"{endpoint.role}-again")

    def run(self, requests: Iterable[Request], check: CompletionCheck | None = None) -> Iterator[Completion]:
        """Yield the completions of `requests`, in their order; memory is bounded by `limits.window`.

        `check` returns what is wrong with an answer, or None. A rejected answer is re-asked once, with the answer and
        the words of the fault quoted; a second failure has the `error` "rejected: ...". `check` may run in any thread. Raises
        EndpointError or BudgetExceeded at the first request that was not answered because of it, after all calls in
        flight have been stored.
        """
        for batch in self._batches(self._source(requests), check):
            yield from batch

    def check(self) -> list[str]:
        """Return the names of the models that the endpoint serves, sorted, before any paid call.

        Every base URL is tried. Raises EndpointError if none answers within `endpoint.wait_ready` seconds, or if the
        key or the model is refused. The embedded teacher is always ready. Returns an empty list when offline.
        """
        return [] if self.limits.offline else self._runtime.probe()

    @property
    def members(self) -> tuple[Engine, ...]:
        """The engines of the models that answer: this one, or those of a mix (tasks/llm/mix.py)."""
        return (self,)

    def asked_of(self, completion: Completion) -> Endpoint:
        """Return the endpoint that a completion of this engine was requested from."""
        return self.endpoint

    def stats(self) -> Stats:
        """Return the counters of the engine so far."""
        return self._runtime.stats()

    def close(self) -> None:
        """Wait for the calls in flight, then end the event loop. No new call is sent."""
        self._follow_ups.shutdown(wait=True, cancel_futures=True)
        self._runtime.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _source(self, requests: Iterable[Request]) -> Iterator[Request]:
        sampling = self.endpoint.sampling
        sampled = (sampling.applied(request) for request in requests)
        return sampled if self._through is None else self._through(sampled)

    def _batches(
        self, source: Iterator[Request], check: CompletionCheck | None
    ) -> Generator[list[Completion], None, None]:
        spread = self.limits.spread
        refill = min(CHUNK, max(1, spread // 4))  # fewer are not worth a query of the ledger
        wake = threading.Event()
        window: deque[WaitingRequest] = deque()
        unsent: list[Request] = []
        more = True
        try:
            while more or window:
                while more and spread - len(window) >= refill and not (window and window[0].done):
                    fresh, more = _pull(source, min(CHUNK, spread - len(window)))
                    slots = [
                        WaitingRequest(request, self.endpoint.revision, check, wake) for request in fresh
                    ]
                    window.extend(slots)
                    self._claim(slots)
                wake.clear()
                ready = []
                while window and window[0].completion is not None:
                    slot = window.popleft()
                    ready.append(slot.completion)
                    if slot.unsent is not None:
                        unsent.append(slot.unsent)
                if unsent and not window and self._through is not None:
                    # Follow-ups of a run that sends nothing itself are written to files, for which this raises. It comes before
                    # the last completions, since a caller that has all of these asks for no more.
                    deque(self._through(unsent), maxlen=0)
                    unsent.clear()
                if ready:
                    yield [completion for completion in ready if completion is not None]
                elif window and window[0].failure is not None:
                    raise window[0].failure
                elif window:
                    self._wait(wake)
        finally:
            for slot in window:
                slot.abandoned = True

    def _wait(self, wake: threading.Event) -> None:
        """Wait until a slot is done.

        Raises EndpointError if nothing has happened for too long, so that no fault of the engine can hang a run
        without an error.
        """
        patience = self.limits.deadline + self.limits.stalled_after
        started = time.monotonic()
        while not wake.wait(min(WATCH, patience / 4)):
            quiet = time.monotonic() - max(started, self._meter.moved_at)
            if not self._runtime.dead and quiet < patience:
                continue
            problem = (
                "its event loop has ended"
                if self._runtime.dead
                else f"nothing has happened for {quiet:.0f} s"
            )
            stalled = EndpointError(
                f"the {self.endpoint.role} engine has stalled: {problem} while requests wait "
                f"({self._runtime.state()}). Fix: run again (what is paid for is kept) and report this line; "
                f"slow endpoints need a longer MATHMILL_STALLED_SECONDS"
            )
            self._runtime.abort(stalled)
            raise stalled

    def _claim(self, slots: list[WaitingRequest]) -> None:
        """Join the keys that are in flight, look the others up in the ledger, and send what is missing.

        A key is claimed before it is looked up and released after its answer is stored, so none is sent twice.
        """
        fresh = []
        with self._lock:
            for slot in slots:
                entry = self._entries.get(slot.key)
                if entry is None:
                    self._entries[slot.key] = entry = PendingKey(slot)
                    fresh.append(entry)
                else:
                    entry.slots.append(slot)
        if not fresh:
            return
        try:
            stored_by_key = self.ledger.get_many((entry.key for entry in fresh), failed=True)
            missing = []
            for entry in fresh:
                stored = stored_by_key.get(entry.key)
                known = (
                    first_answer(stored, entry.request, entry.key, self.endpoint.names, self._price)
                    if stored
                    else None
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

    def _given_up(self, entry: PendingKey, stored: Sequence[Stored]) -> Completion | None:
        """Return the last unusable answer to a key if the retries are used up; else None, and the unusable answers
        count as retries of this run."""
        names = self.endpoint.names
        entry.unusable = len(unusable_before(stored, entry.request, entry.key, names))
        return given_up(stored, entry.request, entry.key, names, self.limits.malformed_retries)

    def _resolve(
        self, entry: PendingKey, completion: Completion | None, failure: BaseException | None = None
    ) -> None:
        """Deliver the result of an entry to all slots that wait for it. Called from any thread; only the first call counts."""
        with self._lock:
            if self._entries.get(entry.key) is not entry:
                return
            if isinstance(failure, Abandoned) and entry.has_waiters():
                # A run joined after the last one had left: send the call after all.
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
            self._deliver(
                slot, replace(completion, cached=True) if free and not completion.cached else completion
            )

    def _deliver(self, slot: WaitingRequest, completion: Completion) -> None:
        """Complete a slot, unless its request is to be sent with a larger token limit or re-asked."""
        try:
            again = self._follow_up(slot, completion)
        except Exception as error:  # noqa: BLE001 - the caller's own check failed: raised again in its thread
            slot.failure = error
            slot.wake.set()
            return
        if again is None:
            slot.wake.set()
            return
        slot.ask(again, self.endpoint.revision)
        try:
            self._follow_ups.submit(self._claim_again, slot).add_done_callback(
                lambda future: self._end_closed(slot) if future.cancelled() else None
            )
        except RuntimeError as closed:
            slot.failure = closed
            slot.wake.set()

    def _follow_up(self, slot: WaitingRequest, completion: Completion) -> Request | None:
        """Return the request to send after a completion, or None if the slot has its completion."""
        request = slot.request
        if completion.kind is Failure.DEFERRED:
            # the next run sends the follow-up, so its answer and not the unusable one before it is what the slot waits for
            slot.completion = completion
            return None
        if completion.kind is Failure.OFFLINE and slot.fallback is not None:
            slot.unsent = request
        if completion.error is not None:
            slot.completion = slot.fallback or completion
            return None
        if slot.earlier is not None:
            completion, slot.earlier = completion.after(slot.earlier), None
        if (limit := limit_after(request, completion)) is not None:
            slot.fallback = slot.earlier = completion
            return request.with_limit(limit)
        wrong = slot.check(completion) if slot.check is not None else None
        if wrong is None:
            slot.completion = completion
            return None
        slot.fallback = replace(
            completion, error=f"{Failure.REJECTED}: {wrong.words}", kind=Failure.REJECTED, detail=wrong.words
        )
        if slot.reasked:
            self._meter.failed(request.tag, Failure.REJECTED)
            slot.completion = slot.fallback
            return None
        slot.reasked, slot.earlier = True, completion
        return request.reask(completion.text or "", wrong)

    def _end_closed(self, slot: WaitingRequest) -> None:
        slot.failure = RuntimeError(f"the {self.endpoint.role} engine was closed")
        slot.wake.set()

    def _claim_again(self, slot: WaitingRequest) -> None:
        try:
            self._claim([slot])
        except BaseException as error:  # noqa: BLE001 - raised again in the run that waits for the slot
            slot.failure = error
            slot.wake.set()


def _pull(source: Iterator[Request], most: int) -> tuple[list[Request], bool]:
    """Return up to `most` requests, fewer from a slow source, and whether there may be more."""
    requests: list[Request] = []
    started = time.monotonic()
    for request in source:
        requests.append(request)
        if len(requests) >= most or time.monotonic() - started > PATIENCE:
            return requests, True
    return requests, False
