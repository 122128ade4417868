"""Anthropic's Messages API: https://platform.claude.com/docs/en/api/messages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.llm.dialect import Dialect, messages_in
from tasks.llm.providers import chat
from tasks.llm.request import Request, encode, in_stated_order

EXAMPLE = "https://api.anthropic.com/v1"
FIELDS = frozenset(["response_format", "stop", "top_p", "temperature"])  # it has no seed
MODELS = "/models?limit=1000"  # 20 without a limit
# The newer version, 2026-10-21, takes no temperature and no top_p from any model; this one takes those of the older models.
VERSION = "2023-06-01"
GREATEST_TEMPERATURE = 1.0
LEAST_THINKING = 1024  # tokens of the smallest thinking budget

listed = chat.listed

# The types of errors. Batches and gateways state them without an HTTP status.
_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_ORDINARY = re.compile(rb'"type"\s*:\s*"message"')


def path(model: str) -> str:
    return "/messages"


def headers(key: str) -> dict[str, str]:
    version = {"anthropic-version": VERSION}
    return version | {"x-api-key": key} if key else version


def body(request: Request, dialect: Dialect) -> bytes:
    """Return the body. System turns go to the field `system`. Values that are the API's defaults are left out, because
    newer models refuse every other temperature and top_p, and models that think refuse them too."""
    fields: dict[str, Any] = dict(request.extra)
    messages = messages_in(request.messages, dialect)
    system = [str(message.get("content")) for message in messages if message.get("role") in _SYSTEM]
    fields |= {
        "model": request.model,
        "max_tokens": request.max_tokens,
        "messages": [message for message in messages if message.get("role") not in _SYSTEM],
    }
    if system:
        fields["system"] = "\n\n".join(system)
    limit_thinking(fields, request.max_tokens)
    temperature = min(max(request.temperature, dialect.least_temperature), GREATEST_TEMPERATURE)
    thinks = isinstance(thinking := fields.get("thinking"), dict) and thinking.get("type") != "disabled"
    optional: dict[str, Any] = {}
    if temperature != GREATEST_TEMPERATURE and not thinks:
        optional["temperature"] = temperature
    if request.top_p != 1.0 and not thinks:
        optional["top_p"] = request.top_p
    if stop := [text for text in request.stop if text.strip()]:  # a stop sequence of white space is refused
        optional["stop"] = stop
    if request.response_schema is not None:
        schema = in_stated_order(request.response_schema)
        optional["response_format"] = {"type": "json_schema", "schema": schema}
    if dialect.stream:
        fields["stream"] = True
    for name in optional.keys() - dialect.without:
        if name == "response_format":
            stated = fields.get("output_config")
            fields["output_config"] = (stated if isinstance(stated, dict) else {}) | {
                "format": optional[name]
            }
        else:
            fields["stop_sequences" if name == "stop" else name] = optional[name]
    return encode(fields)


_SYSTEM = ("system", "developer")


def limit_thinking(fields: dict[str, Any], most: int) -> None:
    """Keep a thinking budget of `extra` below the token limit of the call, which includes it; without room for the
    smallest budget the model does not think."""
    thinking = fields.get("thinking")
    if not isinstance(thinking, dict) or not isinstance(budget := thinking.get("budget_tokens"), int):
        return
    if most > LEAST_THINKING:
        fields["thinking"] = thinking | {"budget_tokens": min(budget, most - 1)}
    else:
        del fields["thinking"]


def ordinary(raw: bytes) -> bool:
    return _ORDINARY.search(raw) is not None


def as_chat(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a message as a chat completion: its thinking blocks are the reasoning, and the prompt's tokens include those
    that were read from or written to the prompt cache."""
    if data.get("type") != "message" or not isinstance(content := data.get("content"), list):
        return None
    blocks = [block for block in content if isinstance(block, dict)]
    message: dict[str, Any] = {"role": "assistant"}
    texts = [str(block.get("text", "")) for block in blocks if block.get("type") == "text"]
    if texts:
        message["content"] = "".join(texts)
    if thinking := [str(block.get("thinking", "")) for block in blocks if block.get("type") == "thinking"]:
        message["reasoning_content"] = "".join(thinking)
    if any(block.get("type") == "tool_use" for block in blocks):
        message["tool_calls"] = True
    chat_ = {
        "id": data.get("id"),
        "model": data.get("model"),
        "choices": [{"index": 0, "message": message, "finish_reason": data.get("stop_reason")}],
    }
    if isinstance(usage := data.get("usage"), dict):
        chat_["usage"] = _usage(usage)
    return chat_


