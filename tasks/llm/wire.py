"""The chat-completions wire format: bodies to send, and what the bytes that come back mean.

Nothing here raises on what an endpoint sent: every answer is one of the outcomes of `Reading`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

import orjson

from tasks.llm.request import Completion, Request, Usage, encode


class Outcome(StrEnum):
    ANSWER = "completion"  # what the ledger calls a call that answers its key
    EMPTY = "empty"  # well-formed and billed, without text
    MALFORMED = "malformed"  # not a chat completion at all
    QUARANTINED = "quarantined"  # of another model


@dataclass(frozen=True, slots=True)
class Reading:
    """One stored answer as understood. `detail` says what is wrong with it."""

    outcome: Outcome
    completion: Completion
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What an endpoint turned out not to take. Learnt from its own 400s, never guessed."""

    schema: bool = True
    legacy_cap: bool = True  # max_tokens; newer OpenAI models want max_completion_tokens
    seed: bool = True
    sampling: bool = True  # temperature and top_p
    stop: bool = True


def body(request: Request, dialect: Dialect) -> bytes:
    """The JSON to POST to /chat/completions."""
    fields: dict[str, Any] = {"model": request.model, "messages": list(request.messages)}
    fields["max_tokens" if dialect.legacy_cap else "max_completion_tokens"] = request.max_tokens
    if dialect.sampling:
        fields["temperature"] = request.temperature
        fields["top_p"] = request.top_p
    if request.seed is not None and dialect.seed:
        fields["seed"] = request.seed
    if request.stop and dialect.stop:
        fields["stop"] = list(request.stop)
    if request.response_schema is not None and dialect.schema:
        schema = {"name": "answer", "strict": True, "schema": request.response_schema}
        fields["response_format"] = {"type": "json_schema", "json_schema": schema}
    return encode(fields)


def read(request: Request, key: str, status: int, raw: bytes, models: Sequence[str] = ()) -> Reading:
    """What a stored answer means; a pure function of its arguments, so that every reader agrees.
    `models` are the names that the answer may carry; empty accepts any."""
    if status != 200:
        error = error_of(raw)
        reason = terminal_reason(status, error) or f"http {status}: {error.message}"
        nothing = Completion(key, None, None, Usage(0, 0), reason)
        return Reading(Outcome.ANSWER, nothing, reason)
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError:
        what = "HTML" if raw.lstrip()[:1] == b"<" else "no JSON" if raw.strip() else "nothing"
        return _unusable(request, key, raw, Outcome.MALFORMED, f"{what} with status 200")
    if not isinstance(data, dict):
        return _unusable(request, key, raw, Outcome.MALFORMED, "JSON that is not an object")
    if data.get("error") and not data.get("choices"):
        return _unusable(
            request, key, raw, Outcome.MALFORMED, f"an error with status 200: {error_of(raw).message}"
        )
    choices = data.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    message = choice.get("message")
    usage = _usage(request, data.get("usage"), raw, message)
    served = data.get("model")
    name = served if isinstance(served, str) else ""
    if not isinstance(message, dict):
        nothing = Completion(key, None, None, usage, model=name)
        return Reading(
            Outcome.MALFORMED, nothing, "no choices" if not choices else "a choice without a message"
        )
    finish = choice.get("finish_reason")
    finish = finish if isinstance(finish, str) else None
    text, refusal, id_ = message.get("content"), message.get("refusal"), data.get("id")
    text = text if isinstance(text, str) else None
    done = Completion(key, text, finish, usage, id=id_ if isinstance(id_, str) else "", model=name)
    if models and name and not _same_model(name, models):
        return Reading(Outcome.QUARANTINED, done, f"an answer of model {name!r}")
    if finish == "content_filter":
        return Reading(Outcome.ANSWER, replace(done, error="content filter"))
    if isinstance(refusal, str) and refusal:
        return Reading(Outcome.ANSWER, replace(done, text=text or refusal, error="refusal"))
    if text is None or (not text.strip() and finish != "length"):
        return Reading(Outcome.EMPTY, replace(done, error="empty"), "no text in the answer")
    return Reading(Outcome.ANSWER, done)


def _unusable(request: Request, key: str, raw: bytes, outcome: Outcome, detail: str) -> Reading:
    usage = Usage(estimate_prompt(request), estimate(raw.decode("utf-8", "replace")), True)
    return Reading(outcome, Completion(key, None, None, usage), detail)


