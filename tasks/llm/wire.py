"""Reads responses: the outcome, text, usage and errors of the bytes that an endpoint sent.

The answers of other wire formats are translated into chat completions first (tasks/llm/providers).
No function raises because of what an endpoint sent: every answer has one of the outcomes of `Reading`.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

import orjson

from tasks.llm import providers
from tasks.llm.request import Completion, ErrorObject, Failure, Request, Usage, without_surrogates


class CallOutcome(StrEnum):
    """The outcomes of reading a stored answer, as the ledger records them."""

    ANSWER = "completion"  # the completion of its key
    EMPTY = "empty"  # well-formed and charged, without text
    MALFORMED = "malformed"  # not a chat completion at all
    QUARANTINED = "quarantined"  # from another model


@dataclass(frozen=True, slots=True)
class Reading:
    """The result of reading one stored answer. `detail` says what is wrong with it; `transient` is set if the endpoint
    reports an error of its own, which a retry may not meet."""

    outcome: CallOutcome
    completion: Completion
    detail: str = ""
    transient: bool = False


def read(request: Request, key: str, status: int, raw: bytes, models: Sequence[str] = ()) -> Reading:
    """Read a stored answer. A pure function of its arguments, so that all processes agree.

    `models` are the model names that the answer may carry; empty accepts any.
    """
    if not 200 <= status < 300:
        error = error_of(raw)
        if ended_at_limit(status, error):
            usage = Usage(estimate_prompt(request), request.max_tokens, True)
            return Reading(CallOutcome.ANSWER, Completion(key, "", "length", usage))
        terminal = terminal_failure(status, error)
        reason = str(terminal) if terminal is not None else f"http {status}: {error.message}"
        nothing = Completion(key, None, None, Usage(0, 0), reason, kind=terminal or Failure.HTTP)
        return Reading(CallOutcome.ANSWER, nothing, reason)
    data = parsed(raw)
    if data is None:
        problem = "HTML" if raw.lstrip()[:1] == b"<" else "no JSON" if raw.strip() else "nothing"
        return _unusable(request, key, raw, CallOutcome.MALFORMED, f"{problem} with status {status}")
    if isinstance(data, list) and len(data) == 1:
        data = data[0]  # some gateways wrap the answer in a list
    if not isinstance(data, dict):
        return _unusable(request, key, raw, CallOutcome.MALFORMED, "JSON that is not an object")
    data = providers.as_chat(data)
    if data.get("error") and not data.get("choices"):
        reason = error_of(raw).message
        detail = f"an error with status {status}: {reason}"
        return replace(_unusable(request, key, raw, CallOutcome.MALFORMED, detail), transient=True)
    choices = data.get("choices")
    choice = _choice(choices)
    message = _message(choice)
    text = _content(message.get("content")) if message is not None else None
    reasoning = _reasoning(message) if message is not None else ""
    usage = _usage(request, data.get("usage"), reasoning + (text or ""))
    served = data.get("model")
    name = served if isinstance(served, str) else ""
    if message is None:
        nothing = Completion(key, None, None, usage, model=name)
        return Reading(
            CallOutcome.MALFORMED, nothing, "no choices" if not choices else "a choice without a message"
        )
    stated = choice.get("finish_reason")
    finish, ending = _finish(stated if isinstance(stated, str) else None)
    refusal, id_ = message.get("refusal") or _refusal_part(message.get("content")), data.get("id")
    done = Completion(
        key, text, finish, usage, id=id_ if isinstance(id_, str) else "", model=name, reasoning=reasoning
    )
    if models and name and not _same_model(name, models):
        return Reading(CallOutcome.QUARANTINED, done, f"an answer of model {name!r}")
    if ending is Ending.FILTERED:
        return Reading(CallOutcome.ANSWER, _failed(done, Failure.CONTENT_FILTER))
    if isinstance(refusal, str) and refusal:
        return Reading(CallOutcome.ANSWER, _failed(replace(done, text=text or refusal), Failure.REFUSAL))
    if broken := choice.get("error") or data.get("error"):
        reason = _message_of(broken)
        return Reading(CallOutcome.MALFORMED, done, f"an error inside the answer: {reason}", transient=True)
    if ending is Ending.BROKEN:
        detail = f"an answer that ended with finish_reason {finish!r}"
        return Reading(CallOutcome.MALFORMED, done, detail, transient=True)
    if ending is Ending.LENGTH:
        return Reading(CallOutcome.ANSWER, replace(done, text=text or ""))
    if text is None or not text.strip():
        called = message.get("tool_calls") or message.get("function_call")
        problem = "a call of a tool instead of text" if called else "no text in the answer"
        return Reading(CallOutcome.EMPTY, _failed(done, Failure.EMPTY), problem)
    return Reading(CallOutcome.ANSWER, done)


def _choice(choices: object) -> dict[str, Any]:
    """Return the first choice, also if a server sends a single choice instead of a list."""
    choice = choices[0] if isinstance(choices, list) and choices else choices
    return choice if isinstance(choice, dict) else {}


def _message(choice: dict[str, Any]) -> dict[str, Any] | None:
    """Return the message of a choice, also in the forms of streams and of text completions."""
    for name in ("message", "delta"):
        if isinstance(message := choice.get(name), dict):
            return message
    return {"content": choice["text"]} if isinstance(choice.get("text"), str) else None


def _failed(done: Completion, kind: Failure) -> Completion:
    return replace(done, error=str(kind), kind=kind)


class Ending(StrEnum):
    """What a finish reason means, whatever word the endpoint uses."""

    WHOLE = "whole"
    LENGTH = "length"
    FILTERED = "filtered"
    BROKEN = "broken"  # an error or an unknown word: retried


_WHOLE = frozenset(
    [
        "stop",
        "stopped",
        "eos",
        "eos_token",
        "eos_found",
        "end",
        "end_turn",
        "end_of_turn",
        "end_of_text",
        "endoftext",
        "stop_sequence",
        "stop_token",
        "stop_str",
        "stop_word",
        "stop_id",
        "complete",
        "completed",
        "finish",
        "finished",
        "normal",
        "ok",
        "done",
        "success",
        "succeeded",
        "natural",
        "tool_calls",
        "tool_call",
        "tool_use",
        "function_call",
    ]
)
_LENGTH = frozenset(
    [
        "length",
        "incomplete",
        "truncated",
        "cut",
        "cutoff",
        "cut_off",
        "model_length",
        "token_limit",
        "error_limit",
    ]
)
_UNSTATED = frozenset(["null", "none", "undefined"])
_FILTERED = re.compile(
    r"filter|safety|armor|recitation|prohibited|block(?:list|ed)|spii|sensitive|guardrail|refusal|moderat|policy|toxic|^language$"
)


@lru_cache(256)
def _finish(stated: str | None) -> tuple[str | None, Ending]:
    """Return the finish reason, with every word for a cut-off answer as "length", and what it means."""
    if stated is None or not stated.strip():
        return None, Ending.WHOLE  # many servers omit it
    word = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", stated.strip()[:64]).lower()
    word = re.sub(r"[^a-z0-9]+", "_", word.rsplit(".", 1)[-1]).strip("_").removeprefix("finish_reason_")
    if word in _WHOLE:
        return stated, Ending.WHOLE
    if word in _UNSTATED:
        return None, Ending.WHOLE
    if _FILTERED.search(word):
        return stated, Ending.FILTERED
    if word in _LENGTH or re.search(
        r"max\w*_?(?:token|length|len)|token\w*_(?:limit|max)|length|context_window", word
    ):
        return "length", Ending.LENGTH
    return stated, Ending.BROKEN


def _content(content: object) -> str | None:
    """Return the text of a message: a string, or the text parts of a list without the thinking (see `_reasoning`)."""
    if isinstance(content, str):
        return content
    texts = [_part(part) for part in (content if isinstance(content, list) else [content])]
    parts = [text for text in texts if text is not None]
    return "".join(parts) if parts else None


def _part(part: object) -> str | None:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict) or part.get("type") not in ("text", "output_text", None):
        return None
    text = part.get("text")
    text = text.get("value") if isinstance(text, dict) else text
    return text if isinstance(text, str) else None


# Parts of a message that hold thinking, by their type, and the fields of a part that may hold its text.
_THINKING_PARTS = frozenset(
    [
        "thinking",
        "thought",
        "reasoning",
        "reasoning_text",
        "reasoning_content",
        "reasoning.text",
        "reasoning.summary",
        "summary",
        "summary_text",
    ]
)
_THINKING_FIELDS = (
    "thinking",
    "text",
    "reasoning",
    "reasoning_text",
    "reasoning_content",
    "summary",
    "content",
)


def _reasoning(message: dict[str, Any]) -> str:
    """Return the thinking that a server sends apart from the text, "" where there is none.

    Servers send the same thinking under several names at once (vLLM: `reasoning` and the older `reasoning_content`;
    OpenRouter: `reasoning` and `reasoning_details`), so the first field that has text is taken. Encrypted thinking
    is not text and is left out.
    """
    for name in ("reasoning_content", "reasoning", "thinking", "reasoning_details", "thinking_blocks"):
        if thinking := _thinking_text(message.get(name)):
            return thinking
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    return "".join(
        _thinking_text(part)
        for part in parts
        if isinstance(part, dict) and part.get("type") in _THINKING_PARTS
    )


def _thinking_text(value: object, depth: int = 4) -> str:
    """Return the text of a field or part with thinking: a string, a list of parts, or an object."""
    if isinstance(value, str):
        return value
    if depth == 0:
        return ""
    if isinstance(value, list):
        return "".join(_thinking_text(part, depth - 1) for part in value)
    if isinstance(value, dict):
        texts = (_thinking_text(value.get(name), depth - 1) for name in _THINKING_FIELDS)
        return next((text for text in texts if text), "")
    return ""


def _refusal_part(content: object) -> str | None:
    """Return the text of a part of type "refusal", as the newer OpenAI APIs send it."""
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict) and part.get("type") == "refusal":
            return str(part.get("refusal") or part.get("text") or "refused")
    return None


def parsed(raw: bytes) -> object:
    """Return the JSON of an answer, also of a server that only streams, or None if it is no JSON.

    Lone surrogates and bytes that are not UTF-8 become U+FFFD: such an answer is paid for and can be used otherwise.
    """
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        pass
    text = raw.decode("utf-8-sig", "replace").strip()
    while text.startswith(":"):  # keep-alive comments before an answer that is no stream
        text = text.partition("\n")[2].lstrip()
    if text.startswith(("data:", "event:", "id:", "retry:")):
        return _joined(text)
    return _loosely(text)


def _loosely(text: str) -> object:
    try:
        return without_surrogates(json.loads(text, parse_constant=lambda _: None))
    except (ValueError, RecursionError):
        return None


def _joined(stream: str) -> object:
    """Join server-sent events into one completion. A stream that was cut off has an error beside what came of it, so that
    it is charged and retried."""
    events: list[dict[str, Any]] = []
    texts: list[str] = []
    thoughts: list[str] = []
    whole: dict[str, Any] = {}
    finish: object = None
    ended = garbled = False
    # Not splitlines: JSON may hold U+2028 and U+0085 as they are, which are no line breaks of a stream.
    for line in re.split(r"\r\n|\n|\r", stream):
        if not line.startswith("data:"):
            continue
        if (data := line[5:].strip()) == "[DONE]":
            ended = True
            continue
        event = _event(data)
        if not isinstance(event, dict):
            # A line that was cut is the last one; its stream is not answered as if it were whole.
            finish, ended, garbled = None, False, True
            break
        events.append(event)
        whole |= {name: value for name, value in event.items() if name != "choices" and value is not None}
        choices = event.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        delta = choice.get("delta") or choice.get("message")
        if isinstance(delta, dict):
            thoughts.append(_reasoning(delta))
            if (piece := _content(delta.get("content"))) is not None:
                texts.append(piece)
        finish = choice.get("finish_reason") or finish
    if events and (joined := providers.joined(events)) is not None:
        return joined
    if whole.get("error") and not any(texts) and not any(thoughts):
        return whole
    if not ended and finish is None and not whole.get("error"):
        problem = "cannot be read" if garbled else "was cut"
        whole["error"] = {"message": f"a stream of events that {problem}"}
    message = {"role": "assistant", "content": "".join(texts)}
    if thinking := "".join(thoughts):
        message["reasoning_content"] = thinking
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return {**whole, "choices": [choice]}


def _event(data: str) -> object:
    try:
        return orjson.loads(data)
    except ValueError:  # also lone surrogates that `data` holds
        return _loosely(data)


def _unusable(request: Request, key: str, raw: bytes, outcome: CallOutcome, detail: str) -> Reading:
    received = min(estimate(raw.decode("utf-8", "replace")), request.max_tokens)
    usage = Usage(estimate_prompt(request), received, True)
    return Reading(outcome, Completion(key, None, None, usage), detail)


def _usage(request: Request, reported: object, text: str | None) -> Usage:
    """Return the tokens that the endpoint reports, at most as many as the request allows: an answer has at most
    max_tokens, a prompt at most one token per byte plus those of the chat template."""
    most = request.max_tokens
    stated = reported if isinstance(reported, dict) else {}
    sent = _count(stated.get("prompt_tokens"), stated.get("input_tokens"))
    received = _count(stated.get("completion_tokens"), stated.get("output_tokens"))
    total = _count(stated.get("total_tokens"))
    thought = _count(_details(stated, "completion", "output").get("reasoning_tokens"))
    if thought and sent is not None and received is not None and sent + received + thought == total:
        received += thought  # xAI counts the thinking apart
    if total is not None and sent is not None and received is None:
        received = max(0, total - sent)
    estimated = sent is None or received is None
    sent = estimate_prompt(request) if sent is None else sent
    received = min(estimate(text or ""), most) if received is None else received
    bound = _most_prompt(request) if sent > LIKELY_PROMPT else sent
    capped = sent > bound or received > most
    sent = min(sent, bound)
    prompt = _details(stated, "prompt", "input")
    # DeepSeek and Moonshot state the cached tokens beside the others
    read = _count(
        prompt.get("cached_tokens"), stated.get("prompt_cache_hit_tokens"), stated.get("cached_tokens")
    )
    cached = min(read or 0, sent)
    written = min(_count(prompt.get("cache_write_tokens")) or 0, sent - cached)
    return Usage(sent, min(received, most), estimated or capped, capped, cached, written)


def _details(usage: dict[str, Any], *kinds: str) -> dict[str, Any]:
    """Return the object in which a usage divides the tokens of the prompt or the completion; empty if there is none."""
    stated = (usage.get(f"{kind}_tokens_details") for kind in kinds)
    return next((details for details in stated if isinstance(details, dict)), {})


LIKELY_PROMPT = 4096  # tokens up to which a reported prompt length is not checked
TEMPLATE = 4096  # tokens that a chat template may add to a prompt


def _most_prompt(request: Request) -> int:
    return len(request.canonical()) + TEMPLATE


def _count(*values: object) -> int | None:
    """Return the first value that is a whole number of at least 0, also if written as text or as 10.0."""
    for value in values:
        if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) < 20:
            return int(value)
        if isinstance(value, float) and value.is_integer() and value >= 0:
            return int(value)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
    return None


def _same_model(name: str, models: Sequence[str]) -> bool:
    """Whether a model name refers to one of `models`; servers answer with dated or full names, such as
    gpt-x-2026-01-01 for gpt-x, or org/name for name."""
    short = _short(name)
    return any(short.startswith(_short(model)) for model in models)


def is_name(listed: str, models: Sequence[str]) -> bool:
    """Whether a model name of an endpoint's list is one of `models`, also with the date of the model behind an alias."""
    return listed in models or re.sub(r"-20\d{2}-?\d{2}-?\d{2}$", "", listed) in models


