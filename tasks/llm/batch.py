"""Batch mode: requests are answered within a day at half the price, by a service of tasks/llm/batch_services.py.

`Batches.through` comes before an engine's run: it reads every request, sends those without an answer in the ledger as
batches, waits, stores the answers in the ledger, and passes the requests on. All state is in files, so that a restarted
run continues: `<name>.jsonl` (the input), `.asked.jsonl` (the canonical requests), `.state.json`, `.output.jsonl` and
`.errors.jsonl` (as downloaded).
"""

from __future__ import annotations

import hashlib
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING

import orjson

from storage.atomic import replacing, write_bytes
from storage.counting import counted
from storage.ledger import CallUsage, Ledger
from tasks.llm import providers, wire
from tasks.llm.batch_services import Submission, batch_service
from tasks.llm.budget import Budget
from tasks.llm.dialect import adapted
from tasks.llm.endpoint import MALFORMED_RETRIES, Endpoint, EndpointError, host_of
from tasks.llm.imports import from_batch, put_answers, read_requests
from tasks.llm.recording import first_answer, given_up
from tasks.llm.redaction import Redactor
from tasks.llm.request import Request, key_of, request_of

if TYPE_CHECKING:
    import openai

MOST_REQUESTS = 50_000  # the API's limits for one input file
MOST_BYTES = 200 * 1024 * 1024


class AnswersAwaited(RuntimeError):
    """Batch files were written and have to be answered by another program; run again when that is done."""


@dataclass(frozen=True, slots=True)
class BatchState:
    """The state of one batch.

    `status` is "written" before the batch is submitted, "collected" once its answers are in the ledger, and the word of
    the API in between. `worst_usd` and `worst_tokens` are the most that it may cost.
    """

    name: str
    count: int
    worst_usd: float
    worst_tokens: int
    status: str = "written"
    batch_id: str = ""
    skipped: dict[str, int] | None = None


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """The limits of batch mode.

    The service is polled every `poll` seconds; `unreachable_after` seconds without an answer of it stop the run. A file
    has at most `most_requests` lines and `most_bytes` bytes. `malformed_retries` is that of EngineLimits.
    """

    poll: float = 30.0
    most_requests: int = MOST_REQUESTS
    most_bytes: int = MOST_BYTES
    unreachable_after: float = 3600.0
    malformed_retries: int = MALFORMED_RETRIES


