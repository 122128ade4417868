"""Imports completions into the ledger: Batch outputs, JSON lines with messages and completion, and ledger exports.

A night can then run without any model (`--offline`).
"""

from __future__ import annotations

import gzip
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import wait
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import orjson

from storage.errors import ForPeople
from storage.ledger import Call, CallUsage, Ledger, LedgerError
from tasks.llm import providers, wire
from tasks.llm.prices import TokenPrices
from tasks.llm.recording import first_answer, judged
from tasks.llm.redaction import Redactor
from tasks.llm.request import Request, key_of, request_of
from tasks.llm.token_limits import refused_limit

SETTINGS = ("model", "temperature", "top_p", "max_tokens", "seed", "sample_index", "response_schema", "stop")
_NOTHING_SECRET = Redactor(())
AT_ONCE = 500  # answers per query and commit of the ledger


class ImportProblem(ForPeople, ValueError):
    """A file that cannot be imported. The message is one line with the file, the line and the fix."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to import: the canonical request, the raw body, the prices that were paid, and the run that pays."""

    canonical: bytes
    raw: bytes
    status: int
    model: str
    role: str = ""
    tag: str = ""
    price: TokenPrices = field(default_factory=TokenPrices)
    names: tuple[str, ...] = ()
    run: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """The counts of an import: answers stored, keys that had an answer before, and lines without an answer by reason."""

    put: int
    known: int
    skipped: dict[str, int]


def take(
    ledger: Ledger,
    path: Path,
    *,
    defaults: Mapping[str, Any] | None = None,
    revision: str = "",
    requests_file: Path | None = None,
) -> Taken:
    """Import the completions in `path`, which may be compressed (.gz); the format is recognised from the first line.

    Batch outputs need their requests: mathmill writes them beside its own batches; for others `requests_file` is the
    input file of the batch. Lines with messages and completion may state their model, temperature, ...; `defaults` fills
    in what they omit. A night uses an imported completion only if model, revision, parameters and messages are equal.
    Raises ImportProblem if a line cannot be read, and LedgerError if the file cannot be.
    """
    first = next(_lines(path), None)
    if first is None:
        raise ImportProblem(f"{path}: no lines. Fix: name a file that holds completions")
    if "key" in first and "raw" in first:
        put, known = ledger.import_(path)
        return Taken(put, known, {})
    skipped: Counter[str] = Counter()
    if ("custom_id" in first and ("response" in first or "result" in first)) or _is_gemini(first):
        answers = from_batch(path, _requests(path, requests_file, revision), skipped)
    elif "messages" in first:
        answers = _from_messages(path, defaults or {}, revision)
    else:
        raise ImportProblem(
            f"{path}, line 1: neither a Batch output (custom_id or key, response or result), nor messages and completion, "
            "nor a ledger export. Fix: give a file of one of these formats"
        )
    sums = put_answers(ledger, answers)
    return Taken(sums.put, sums.known, dict(skipped))


@dataclass(slots=True)
class Sums:
    """How many answers were stored, their tokens and cost in USD, and how many keys had an answer before."""

    put: int = 0
    known: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: int = 0
    cost: float = 0.0


def put_answers(ledger: Ledger, answers: Iterable[Answer], redactor: Redactor = _NOTHING_SECRET) -> Sums:
    """Store the answers whose key has none yet, without the secrets of `redactor`, and record their usage."""
    sums = Sums()
    source = iter(answers)
    while batch := list(itertools.islice(source, AT_ONCE)):
        keys = [key_of(answer.canonical) for answer in batch]
        have = ledger.get_many(keys)
        landing = []
        for key, answer in zip(keys, batch, strict=True):
            request = request_of(answer.canonical)
            if first_answer(have.get(key, ()), request, key, answer.names) is not None:
                sums.known += 1
                continue
            call = Call(
                key=key,
                request=answer.canonical,
                raw=redactor.answer(answer.raw),
                status=answer.status,
                model=answer.model,
                created=time.time(),
                role=answer.role,
                tag=answer.tag,
                run=answer.run,
                price_in=answer.price.prompt,
                price_out=answer.price.completion,
            )
            landing.append((ledger.put(call), request, answer))
        wait([future for future, _, _ in landing])
        for future, request, answer in landing:
            receipt = future.result()
            call = receipt.call
            reading = wire.read(request, call.key, call.status, call.raw, answer.names)
            first = first_answer(receipt.earlier, request, call.key, answer.names)
            outcome, _ = judged(reading, first, last=False)
            usage = reading.completion.usage
            cost = answer.price.cost(usage)
            tokens = (usage.prompt_tokens, usage.completion_tokens)
            ledger.record_usage(CallUsage(receipt.id, outcome, *tokens, usage.estimated, cost))
            sums.put += 1
            sums.prompt_tokens += usage.prompt_tokens
            sums.completion_tokens += usage.completion_tokens
            sums.estimated += usage.estimated
            sums.cost += cost
    ledger.flush()
    return sums


