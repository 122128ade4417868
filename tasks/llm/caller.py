"""The only retry layer: one request is sent to one endpoint until it is answered, has failed permanently, or is deferred.

tests/chaos/test_faults.py tests the reaction to each fault.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, replace

from storage.counting import counted
from storage.ledger import Ledger
from tasks.llm import providers, wire
from tasks.llm.admission import AdmissionControl, Permit
from tasks.llm.budget import Budget
from tasks.llm.dialect import REFUSED, Dialect, adapted, fields_of, names_in, refused_extra
from tasks.llm.endpoint import Endpoint, EndpointError, EngineLimits
from tasks.llm.endpoint_pool import Address
from tasks.llm.recording import Pending, Recorder
from tasks.llm.request import Completion, ErrorObject, Failure, Request, Usage
from tasks.llm.stats import Meter
from tasks.llm.token_limits import refused_limit
from tasks.llm.transport import Response, TransportError

TRANSIENT = (408, 409, 424, 425)  # client errors that pass; 424 is Bedrock's for an error of the model
OVERLOADED = 529  # the status of Anthropic and some gateways for too many calls of all their users
MOST_TRANSIENT = 5  # factor on the permitted number of unusable answers in a row, for errors that the endpoint calls its own, while retries are left
REFUSED_IN_A_ROW = 20  # client errors before any success, from which number on the settings are wrong and not a single request


@dataclass(frozen=True, slots=True)
class Again:
    """Retry after `delay` seconds; if the deadline passes before, the call is deferred with `reason`."""

    delay: float
    reason: str
    unreadable: bool = False


@dataclass(slots=True)
class Effort:
    """What was spent on one request so far: seconds of its deadline, tries, and answers that could not be used (those of
    earlier runs included). `worst` is the most that one more try may cost, in USD and tokens, `prompt` the estimated
    length of the prompt. `most` is the token limit that a refusal left for this request, None if there was none."""

    entry: Pending
    worst: tuple[float, int]
    prompt: int
    unreadable: int
    spent: float = 0.0
    tries: int = 0
    trial: Dialect | None = None  # another dialect than the endpoint's own, for this request
    most: int | None = None

    def request(self, dialect: Dialect) -> Request:
        """Return the request with the token limit to send."""
        request = self.entry.request
        limit = dialect.limit(request, self.prompt) if self.most is None else self.most
        return request if limit >= request.max_tokens else request.with_limit(limit)


class Caller:
    """Sends requests and decides about retries. Used only in the engine's event loop."""

    def __init__(
        self,
        endpoint: Endpoint,
        ledger: Ledger,
        limits: EngineLimits,
        admission: AdmissionControl,
        meter: Meter,
        budget: Budget | None,
        run: str,
    ) -> None:
        self._endpoint = endpoint
        self._price = endpoint.price
        self._limits = limits
        self._admission = admission
        self._meter = meter
        self._budget = budget
        self._recorder = Recorder(endpoint, ledger, meter, run, admission.stop)
        self._loop = asyncio.get_running_loop()
        self.dialect = providers.dialect_of(endpoint.api)
        self._headers: dict[str, dict[str, str]] = {}  # by wire format
        self._taken: frozenset[str] = frozenset()  # fields of requests that the endpoint has answered
        self._extra_taken = False  # whether a request with the role's own further fields was answered
        self._usable = False
        self._unusable_in_a_row = 0
        self._given_up_in_a_row = 0  # of these, those that are not retried or would get the same answer again
        self._refused = 0
        self._jitter = random.Random()  # affects times only, never results

    async def ask(self, entry: Pending) -> Completion:
        """Return the completion of one request, which is stored in the ledger if it was paid for.

        Raises the error that stopped the engine, or Abandoned if nothing waits for the request any more.
        """
        prompt = wire.estimate_prompt(entry.request)
        effort = Effort(entry, self._worst_case(entry, prompt), prompt, entry.unusable)
        while True:
            permit = await self._admission.enter(effort.worst, entry.has_waiters, is_retry=effort.tries > 0)
            sent = self._loop.time()
            try:
                result = await self._attempt(effort, permit)
            finally:
                self._admission.done(permit)
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
        """Send the request once. The cost is written to the permit."""
        address, entry, dialect = permit.address, effort.entry, effort.trial or self.dialect
        left = self._limits.deadline - effort.spent
        sent, started = self._loop.time(), time.time()
        try:
            request = effort.request(dialect)
            response = await address.transport.post(*self._call(request, dialect), left)
            status = wire.stated_status(response.status, response.body)
            if (reason := self._limited(effort, request.max_tokens, status, response.body)) is not None:
                self._admission.alive(permit)
                return Again(0.0, reason)
            if not wire.is_answer(status, response.body):
                return self._refusal(effort, permit, replace(response, status=status), dialect, sent)
            self._admission.alive(permit)
            address.controller.succeeded(
                self._loop.time(), sent, len(response.body), busy=self._admission.crowded
            )
            self._refused = 0
            self._learn(effort, dialect, status)
            return await self._kept(effort, permit, status, response.body, started, sent)
        except EndpointError as error:
            self._admission.stop(error)
            return Again(0.0, str(error))
        except TransportError as error:
            if error.garbled:
                # The bytes are not available: the description of the fault is stored in their place.
                self._admission.alive(permit)
                return await self._kept(effort, permit, 200, f"({error})".encode(), started, sent)
            if error.started:
                # The endpoint had started to answer, and will charge for it.
                elapsed = self._loop.time() - sent
                permit.charge = (
                    await self._recorder.keep(entry, 200, b"", started, elapsed, last=False)
                ).charge
            self._broken(permit, str(error))
            if error.timed_out:
                return Again(self._limits.deadline, f"deadline: {error}")
            return Again(self._delay(effort), f"no answer: {self._endpoint.redact(str(error))}")

    def _call(self, request: Request, dialect: Dialect) -> tuple[str, dict[str, str], bytes]:
        """Return the path, headers and body of a call."""
        form = providers.wire_format(dialect.api)
        headers = self._headers.get(dialect.api)
        if headers is None:
            headers = self._headers[dialect.api] = self._endpoint.request_headers(dialect.api)
        return form.path(request.model), headers, form.body(request, dialect)

    async def _kept(
        self, effort: Effort, permit: Permit, status: int, raw: bytes, started: float, sent: float
    ) -> Completion | Again:
        """Record an answer. One that cannot be used is retried while retries are left; too many of them stop the run."""
        last = effort.unreadable >= self._limits.malformed_retries
        elapsed = self._loop.time() - sent
        recorded = await self._recorder.keep(effort.entry, status, raw, started, elapsed, last=last)
        permit.charge = recorded.charge
        reading = recorded.reading
        if reading.outcome is wire.CallOutcome.ANSWER:
            self._usable, self._unusable_in_a_row, self._given_up_in_a_row = True, 0, 0
        else:
            # An error that the endpoint calls its own counts only once the retries are used up: a short outage, which
            # all calls in flight meet, is no reason to stop a run.
            self._unusable_in_a_row += 1
            if reading.transient:
                self._given_up_in_a_row += effort.unreadable + 1 if last else 0
            else:
                self._given_up_in_a_row += 1
            renamed = reading.outcome is wire.CallOutcome.QUARANTINED and not self._usable
            most = self._limits.unusable_in_a_row
            if renamed or self._given_up_in_a_row >= most or self._unusable_in_a_row >= MOST_TRANSIENT * most:
                self._admission.stop(self._unusable(permit.address, reading, raw))
        if recorded.completion is not None:
            return recorded.completion
        return Again(self._delay(effort), f"{reading.outcome}: {reading.detail}", unreadable=True)

    def _unusable(self, address: Address, reading: wire.Reading, raw: bytes) -> EndpointError:
        """Return the error that stops a run because answers cannot be used."""
        end = self._endpoint
        if reading.outcome is wire.CallOutcome.QUARANTINED:
            name = end.redact(reading.completion.model)
            return EndpointError(
                f"{end.role} endpoint {address.name} answers as {name!r} to calls for {end.model!r}. Fix: "
                f"if that is the same model, set {end.setting('ACCEPT_MODELS')}='[\"{name}\"]'; "
                f"else correct {end.setting('MODEL')}"
            )
        example = end.redact(raw[:4096].decode("utf-8", "replace"))
        fix = f"correct {end.setting('BASE_URL')} (it usually ends in /v1) or {end.setting('MODEL')}"
        if reading.outcome is wire.CallOutcome.EMPTY:
            fix = f"correct {end.setting('MODEL')} (this one answers without text)"
        return EndpointError(
            f"{end.role} endpoint {address.name}: {counted(self._unusable_in_a_row, 'answer')} in a row cannot be used "
            f"({reading.outcome}: {end.redact(reading.detail)}), for example {example!r}. Fix: {fix}, or allow more by "
            f"MATHMILL_UNUSABLE_IN_A_ROW; what is paid for is kept"
        )

    def _learn(self, effort: Effort, dialect: Dialect, status: int) -> None:
        """Note the fields of an answered request as accepted. A dialect that was tried for one request and answered
        becomes the dialect of the endpoint."""
        if not 200 <= status < 300:
            return
        self._taken |= fields_of(effort.entry.request, dialect)
        self._extra_taken |= bool(self._endpoint.sampling.extra.keys() & effort.entry.request.extra.keys())
        if effort.trial is not None:
            self.dialect = effort.trial

    def _refusal(
        self, effort: Effort, permit: Permit, response: Response, dialect: Dialect, sent: float
    ) -> Completion | Again:
        """Decide about a status that is no answer and costs nothing: retry, adapt the request, stop the run, or fail."""
        end, status, address = self._endpoint, response.status, permit.address
        error = wire.error_of(response.body)
        detail = end.redact(error.message)
        reason = f"http {status}: {detail}"
        stated = wire.retry_after(response.headers, time.time())
        wait = stated or 0.0
        on_trial = effort.trial is not None
        if self._translate(effort, dialect, response) or self._adapt(effort, dialect, status, error):
            if status == 500 and not on_trial and effort.trial is not None:  # it may also be an outage
                self._broken(permit, f"http {status}")
                return Again(self._delay(effort), reason)
            self._admission.alive(permit)
            return Again(0.0, reason)
        if (status >= 500 and status != OVERLOADED) or status in TRANSIENT:
            self._broken(permit, f"http {status}")
            return Again(max(wait, self._delay(effort)), reason)
        self._admission.alive(permit)
        out_of_money = wire.is_quota(error, stated)
        if status in (429, OVERLOADED) and not out_of_money:
            address.controller.refused(self._loop.time(), sent)
            # Later than the endpoint asked for, because all other refused calls come back at that moment.
            return Again(wait + self._delay(effort), reason)
        if status in REFUSED and (extra := self._refused_extra(effort.entry.request, error)) is not None:
            self._admission.stop(
                EndpointError(
                    f"{end.role} endpoint {address.name} does not take the field {extra!r} of "
                    f"{end.setting('EXTRA')}: {reason}. Fix: take the field out of it, or correct its value"
                )
            )
            return Again(0.0, reason)
        # Anthropic reports a spending limit that the account has reached as an invalid request.
        stopping = 402 if status == 400 and out_of_money else status
        if (stop := end.stopped_by(address.name, stopping, reason)) is not None:
            self._admission.stop(stop)
            return Again(0.0, reason)
        self._refused += 1
        if self._refused >= REFUSED_IN_A_ROW and not self._meter.answered:
            self._admission.stop(
                EndpointError(
                    f"{end.role} endpoint {address.name} refuses every request: {reason}. Fix: correct "
                    f"{end.setting('MODEL')}{', ' + end.setting('EXTRA') if end.sampling.extra else ''} or "
                    f"{end.setting('BASE_URL')}"
                )
            )
        return Completion(
            effort.entry.key, None, None, Usage(0, 0), reason, kind=Failure.HTTP, detail=f"{status}: {detail}"
        )

    def _refused_extra(self, request: Request, error: ErrorObject) -> str | None:
        """Return the field of the role's own `extra` that a refusal names, None if the endpoint has answered with it."""
        own = {name: value for name, value in self._endpoint.sampling.extra.items() if name in request.extra}
        return None if self._extra_taken else refused_extra(names_in(own), error)

    def _limited(self, effort: Effort, sent: int, status: int, raw: bytes) -> str | None:
        """Return the reason to send a request again with a smaller token limit, None if it was not refused for that.

        The limit of the model and the length of its context window are noted for all requests.
        """
        if 200 <= status < 300:
            return None
        error = wire.error_of(raw)
        limit = refused_limit(sent, effort.prompt, status, error)
        if limit is None:
            return None
        effort.most = limit.most
        self.dialect = self.dialect.with_limit(limit, effort.prompt)
        return f"http {status}: {self._endpoint.redact(error.message)}"

    def _translate(self, effort: Effort, dialect: Dialect, response: Response) -> bool:
        """Return whether the request is to be sent again because the refusal shows that the endpoint takes another wire
        format than chat completions, which then becomes that of the endpoint."""
        if dialect.api != providers.CHAT or effort.trial is not None:
            return False
        api = providers.recognised(response.status, wire.parsed(response.body))
        if api is None:
            return False
        if self.dialect.api == dialect.api:
            self.dialect = providers.dialect_of(api)
        return True

    def _adapt(self, effort: Effort, dialect: Dialect, status: int, error: ErrorObject) -> bool:
        """Return whether the request is to be sent again in another dialect.

        A refusal that names a field changes the dialect of the endpoint. A refusal that names none is followed by one
        try without the fields that were never accepted (after a plain 500: without the schema), and only if that is
        answered does the dialect change.
        """
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

    def _broken(self, permit: Permit, reason: str) -> None:
        """Record a server error or a missing answer."""
        self._admission.failed(permit, reason)
        # A single failure may be chance and says nothing about the load of the endpoint.
        if permit.address.breaker.failures > 1:
            permit.address.controller.failed(self._loop.time(), self._limits.breaker_cooloff)

    async def _pause(self, delay: float) -> None:
        """Sleep for `delay` seconds, or until the engine is stopped."""
        if delay <= 0 or self._admission.stopped.is_set():
            return
        try:
            await asyncio.wait_for(self._admission.stopped.wait(), delay)
        except TimeoutError:
            return

    def _delay(self, effort: Effort) -> float:
        """Return the seconds before the next try: exponential backoff with full jitter."""
        longest = min(self._limits.backoff_cap, self._limits.backoff * 2.0 ** min(effort.tries, 20))
        return self._jitter.uniform(0.0, longest)

    def _worst_case(self, entry: Pending, prompt: int) -> tuple[float, int]:
        """Return the most that one try may cost, in USD and tokens; zero without a budget."""
        if self._budget is None:
            return 0.0, 0
        most = entry.request.max_tokens
        return self._price.most(prompt, most), prompt + most
