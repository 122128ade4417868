"""The chat-completions format: validation of requests, and errors, replies and stream chunks as in OpenAI's API."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from tasks.teacher.answering import Forced

MOST_CHOICES = 128
LARGEST_BODY = 16 * 2**20  # bytes
IMAGE_TOKENS = 1024  # prompt tokens of an image

# a token is a Chinese character, a run of up to six letters or digits, or one sign; spaces belong to what follows
_TOKEN = re.compile(r"\s*(?:[\u3400-\u9fff]|[^\W_]{1,6}|[^\s])|\s+")
_COUNTED = re.compile(r"[\u3400-\u9fff]|[^\W_]{1,6}|\S")


class HttpError(Exception):
    """An error that is returned to the caller: HTTP status, OpenAI's type and code, and the parameter at fault."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        kind = {401: "invalid_request_error", 404: "invalid_request_error", 429: "rate_limit_error"}
        self.body = {
            "error": {
                "message": message,
                "type": kind.get(status, "invalid_request_error" if status < 500 else "server_error"),
                "param": param,
                "code": code,
            }
        }


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A checked chat-completions request."""

    model: str
    messages: tuple[tuple[str, str], ...]
    images: tuple[str, ...] = ()  # URLs, of all messages
    n: int = 1
    seed: int | None = None
    temperature: float = 1.0
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    stream: bool = False
    include_usage: bool = False
    forced: Forced = field(default_factory=Forced)


def ask_of(body: bytes) -> ChatRequest:
    """Return the request in a body. Raises HttpError 400 with the parameter at fault, or 413 if the body is too large."""
    if len(body) > LARGEST_BODY:
        raise HttpError(413, f"the body has {len(body)} bytes; at most {LARGEST_BODY} are read")
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise HttpError(400, f"the body is not valid JSON: {error}") from error
    if not isinstance(data, dict):
        raise HttpError(400, "the body must be a JSON object")
    if not isinstance(data.get("model"), str):
        raise HttpError(400, "you must provide a model parameter", param="model")
    for name in ("tools", "functions", "audio", "logprobs"):
        if data.get(name):
            raise HttpError(
                400, f"{name} is not supported by this model", param=name, code="unsupported_parameter"
            )
    most = data.get("max_completion_tokens")
    options = data.get("stream_options") or {}
    if not isinstance(options, dict):
        raise HttpError(400, "stream_options must be an object", param="stream_options")
    messages, images = _messages(data.get("messages"))
    return ChatRequest(
        model=data["model"],
        messages=messages,
        images=images,
        n=_integer(data, "n", 1, MOST_CHOICES) or 1,
        seed=_integer(data, "seed", -(2**63), 2**64),
        temperature=_number(data, "temperature", 0, 2, 1.0),
        max_tokens=_integer(data, "max_tokens" if most is None else "max_completion_tokens", 1, 2**31),
        stop=_stop(data.get("stop")),
        stream=bool(data.get("stream")),
        include_usage=bool(options.get("include_usage")),
        forced=_forced(data.get("response_format")),
    )


def _messages(value: Any) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Return (role, text) of each message, and the URLs of the images in them."""
    if not isinstance(value, list) or not value:
        raise HttpError(400, "messages must be a list of at least one message", param="messages")
    pairs, images = [], list[str]()
    for index, message in enumerate(value):
        where = f"messages[{index}]"
        if not isinstance(message, dict) or message.get("role") not in (
            "system",
            "developer",
            "user",
            "assistant",
        ):
            raise HttpError(400, f"{where} needs a role of system, developer, user or assistant", param=where)
        content = message.get("content")
        if isinstance(content, list):
            shown = [_image(part) for part in content]
            images += [url for url in shown if url is not None]
            content = [part for part, url in zip(content, shown, strict=True) if url is None]
            if not all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in content):
                raise HttpError(
                    400, f"{where}: only parts of type text and image_url are read", param=f"{where}.content"
                )
            content = "".join(part["text"] for part in content)
        if not isinstance(content, str):
            raise HttpError(400, f"{where}.content must be a string", param=f"{where}.content")
        pairs.append((message["role"], content))
    return tuple(pairs), tuple(images)


def _image(part: Any) -> str | None:
    """Return the URL of a part of type image_url, None for any other part."""
    image = part.get("image_url") if isinstance(part, dict) and part.get("type") == "image_url" else None
    url = image.get("url") if isinstance(image, dict) else None
    return url if isinstance(url, str) else None