def _usage(request: Request, found: object, raw: bytes, message: object) -> Usage:
    if isinstance(found, dict):
        sent, made = _count(found.get("prompt_tokens")), _count(found.get("completion_tokens"))
        if sent is not None and made is not None:
            return Usage(sent, made)
    text = message.get("content") if isinstance(message, dict) else None
    return Usage(estimate_prompt(request), estimate(text if isinstance(text, str) else ""), True)


def _count(value: object) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if isinstance(value, int) and whole and 0 <= value < 1 << 40 else None


def _same_model(name: str, models: Sequence[str]) -> bool:
    """Servers answer with a dated or a full name: gpt-x-2026-01-01 for gpt-x, org/name for name."""
    short = name.lower().rsplit("/", 1)[-1]
    return any(short.startswith(model.lower().rsplit("/", 1)[-1]) for model in models)


def estimate(text: str) -> int:
    """Tokens of a text by length alone: four ASCII characters, or one other character, a token."""
    ascii_ = (
        sum(1 for byte in text.encode("utf-8", "replace") if byte < 128) if not text.isascii() else len(text)
    )
    return (ascii_ + 3) // 4 + (len(text) - ascii_)


def estimate_prompt(request: Request) -> int:
    total = 0
    for message in request.messages:
        content = message.get("content")
        total += 4 + estimate(content if isinstance(content, str) else str(content))
    return total


@dataclass(frozen=True, slots=True)
class WireError:
    """The error object of a response, whichever of the usual shapes it had."""

    message: str
    code: str
    param: str


def error_of(raw: bytes) -> WireError:
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return WireError(" ".join(raw[:200].decode("utf-8", "replace").split()), "", "")
    found: Any = data.get("error", data) if isinstance(data, dict) else data
    if not isinstance(found, dict):
        return WireError(str(found)[:300], "", "")
    message = str(found.get("message") or found.get("detail") or found)[:300]
    code = " ".join(str(found[name]) for name in ("code", "type") if found.get(name) is not None)
    return WireError(message, code, str(found.get("param") or ""))


def is_quota(error: WireError) -> bool:
    """A 429 that waiting does not mend: the account is out of money."""
    said = f"{error.code} {error.message}".lower()
    return (
        "insufficient_quota" in said or "exceeded your current quota" in said or "billing_hard_limit" in said
    )


def is_answer(status: int, raw: bytes) -> bool:
    """Whether this ends the request: 200, or a client error that it would get every time."""
    return status == 200 or terminal_reason(status, error_of(raw)) is not None


def terminal_reason(status: int, error: WireError) -> str | None:
    """A 4xx that this request will get every time: the answer to its key, kept in the ledger."""
    said = f"{error.code} {error.message}".lower()
    if status not in (400, 413, 422):
        return None
    if "context_length" in said or "context length" in said or "maximum context" in said:
        return "context length"
    if "too long" in said and "prompt" in said:
        return "context length"
    if "content_filter" in said or "content_policy" in said or "content management policy" in said:
        return "content filter"
    return None


def adapted(dialect: Dialect, status: int, error: WireError) -> Dialect | None:
    """The dialect without the field that a 400 or 422 complains of; None where it is about something else."""
    if status not in (400, 422):
        return None
    said = f"{error.param} {error.message}".lower()
    if dialect.schema and ("response_format" in said or "json_schema" in said or "guided" in said):
        return replace(dialect, schema=False)
    if dialect.legacy_cap and "max_completion_tokens" in said:
        return replace(dialect, legacy_cap=False)
    refused = any(word in said for word in ("unsupported", "not support", "unrecognized", "unknown", "extra"))
    if refused and dialect.sampling and ("temperature" in said or "top_p" in said):
        return replace(dialect, sampling=False)
    if refused and dialect.seed and "seed" in said:
        return replace(dialect, seed=False)
    if refused and dialect.stop and "stop" in said:
        return replace(dialect, stop=False)
    return None


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that the endpoint asks to wait: Retry-After-Ms, or Retry-After in seconds or as an HTTP date.
    `now` in Unix seconds. `headers` with lower-case names."""
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return max(0.0, milliseconds / 1000)
    said = headers.get("retry-after")
    if said is None:
        return None
    if said.strip().lower().endswith("ms"):
        milliseconds = _number(said.strip()[:-2])
        return None if milliseconds is None else max(0.0, milliseconds / 1000)
    if (seconds := _number(said)) is not None:
        return max(0.0, seconds)
    try:
        when = parsedate_to_datetime(said)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.fromtimestamp(now, UTC)).total_seconds())


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value < 1e9 else None