def from_batch(
    path: Path,
    requests: Mapping[str, tuple[bytes, str]],
    skipped: Counter[str],
    refused: Callable[[Request, int, bytes], None] = lambda request, status, raw: None,
    **bought: Any,
) -> Iterator[Answer]:
    """Yield the answers of a Batch output or error file, of OpenAI, Anthropic or Gemini.

    `requests` maps each custom_id to the canonical request and its tag. Lines without an answer (expired, cancelled,
    server errors) are counted in `skipped`, and `refused` is called for those that have a status. `bought` are further
    fields of the answers, such as role and prices.
    """
    for number, line in enumerate(_lines(path), 1):
        custom_id = str(line.get("key" if _is_gemini(line) else "custom_id"))
        answered = _read_line(line)
        if isinstance(answered, str):
            skipped[answered] += 1
            continue
        if custom_id not in requests:
            raise ImportProblem(
                f"{path}, line {number}: no request with custom_id {custom_id!r}. Fix: give the input file of this batch"
            )
        canonical, tag = requests[custom_id]
        request = request_of(canonical)
        status, raw = answered
        if (
            not wire.is_answer(status, raw)
            # a call can be made with a smaller limit
            or refused_limit(request.max_tokens, wire.estimate_prompt(request), status, wire.error_of(raw))
        ):
            skipped[f"http {status}"] += 1
            refused(request, status, raw)
            continue
        yield Answer(canonical, raw, status, request.model, tag=tag, **bought)


def _read_line(line: Mapping[str, Any]) -> tuple[int, bytes] | str:
    """Return the status and body of a line of a Batch output, or why there is none."""
    if _is_gemini(line):
        return _gemini(line)
    return _anthropic(line) if "result" in line else _openai(line)


def _is_gemini(line: Mapping[str, Any]) -> bool:
    return "key" in line and ("response" in line or "error" in line)


# codes of google.rpc.Status -> HTTP statuses
_RPC = {1: 499, 3: 400, 4: 504, 5: 404, 7: 403, 8: 429, 9: 400, 10: 409, 11: 400, 12: 501, 14: 503, 16: 401}


def _gemini(line: Mapping[str, Any]) -> tuple[int, bytes] | str:
    """Return the status and body of a line of Gemini's batch mode, or why there is none."""
    if isinstance(response := line.get("response"), dict):
        return 200, orjson.dumps(response)
    error = line.get("error")
    if not isinstance(error, dict):
        return "no response"
    code = error.get("code")
    status = code if isinstance(code, int) and code >= 100 else _RPC.get(code or 0, 500)
    return status, orjson.dumps({"error": error})


def _openai(line: Mapping[str, Any]) -> tuple[int, bytes] | str:
    """Return the status and body of a line of OpenAI's Batch API, or why there is none."""
    response = line.get("response")
    if not isinstance(response, dict) or not isinstance(response.get("body"), dict):
        error = line.get("error")
        return str(error.get("code") or "error") if isinstance(error, dict) else "no response"
    status = response.get("status_code", 200)
    return (status, orjson.dumps(response["body"])) if isinstance(status, int) else "no status"