def _usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    """Return the usage with all tokens of the prompt: `input_tokens` does not include the cached ones."""
    sent, received = usage.get("input_tokens"), usage.get("output_tokens")
    written, cached = (usage.get(f"cache_{name}_input_tokens") for name in ("creation", "read"))
    return usage_with_cache(sent, received, cached, written)


def usage_with_cache(sent: object, received: object, cached: object, written: object) -> dict[str, Any]:
    """Return the usage of a chat completion for a format in which the tokens of the prompt do not include those that were
    read from the prompt cache or written to it."""
    cached, written = (tokens if isinstance(tokens, int) else 0 for tokens in (cached, written))
    return {
        "prompt_tokens": sent + cached + written if isinstance(sent, int) else sent,
        "completion_tokens": received,
        "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
    }


def joined(events: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the message of a stream; an error that comes before any text is returned as the answer."""
    kinds = [event.get("type") for event in events]
    if "message_start" not in kinds:
        return (
            dict(events[-1]) if "error" in kinds[-1:] and isinstance(events[-1].get("error"), dict) else None
        )
    start = events[kinds.index("message_start")].get("message")
    whole = dict(start) if isinstance(start, dict) else {}
    usage = dict(stated) if isinstance(stated := whole.get("usage"), dict) else {}
    blocks: dict[Any, dict[str, str]] = {}
    error: Any = None if "message_stop" in kinds else {"message": "a stream of events that was cut"}
    for event in events:
        delta = event.get("delta")
        delta = delta if isinstance(delta, dict) else {}
        if event.get("type") == "content_block_start" and isinstance(
            block := event.get("content_block"), dict
        ):
            blocks[str(event.get("index"))] = {
                name: str(block.get(name) or "") for name in ("type", "text", "thinking")
            }
        elif event.get("type") == "content_block_delta" and (block_ := blocks.get(str(event.get("index")))):
            for name in ("text", "thinking"):
                block_[name] += str(delta.get(name) or "")
        elif event.get("type") == "message_delta":
            whole |= {name: value for name, value in delta.items() if value is not None}
            usage |= {name: value for name, value in _object(event, "usage").items() if value is not None}
        elif event.get("type") == "error":
            error = event.get("error")
    whole |= {"type": "message", "content": list(blocks.values()), "usage": usage}
    chat_ = as_chat(whole)
    if chat_ is not None and error is not None:
        chat_["error"] = error
        del chat_["usage"]  # the tokens of the answer were not stated at its start
    return chat_


def _object(event: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = event.get(name)
    return value if isinstance(value, dict) else {}


def stated_status(data: Mapping[str, Any]) -> int | None:
    error = data.get("error")
    if data.get("type") != "error" or not isinstance(error, dict):
        return None
    return _STATUS.get(str(error.get("type")))


def recognised(status: int, data: Mapping[str, Any]) -> bool:
    """A server of this format has no path of chat completions (an unknown model is no such refusal), or takes the key
    only in the header x-api-key."""
    error = data.get("error")
    if data.get("type") != "error" or not isinstance(error, dict):
        return False
    text = str(error.get("message")).lower()
    if status == 401:
        return "x-api-key" in text
    return status in (404, 405) and not text.startswith("model")