def _integer(data: dict[str, Any], name: str, low: int, high: int) -> int | None:
    value = data.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise HttpError(400, f"{name} must be an integer from {low} to {high}", param=name)
    return value


def _number(data: dict[str, Any], name: str, low: float, high: float, default: float) -> float:
    value = data.get(name)
    if value is None:
        return default
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not low <= value <= high:
        raise HttpError(400, f"{name} must be a number from {low:g} to {high:g}", param=name)
    return float(value)


def _stop(value: Any) -> tuple[str, ...]:
    stops = [value] if isinstance(value, str) else ([] if value is None else value)
    if (
        not isinstance(stops, list)
        or len(stops) > 16
        or not all(isinstance(text, str) and text for text in stops)
    ):
        raise HttpError(400, "stop must be a string or a list of at most 16 non-empty strings", param="stop")
    return tuple(stops)


def _forced(value: Any) -> Forced:
    kind = value.get("type") if isinstance(value, dict) else None
    if value is None or kind == "text":
        return Forced()
    if kind == "json_object":
        return Forced(json=True)
    if kind == "json_schema":
        inner = value.get("json_schema")
        schema = inner.get("schema") if isinstance(inner, dict) else None
        if not isinstance(schema, dict):
            raise HttpError(400, "response_format.json_schema needs a schema", param="response_format")
        return Forced(json=True, schema=schema)
    raise HttpError(
        400, "response_format.type must be text, json_object or json_schema", param="response_format"
    )


def count_tokens(text: str) -> int:
    """Return the number of tokens of a text."""
    return len(_COUNTED.findall(text))


def prompt_tokens(ask: ChatRequest) -> int:
    """Return the prompt tokens: those of the texts and images, and four per message as in chat templates."""
    return sum(4 + count_tokens(text) for _, text in ask.messages) + IMAGE_TOKENS * len(ask.images)


def cut(text: str, stop: tuple[str, ...], max_tokens: int | None) -> tuple[str, str]:
    """Return the text up to the first stop string or the token limit, and the finish reason."""
    ends = [at for mark in stop if (at := text.find(mark)) >= 0]
    if ends:
        text = text[: min(ends)]
    if max_tokens is not None and len(text) > max_tokens:  # a token has at least one character
        for count, match in enumerate(_COUNTED.finditer(text), 1):
            if count == max_tokens and _COUNTED.search(text, match.end()):
                return text[: match.end()], "length"
    return text, "stop"


def usage_of(prompt: int, texts: list[str]) -> dict[str, int]:
    """Return the usage object of a response."""
    completion = sum(count_tokens(text) for text in texts)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def reply(ask: ChatRequest, identity: str, choices: list[tuple[str, str]]) -> bytes:
    """Return the body of a response that is not streamed; `created` is constant, so that equal requests give equal bytes."""
    return orjson.dumps(
        {
            "id": f"chatcmpl-{identity}",
            "object": "chat.completion",
            "created": 0,
            "model": ask.model,
            "system_fingerprint": "fp_embedded",
            "choices": [
                {
                    "index": index,
                    "message": {"role": "assistant", "content": text, "refusal": None},
                    "logprobs": None,
                    "finish_reason": finish,
                }
                for index, (text, finish) in enumerate(choices)
            ],
            "usage": usage_of(prompt_tokens(ask), [text for text, _ in choices]),
        }
    )


def stream(ask: ChatRequest, identity: str, choices: list[tuple[str, str]]) -> Iterator[bytes]:
    """Yield server-sent events: per choice a role chunk, one chunk per token and a finish chunk; usage if requested; [DONE]."""
    head = {"id": f"chatcmpl-{identity}", "object": "chat.completion.chunk", "created": 0, "model": ask.model}

    def event(choice: dict[str, Any] | None, usage: dict[str, int] | None = None) -> bytes:
        record: dict[str, Any] = {**head, "choices": [] if choice is None else [choice]}
        if ask.include_usage:
            record["usage"] = usage
        return b"data: " + orjson.dumps(record) + b"\n\n"

    for index, (text, finish) in enumerate(choices):
        yield event({"index": index, "delta": {"role": "assistant", "content": ""}, "finish_reason": None})
        for token in _TOKEN.findall(text):
            yield event({"index": index, "delta": {"content": token}, "finish_reason": None})
        yield event({"index": index, "delta": {}, "finish_reason": finish})
    if ask.include_usage:
        yield event(None, usage_of(prompt_tokens(ask), [text for text, _ in choices]))
    yield b"data: [DONE]\n\n"