def _anthropic(line: Mapping[str, Any]) -> tuple[int, bytes] | str:
    """Return the status and body of a line of Anthropic's Message Batches, or why there is none."""
    result = line.get("result")
    kind = str(result.get("type")) if isinstance(result, dict) else "no result"
    body = (
        result.get({"succeeded": "message", "errored": "error"}.get(kind, ""))
        if isinstance(result, dict)
        else None
    )
    if not isinstance(body, dict):
        return kind  # canceled or expired
    return (200 if kind == "succeeded" else providers.stated_status(body) or 500), orjson.dumps(body)


def read_requests(path: Path) -> dict[str, tuple[bytes, str]]:
    """Return the requests that `batch.py` wrote beside the files of a batch, as custom_id -> (canonical, tag)."""
    return {line["key"]: (line["canonical"].encode(), line["tag"]) for line in _lines(path)}


def _requests(path: Path, requests_file: Path | None, revision: str) -> dict[str, tuple[bytes, str]]:
    beside = path.with_name(path.name.split(".")[0] + ".asked.jsonl")
    if requests_file is None:
        if not beside.exists():
            raise ImportProblem(
                f"{path} is a Batch output without its requests. Fix: give the batch's input file as well"
            )
        return read_requests(beside)
    requests = {}
    for number, line in enumerate(_lines(requests_file), 1):
        body = line.get("body")
        if not isinstance(body, dict) or "custom_id" not in line:
            raise ImportProblem(
                f"{requests_file}, line {number}: not a line of a Batch input (custom_id, body)"
            )
        settings = {name: body[name] for name in SETTINGS if name in body}
        if (cap := body.get("max_completion_tokens")) is not None:
            settings["max_tokens"] = cap
        form = body.get("response_format")
        if isinstance(form, dict) and isinstance(form.get("json_schema"), dict):
            settings["response_schema"] = form["json_schema"].get("schema")
        request = _request(body.get("messages"), settings, f"{requests_file}, line {number}")
        requests[str(line["custom_id"])] = (request.canonical(revision), "")
    return requests


def _from_messages(path: Path, defaults: Mapping[str, Any], revision: str) -> Iterator[Answer]:
    known = {column.name for column in fields(Request)}
    for number, line in enumerate(_lines(path), 1):
        where = f"{path}, line {number}"
        messages = line.get("messages")
        done = line.get("completion", line.get("response"))
        if done is None and isinstance(messages, list) and messages and _is_reply(messages[-1]):
            messages, done = messages[:-1], messages[-1]
        if isinstance(done, list) and len(done) == 1:
            done = done[0]
        text = done.get("content") if isinstance(done, dict) else done
        if not isinstance(text, str):
            raise ImportProblem(
                f"{where}: no completion. Fix: add one, as a text or as a message with content"
            )
        settings = {name: line.get(name, defaults.get(name)) for name in SETTINGS if name in known}
        request = _request(messages, {k: v for k, v in settings.items() if v is not None}, where)
        raw = {
            "id": line.get("id", ""),
            "model": request.model,
            "choices": [
                {
                    "message": {"role": "assistant", "content": text},
                    "finish_reason": line.get("finish_reason", "stop"),
                }
            ],
            "usage": line.get("usage"),
        }
        yield Answer(request.canonical(revision), orjson.dumps(raw), 200, request.model, role="import")


def _is_reply(message: object) -> bool:
    return isinstance(message, dict) and message.get("role") == "assistant"


def _request(messages: object, settings: dict[str, Any], where: str) -> Request:
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise ImportProblem(f"{where}: messages is not a list of messages")
    if "model" not in settings:
        raise ImportProblem(f"{where}: no model. Fix: name it in the line, or with --model")
    try:
        return Request(messages, **settings)
    except (TypeError, ValueError) as error:
        raise ImportProblem(f"{where}: {error}") from error


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                record = orjson.loads(line)
                if not isinstance(record, dict):
                    raise ImportProblem(f"{path}, line {number}: not a JSON object")
                yield record
    except orjson.JSONDecodeError as error:
        raise ImportProblem(f"{path}, line {number}: not JSON ({error})") from error
    except OSError as error:
        raise LedgerError(f"cannot read {path}: {error}") from error