class Batches:
    """The batches of one endpoint in one folder. Thread-safe.

    Without `submit` the files are only written, and collected when another program has put `<name>.output.jsonl` beside
    them.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        ledger: Ledger,
        folder: Path,
        limits: BatchLimits = BatchLimits(),
        *,
        budget: Budget | None = None,
        submit: bool = True,
        run: str = "",
    ) -> None:
        self._endpoint = endpoint
        self._price = endpoint.price.batched()
        self._ledger = ledger
        self._folder = folder
        self._budget = budget
        self._limits = limits
        self._submit = submit
        self._service = batch_service(endpoint)
        self._run = run
        # What the service refuses is learnt as in tasks/llm/caller.py.
        self._dialect = providers.dialect_of(endpoint.api)
        self._held: set[str] = set()
        self._lock = threading.Lock()

    def through(self, requests: Iterable[Request]) -> Iterator[Request]:
        """Yield the same requests, once every batch for them has ended.

        Requests that a batch did not answer (expired, failed) are left to the engine. Raises EndpointError,
        BudgetExceeded, or AnswersAwaited if the batches are not submitted and answers are missing.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self._folder) as spool:
            for request in requests:
                note = {"tag": request.tag, "longer": request.longer}
                spool.write(orjson.dumps([request.canonical(self._endpoint.revision).decode(), note]) + b"\n")
            dialect = None
            # Once more, in another dialect, for what was refused because of a field.
            while dialect != self._dialect:
                dialect = self._dialect
                with self._lock:
                    self.write(_spooled(spool))
                self.run() if self._submit else self.collect()
            yield from _spooled(spool)

    def write(self, requests: Iterable[Request]) -> list[BatchState]:
        """Write input files for the requests that have no answer in the ledger, may be sent, and are in no open batch."""
        taken = {key for state in self._open() for key in self._requests_of(state)}
        written: list[BatchState] = []
        source = iter(requests)
        lines: list[tuple[str, bytes, Request, bytes]] = []
        size = 0
        while chunk := list(islice(source, 500)):
            forms = [request.canonical(self._endpoint.revision) for request in chunk]
            keys = [key_of(form) for form in forms]
            have = self._ledger.get_many(keys, failed=True)
            for request, form, key in zip(chunk, forms, keys, strict=True):
                stored, names, retries = (
                    have.get(key, ()),
                    self._endpoint.names,
                    self._limits.malformed_retries,
                )
                if key in taken or first_answer(stored, request, key, names) is not None:
                    continue
                if given_up(stored, request, key, names, retries) is not None:
                    continue  # the engine returns the last unusable answer
                taken.add(key)
                data = self._service.line(key, request, self._dialect)
                if lines and (
                    len(lines) >= self._limits.most_requests or size + len(data) > self._limits.most_bytes
                ):
                    written.append(self._write(lines))
                    lines, size = [], 0
                lines.append((key, form, request, data))
                size += len(data)
        if lines:
            written.append(self._write(lines))
        return written

    def run(self) -> None:
        """Submit the written batches, and wait until every batch that is open now has ended and is collected."""
        import openai  # takes most of a second: only for runs that submit batches

        client = self._client()
        answered = time.monotonic()
        mine = {state.name for state in self._open()}
        while mine & {state.name for state in self._open()}:
            try:
                with self._lock:
                    for state in self._open():
                        self._advance(client, state)
                answered = time.monotonic()
            except openai.APIError as error:
                status = error.status_code if isinstance(error, openai.APIStatusError) else 0
                if 400 <= status < 500 and status != 429:
                    stated = providers.stated_status({"error": error.body})
                    raise self._stopped(error.message, stated or status) from error
                # The service is unreachable; its batches continue meanwhile, and this run at the next poll.
                if time.monotonic() - answered > self._limits.unreachable_after:
                    raise self._stopped(error.message, status) from error
            if mine & {state.name for state in self._open()}:
                time.sleep(self._limits.poll)

    def collect(self) -> None:
        """Collect the answers that another program has put beside the files. Raises AnswersAwaited if some are missing."""
        with self._lock:
            for state in self._open():
                if self._path(state, "output.jsonl").exists():
                    self._collect(state)
            left = self._open()
        if left:
            files = ", ".join(str(self._path(state, "jsonl")) for state in left[:3])
            more = f" and {len(left) - 3} more" if len(left) > 3 else ""
            raise AnswersAwaited(
                f"{counted(sum(state.count for state in left), 'request')} without an answer in {files}{more}. Fix: answer "
                "NAME.jsonl into NAME.output.jsonl beside it (vllm run-batch -i, -o), then run again"
            )

    def _open(self) -> list[BatchState]:
        return [state for state in self.states() if state.status != "collected"]

    def states(self) -> list[BatchState]:
        """Return the state of every batch in the folder, in order of name."""
        files = sorted(self._folder.glob("batch-*.state.json"))
        return [BatchState(**orjson.loads(file.read_bytes())) for file in files]

    def _advance(self, client: openai.OpenAI, state: BatchState) -> None:
        if not state.batch_id:
            if self._budget is not None and not self._budget.reserve(state.worst_usd, state.worst_tokens):
                return  # calls in flight must end first
            self._held.add(state.name)
            state = replace(
                state, batch_id=self._service.submitted(client, self._submission(state)), status="validating"
            )
            self._save(state)
        progress = self._service.progress(client, state.batch_id)
        if progress.status != state.status:
            state = replace(state, status=progress.status)
            self._save(state)
        if not progress.ended:
            return
        if progress.failure is not None:
            raise EndpointError(
                f"{self._endpoint.role} batch {state.batch_id} failed: {self._endpoint.redact(progress.failure)}. Fix: correct "
                f"what it names, then remove {self._folder / state.name}.* to have it written anew"
            )
        for kind, name in progress.results.items():
            self._download(client, name, self._path(state, f"{kind}.jsonl"))
        self._collect(state)

    def _submission(self, state: BatchState) -> Submission:
        others = {other.batch_id for other in self.states()} - {""}
        return Submission(state.name, self._path(state, "jsonl"), state.count, others)

    def _download(self, client: openai.OpenAI, name: str, path: Path) -> None:
        """Download a result file of the service line by line, without any secret that it echoes."""
        redactor, left = self._endpoint.redactor, b""
        with (
            self._service.results(client, name) as pieces,
            replacing(path) as part,
            part.open("wb") as out,
        ):
            for data in pieces:
                *lines, left = (left + data).split(b"\n")
                out.writelines(_redacted(redactor, line) + b"\n" for line in lines)
            out.write(_redacted(redactor, left))

    def _collect(self, state: BatchState) -> None:
        """Store the downloaded answers in the ledger, and only then mark the batch as collected."""
        end, requests = self._endpoint, self._requests_of(state)
        skipped: Counter[str] = Counter()
        bought = {"role": end.role, "price": self._price, "names": end.names, "run": self._run}
        spent = CallUsage(0, "", 0, 0, False, 0.0)
        for kind in ("output", "errors"):
            path = self._path(state, f"{kind}.jsonl")
            if path.exists():
                sums = put_answers(
                    self._ledger, from_batch(path, requests, skipped, self._refused, **bought), end.redactor
                )
                spent = CallUsage(
                    0,
                    "",
                    spent.prompt_tokens + sums.prompt_tokens,
                    spent.completion_tokens + sums.completion_tokens,
                    spent.estimated or sums.estimated > 0,
                    spent.cost + sums.cost,
                )
        if self._budget is not None and state.name in self._held:
            self._budget.release((state.worst_usd, state.worst_tokens), spent)
            self._held.discard(state.name)
        self._save(replace(state, status="collected", skipped=dict(skipped)))

    def _refused(self, request: Request, status: int, raw: bytes) -> None:
        """Leave a field out from now on, if the service refused a request because of it."""
        new = adapted(self._dialect, request, status, wire.error_of(raw))
        if new is not None:
            self._dialect = new

    def _write(self, lines: list[tuple[str, bytes, Request, bytes]]) -> BatchState:
        digest = hashlib.sha256(b"".join(data for *_, data in lines)).hexdigest()[:16]
        prompt_tokens = sum(wire.estimate_prompt(request) for _, _, request, _ in lines)
        completion_tokens = sum(request.max_tokens for _, _, request, _ in lines)
        state = BatchState(
            f"batch-{digest}",
            len(lines),
            self._price.most(prompt_tokens, completion_tokens),
            prompt_tokens + completion_tokens,
        )
        write_bytes(self._path(state, "jsonl"), b"".join(data for *_, data in lines))
        stored_requests = [
            {"key": key, "canonical": form.decode(), "tag": request.tag} for key, form, request, _ in lines
        ]
        write_bytes(
            self._path(state, "asked.jsonl"), b"".join(orjson.dumps(item) + b"\n" for item in stored_requests)
        )
        self._save(state)
        return state

    def _requests_of(self, state: BatchState) -> dict[str, tuple[bytes, str]]:
        return read_requests(self._path(state, "asked.jsonl"))

    def _path(self, state: BatchState, kind: str) -> Path:
        return self._folder / f"{state.name}.{kind}"

    def _save(self, state: BatchState) -> None:
        write_bytes(self._path(state, "state.json"), orjson.dumps(asdict(state), option=orjson.OPT_INDENT_2))

    def _client(self) -> openai.OpenAI:
        import openai

        end = self._endpoint
        if not end.base_urls:
            raise EndpointError(
                f"batch mode needs an endpoint with a Batch API, and the embedded teacher has none. "
                f"Fix: set {end.setting('BASE_URL')}, or run without --batch"
            )
        key = end.api_key.get_secret_value().strip() if end.api_key is not None else "none"
        # the client sets the content type itself, and Authorization from the key
        own = {"content-type", "authorization"} if end.api_key is not None else {"content-type"}
        headers = {name: value for name, value in end.request_headers().items() if name.lower() not in own}
        return openai.OpenAI(base_url=end.base_urls[0], api_key=key, default_headers=headers, max_retries=5)

    def _stopped(self, message: str, status: int) -> EndpointError:
        end = self._endpoint
        reason = f"http {status}: {end.redact(message)}" if status else end.redact(message)
        if status in (404, 405, 501):
            return EndpointError(
                f"{end.role} endpoint {host_of(end.base_urls[0] if end.base_urls else '')} has no Batch API ({reason}). Fix: set "
                f"{end.setting('BASE_URL')} to one that has, or run without --batch"
            )
        fix = f"try later, or correct {end.setting('BASE_URL')}; submitted batches go on and are found again"
        return end.stopped_by("Batch API", status, reason) or EndpointError(
            f"{end.role} Batch API: {reason}. Fix: {fix}"
        )


def _redacted(redactor: Redactor, line: bytes) -> bytes:
    """Redact a line of a batch's output. A line without an answer is an error, in which parts that are words are
    replaced as well."""
    plain = b'"choices"' in line or providers.ordinary(line)
    return redactor.answer(line) if plain else redactor.error(line)


def _spooled(spool: IO[bytes]) -> Iterator[Request]:
    spool.seek(0)
    for line in spool:
        canonical, note = orjson.loads(line)
        yield replace(request_of(canonical.encode()), **note)