def _short(name: str) -> str:
    return name.lower().rstrip("/").rsplit("/", 1)[-1]


def estimate(text: str) -> int:
    """Estimate the tokens of a text from its length: one token per four ASCII characters and per other character."""
    ascii_ = (
        sum(1 for byte in text.encode("utf-8", "replace") if byte < 128) if not text.isascii() else len(text)
    )
    return (ascii_ + 3) // 4 + (len(text) - ascii_)


def estimate_prompt(request: Request) -> int:
    """Estimate the prompt tokens of a request."""
    total = 0
    for message in request.messages:
        content = message.get("content")
        parts = content if isinstance(content, list) else [content]
        total += 4 + sum(map(_estimate_part, parts))
    return total


def _estimate_part(part: object) -> int:
    if not (isinstance(part, dict) and part.get("type") == "image_url"):
        text = part.get("text") if isinstance(part, dict) else part
        return estimate(text if isinstance(text, str) else str(part))
    image = part.get("image_url")
    return estimate_image(str(image.get("url") if isinstance(image, dict) else image))


def estimate_image(url: str) -> int:
    """Estimate the tokens of an image, a PNG in a data URL: one per 28 by 28 pixels, as Qwen-VL counts, the most of the usual
    models. Of any other image the size is not known, and it counts as 1,568."""
    with contextlib.suppress(ValueError):
        head = base64.b64decode(url.partition(";base64,")[2][:32])
        if head.startswith(b"\x89PNG"):
            width, height = (int.from_bytes(head[place : place + 4], "big") for place in (16, 20))
            return -(-min(width, 1 << 14) // 28) * -(-min(height, 1 << 14) // 28)
    return 1_568


def error_of(raw: bytes) -> ErrorObject:
    """Return the error that the body of a response holds; its start as the message if it is no JSON."""
    data = parsed(raw)
    if data is None:
        return ErrorObject(" ".join(raw[:2000].decode("utf-8", "replace").split()), "", "")
    error: Any = data.get("error") or data if isinstance(data, dict) else data
    if not isinstance(error, dict):
        return ErrorObject(str(error)[:2000], "", "")
    code = " ".join(str(error[name]) for name in ("code", "type") if error.get(name) is not None)
    return ErrorObject(_message_of(error), code, str(error.get("param") or ""))


def _message_of(error: object) -> str:
    """Return the message, long enough for the patterns of this module; `Endpoint.redact` shortens what is shown."""
    if isinstance(error, dict):
        error = (
            error.get("message") or error.get("Message") or error.get("detail") or error.get("error") or error
        )
    return str(error)[:2000]


_OUT_OF_MONEY = re.compile(
    r"insufficient[_ ](?:quota|balance|credits?|funds)|exceeded_current_quota|billing[_ ](?:hard[_ ])?limit|"
    r"reached your (?:specified )?(?:[\w-]+ )?usage limits|(?:out of|no|used all) (?:your |the |available )*credits|spending limit|credit balance is too low|"
    r"account (?:is )?(?:in arrears|overdue|suspended)|arrearage|欠费|余额不足"
)
_WAIT = re.compile(
    r"(?:retry|try again|wait)[^.]{0,20}\bin\b|retry after|retrydelay|per[ _-]?(?:minute|second|hour|day)"
)


def is_quota(error: ErrorObject, wait: float | None = None) -> bool:
    """Whether a 429 cannot be helped by waiting, because the account is out of money.

    `wait` is the number of seconds that the endpoint asked to wait, if it did: Gemini uses the same words for a quota per
    minute.
    """
    text = f"{error.code} {error.message}".lower()
    if _OUT_OF_MONEY.search(text):
        return True
    return "exceeded your current quota" in text and wait is None and not _WAIT.search(text)


def stated_status(status: int, raw: bytes) -> int:
    """Return the status that the body of a response states, since gateways pass on errors of other servers with status 200,
    and Google refuses a wrong key with status 400.

    An error without a number keeps the status of the response.
    """
    if status == 400:
        refusal = parsed(raw)
        return (providers.stated_status(refusal) if isinstance(refusal, dict) else None) or status
    if (
        not 200 <= status < 300
        or len(raw) > LONGEST_ERROR
        or b'"choices": [{' in raw
        or b'"choices":[{' in raw
    ):
        return status
    data = parsed(raw)
    if not isinstance(data, dict) or data.get("choices"):
        return status
    error: Any = data.get("error")
    for where in (error, data) if isinstance(error, dict) else (data,):
        for name in ("code", "status", "status_code", "http_code"):
            number = _count(where.get(name))
            if number is not None and 400 <= number < 600:
                return number
    if (stated := providers.stated_status(data)) is not None:
        return stated
    return 429 if error and is_quota(error_of(raw)) else status


LONGEST_ERROR = 65_536  # bytes; longer bodies are not searched for a status


def ended_at_limit(status: int, error: ErrorObject) -> bool:
    """Whether a client error says that the model reached the token limit before it had written anything: an answer that was
    cut off, which some reasoning models of OpenAI report in this way. The error states no tokens; as many as the limit
    are assumed."""
    return status == 400 and _ENDED_AT_LIMIT.search(error.message.lower()) is not None


_ENDED_AT_LIMIT = re.compile(r"could not finish the message|(?:max_tokens|output limit) was reached")


def is_answer(status: int, raw: bytes) -> bool:
    """Whether a response is an answer to the request: 2xx, an answer that was cut off, or a client error that it would get
    every time."""
    if 200 <= status < 300:
        return True
    error = error_of(raw)
    return ended_at_limit(status, error) or terminal_failure(status, error) is not None


_TOO_LONG = re.compile(
    r"context[ _-]?(?:length|window|size|limit)|maximum context|max_model_len|max_seq_len|model token limit|"
    r"(?:prompt|inputs?|messages?)\b[^.]{0,40}(?:too long|too many tokens|exceeds?\b[^.]{0,40}(?:length|tokens|limit))|"
    r"reduce the length of the (?:messages|prompt|input)|"
    r"\binputs?`? tokens \+ `?max_new_tokens|range of input length"
)
_NOT_ALLOWED = re.compile(
    r"content[ _]?filter|content_policy|content management policy|data_inspection_failed|inappropriate content|"
    r"content exists risk|flagged by (?:our )?moderation|violat\w+ (?:our |the )?(?:usage|content|safety) polic|sensitive content"
)


def terminal_failure(status: int, error: ErrorObject) -> Failure | None:
    """Return the failure for a 4xx that this request gets every time, which is stored as the answer to its key; else None."""
    text = f"{error.code} {error.message}".lower()
    if status not in (400, 413, 422):
        return None
    if _TOO_LONG.search(text):
        return Failure.CONTEXT_LENGTH
    if _NOT_ALLOWED.search(text):
        return Failure.CONTENT_FILTER
    return None


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that the endpoint asks to wait, or None: Retry-After-Ms, or Retry-After in seconds or as an
    HTTP date. `now` is in Unix seconds; the names of `headers` are in lower case."""
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return max(0.0, milliseconds / 1000)
    value = headers.get("retry-after")
    if value is None:
        return None
    if value.strip().lower().endswith("ms"):
        milliseconds = _number(value.strip()[:-2])
        return None if milliseconds is None else max(0.0, milliseconds / 1000)
    if (seconds := _number(value)) is not None:
        return max(0.0, seconds)
    try:
        when = parsedate_to_datetime(value)
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
