"""One request against one endpoint until it is answered, has failed for good, or must wait: the
single retry layer. Every fault and what is done about it is tested in tests/chaos/test_faults.py."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, replace

from storage.ledger import Ledger
from tasks.llm import wire
from tasks.llm.admission import Gate, Permit
from tasks.llm.budget import Budget
from tasks.llm.dialect import REFUSED, Dialect, adapted, body, fields_of
from tasks.llm.endpoint import Endpoint, EndpointError, EngineLimits
from tasks.llm.endpoint_pool import Lane
from tasks.llm.recording import Booker, Pending
from tasks.llm.request import Completion, Failure, Usage
from tasks.llm.stats import Meter
from tasks.llm.transport import Response, TransportError

PATH = "/chat/completions"
MOST_TRANSIENT = 5  # times as many answers in a row may be broken by the endpoint's own word, with tries left
REFUSED_IN_A_ROW = 20  # client errors before any success: the request itself is wrong, not one item


@dataclass(frozen=True, slots=True)
class Again:
    """Try once more after `delay` seconds; if there is no time left, end with `reason`."""

    delay: float
    reason: str
    unreadable: bool = False


@dataclass(slots=True)
class Effort:
    """What was spent on one request so far: seconds of its deadline, tries, answers that could not be read (those
    of earlier runs too).
    `worst` is what one more send may cost, in USD and tokens."""

    entry: Pending
    worst: tuple[float, int]
    unreadable: int
    spent: float = 0.0
    tries: int = 0
    trial: Dialect | None = None  # another dialect than the endpoint's own, for this request


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
        self.dialect = Dialect()
        self._taken: frozenset[str] = frozenset()  # fields that were answered
        self._usable = False
        self._unusable_in_a_row = 0
        self._given_up_in_a_row = (
            0  # of them, those that are not to be asked again or would be answered so again
        )
        self._refused = 0
        self._jitter = random.Random()  # decides when, never what

    async def ask(self, entry: Pending) -> Completion:
        """The completion of one request, durable in the ledger if it was paid for. Raises what
        stopped the engine, or Abandoned."""
        effort = Effort(entry, self._worst_case(entry), entry.unusable)
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
                result = Completion(
                    entry.key,
                    None,
                    None,
                    Usage(0, 0),
                    reason,
                    kind=Failure.DEFERRED,
                    detail=result.reason,
                )
            if result.kind is not None:
                self._meter.failed(entry.request.tag, result.kind)
            return result

    async def _attempt(self, effort: Effort, permit: Permit) -> Completion | Again:
        """One send. What it cost is noted in the permit."""
        lane, entry, dialect = permit.lane, effort.entry, effort.trial or self.dialect
        left = self._limits.deadline - effort.spent
        sent, started = self._loop.time(), time.time()
        try:
            response = await lane.transport.post(PATH, self._headers, body(entry.request, dialect), left)
            status = wire.stated_status(response.status, response.body)
            if not wire.is_answer(status, response.body):
                return self._refusal(effort, permit, replace(response, status=status), dialect, sent)
            self._gate.alive(permit)
            lane.controller.succeeded(self._loop.time(), sent, len(response.body), busy=self._gate.crowded)
            self._refused = 0
            self._learn(effort, dialect, status)
            return await self._kept(effort, permit, status, response.body, started, sent)
        except EndpointError as error:
            self._gate.stop(error)
            return Again(0.0, str(error))
        except TransportError as error:
            if error.garbled:
                # The bytes are not to be had; what is known about them is stored in their place.
                self._gate.alive(permit)
                return await self._kept(effort, permit, 200, f"({error})".encode(), started, sent)
            if error.started:
                # The endpoint had begun to answer, and will bill it.
                elapsed = self._loop.time() - sent
                permit.bill = (await self._booker.keep(entry, 200, b"", started, elapsed, last=False)).bill
            self._broken(permit, str(error))
            if error.timed_out:
                return Again(self._limits.deadline, f"deadline: {error}")
            return Again(self._delay(effort), f"no answer: {self._endpoint.redact(str(error))}")

    async def _kept(
        self, effort: Effort, permit: Permit, status: int, raw: bytes, started: float, sent: float
    ) -> Completion | Again:
        """The answer made durable and read. One that cannot be used is asked for again while there are tries left, and
        stops the run where none can be used."""
        last = effort.unreadable >= self._limits.malformed_retries
        elapsed = self._loop.time() - sent
        booked = await self._booker.keep(effort.entry, status, raw, started, elapsed, last=last)
        permit.bill = booked.bill
        reading = booked.reading
        if reading.outcome is wire.Outcome.ANSWER:
            self._usable, self._unusable_in_a_row, self._given_up_in_a_row = True, 0, 0
        else:
            # what broke by the endpoint's own word counts once its tries are used up: a moment's outage, met by all calls
            # in flight, is no reason to end a run
            self._unusable_in_a_row += 1
            if reading.transient:
                self._given_up_in_a_row += effort.unreadable + 1 if last else 0
            else:
                self._given_up_in_a_row += 1
            renamed = reading.outcome is wire.Outcome.QUARANTINED and not self._usable
            most = self._limits.unusable_in_a_row
            if renamed or self._given_up_in_a_row >= most or self._unusable_in_a_row >= MOST_TRANSIENT * most:
                self._gate.stop(self._unusable(permit.lane, reading, raw))
        if booked.completion is not None:
            return booked.completion
        return Again(self._delay(effort), f"{reading.outcome}: {reading.detail}", unreadable=True)

    def _unusable(self, lane: Lane, reading: wire.Reading, raw: bytes) -> EndpointError:
        end = self._endpoint
        if reading.outcome is wire.Outcome.QUARANTINED:
            name = end.redact(reading.completion.model)
            return EndpointError(
                f"{end.role} endpoint {lane.name} answers as {name!r} to calls for {end.model!r}. Fix: "
                f"if that is the same model, set {end.setting('ACCEPT_MODELS')}='[\"{name}\"]'; "
                f"else correct {end.setting('MODEL')}"
            )
        example = end.redact(raw[:4096].decode("utf-8", "replace"))
        fix = f"correct {end.setting('BASE_URL')} (it usually ends in /v1) or {end.setting('MODEL')}"
        if reading.outcome is wire.Outcome.EMPTY:
            fix = f"correct {end.setting('MODEL')} (this one answers without text)"
        return EndpointError(
            f"{end.role} endpoint {lane.name}: {self._unusable_in_a_row} answers in a row cannot be used "
            f"({reading.outcome}: {end.redact(reading.detail)}), for example {example!r}. Fix: {fix}, or allow more by "
            f"MATHMILL_UNUSABLE_IN_A_ROW; what is paid for is kept"
        )

    def _learn(self, effort: Effort, dialect: Dialect, status: int) -> None:
        """What an answered request was sent with is taken; a dialect that was tried for one request and answered is
        the endpoint's."""
        if not 200 <= status < 300:
            return
        self._taken |= fields_of(effort.entry.request, dialect)
        if effort.trial is not None:
            self.dialect = effort.trial

    def _refusal(
        self, effort: Effort, permit: Permit, response: Response, dialect: Dialect, sent: float
    ) -> Completion | Again:
        """A status that is no answer: unbilled."""
        end, status, lane = self._endpoint, response.status, permit.lane
        error = wire.error_of(response.body)
        detail = end.redact(error.message)
        said = f"http {status}: {detail}"
        stated = wire.retry_after(response.headers, time.time())
        asked = stated or 0.0
        on_trial = effort.trial is not None
        if self._adapt(effort, dialect, status, error):
            if status == 500 and not on_trial and effort.trial is not None:  # an outage looks the same
                self._broken(permit, f"http {status}")
                return Again(self._delay(effort), said)
            self._gate.alive(permit)
            return Again(0.0, said)
        if status >= 500 or status in (408, 409, 425):
            self._broken(permit, f"http {status}")
            return Again(max(asked, self._delay(effort)), said)
        self._gate.alive(permit)
        if status == 429 and not wire.is_quota(error, stated):
            lane.controller.refused(self._loop.time(), sent)
            # Past what it asked for, not at it: everyone else it refused comes back then too.
            return Again(asked + self._delay(effort), said)
        if (stop := end.stopped_by(lane.name, status, said)) is not None:
            self._gate.stop(stop)
            return Again(0.0, said)
        self._refused += 1
        if self._refused >= REFUSED_IN_A_ROW and not self._meter.answered:
            self._gate.stop(
                EndpointError(
                    f"{end.role} endpoint {lane.name} refuses every request: {said}. Fix: correct "
                    f"{end.setting('MODEL')} or {end.setting('BASE_URL')}"
                )
            )
        return Completion(
            effort.entry.key, None, None, Usage(0, 0), said, kind=Failure.HTTP, detail=f"{status}: {detail}"
        )

    def _adapt(self, effort: Effort, dialect: Dialect, status: int, error: wire.WireError) -> bool:
        """Whether the request is to be sent again in another dialect. A refusal that names a field changes the dialect of
        the endpoint. One that names none is followed by one try without every field that was never seen to be taken
        (after a plain 500: without the schema); only its answer changes the dialect."""
        request = effort.entry.request
        new = adapted(dialect, request, status, error)
        if effort.trial is not None:
            if new is not None:
                effort.trial = new
            return new is not None
        if new is not None and self.dialect == dialect:
            self.dialect = new
        if self.dialect != dialect and (new is not None or status in REFUSED):
            return True
        untried = fields_of(request, dialect) - self._taken
        if status == 500:
            untried &= {"response_format"} if effort.tries else set()
        if status not in (400, 422, 500) or not untried:
            return False
        effort.trial = replace(dialect, without=dialect.without | untried)
        return True

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
