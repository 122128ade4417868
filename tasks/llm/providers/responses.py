"""OpenAI's Responses API, which some of its models have only: https://platform.openai.com/docs/api-reference/responses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tasks.llm.dialect import Dialect, messages_in
from tasks.llm.providers import chat
from tasks.llm.request import Request, encode, in_stated_order

EXAMPLE = "https://api.openai.com/v1"
FIELDS = frozenset(["response_format", "top_p", "temperature"])  # it has no seed and no stop sequences
MODELS = chat.MODELS
LEAST_TOKENS = 16  # the smallest max_output_tokens that it accepts

headers = chat.headers
listed = chat.listed

_OBJECT = re.compile(rb'"object"\s*:\s*"response"')
_NO_ERROR = re.compile(rb'"error"\s*:\s*null')
_STATUS = {
    "invalid_prompt": 400,
    "bio_policy": 400,
    "misalignment_policy_violation": 400,
    "rate_limit_exceeded": 429,
    "server_error": 500,
}
# "This model is only supported in v1/responses and not in v1/chat/completions."
_ELSEWHERE = re.compile(r"v1/responses|\bresponses (?:api|endpoint)")


def path(model: str) -> str:
    return "/responses"


def body(request: Request, dialect: Dialect) -> bytes:
    """Return the body. The provider is asked not to store the response, unless `extra` says otherwise."""
    fields: dict[str, Any] = {"store": False, **request.extra}
    fields |= {
        "model": request.model,
        "input": messages_in(request.messages, dialect),
        "max_output_tokens": max(LEAST_TOKENS, request.max_tokens),
    }
    optional: dict[str, Any] = {
        "temperature": max(request.temperature, dialect.least_temperature),
        "top_p": request.top_p,
    }
    if request.response_schema is not None:
        stated = fields.get("text")
        schema = in_stated_order(request.response_schema)
        form = {"type": "json_schema", "name": "answer", "strict": True, "schema": schema}
        optional["response_format"] = (stated if isinstance(stated, dict) else {}) | {"format": form}
    if dialect.stream:
        fields["stream"] = True
    for name in optional.keys() - dialect.without:
        fields["text" if name == "response_format" else name] = optional[name]
    return encode(fields)


def ordinary(raw: bytes) -> bool:
    return _OBJECT.search(raw) is not None and _NO_ERROR.search(raw) is not None


def as_chat(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a response as a chat completion: its reasoning items are the reasoning, their text or else their summary. A
    response that failed is an error."""
    if data.get("object") != "response" or not isinstance(output := data.get("output"), list):
        return None
    status = data.get("status")
    shared = {"id": data.get("id"), "model": data.get("model"), "usage": data.get("usage")}
    if status not in ("completed", "incomplete"):
        return shared | {"error": data.get("error") or {"message": f"a response with status {status}"}}
    items = [item for item in output if isinstance(item, dict)]
    parts = [part for item in items if item.get("type") == "message" for part in _parts(item, "content")]
    message: dict[str, Any] = {"role": "assistant"}
    if texts := [str(part.get("text", "")) for part in parts if part.get("type") == "output_text"]:
        message["content"] = "".join(texts)
    if refusals := [str(part.get("refusal", "")) for part in parts if part.get("type") == "refusal"]:
        message["refusal"] = "".join(refusals) or "refused"
    thoughts = [_thought(item) for item in items if item.get("type") == "reasoning"]
    if thinking := "\n\n".join(thought for thought in thoughts if thought):
        message["reasoning_content"] = thinking
    if any(str(item.get("type")).endswith("_call") for item in items):
        message["tool_calls"] = True
    details = data.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, dict) else None
    finish = "stop" if status == "completed" else reason or "incomplete"
    return shared | {"choices": [{"index": 0, "message": message, "finish_reason": finish}]}


_ENDS = ("response.completed", "response.incomplete", "response.failed")


def joined(events: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the response that the last event of a stream holds."""
    kinds = [str(event.get("type")) for event in events]
    if not any(kind.startswith("response.") for kind in kinds):
        return None
    for kind, event in zip(kinds, events, strict=True):
        if kind in _ENDS and isinstance(whole := event.get("response"), dict):
            return whole
    deltas = [(kind, str(event.get("delta", ""))) for kind, event in zip(kinds, events, strict=True)]
    message = {
        "role": "assistant",
        "content": "".join(text for kind, text in deltas if kind == "response.output_text.delta"),
        "reasoning_content": "".join(text for kind, text in deltas if kind.startswith("response.reasoning") and kind.endswith(".delta")),
    }  # fmt: skip
    stated = next((dict(event) for kind, event in zip(kinds, events, strict=True) if kind == "error"), None)
    error = stated or {"message": "a stream of events that was cut"}
    return {"choices": [{"index": 0, "message": message, "finish_reason": None}], "error": error}


def _parts(item: Mapping[str, Any], field: str) -> Iterator[Mapping[str, Any]]:
    parts = item.get(field)
    yield from (part for part in (parts if isinstance(parts, list) else []) if isinstance(part, dict))


def _thought(item: Mapping[str, Any]) -> str:
    texts = (
        "\n\n".join(str(part.get("text", "")) for part in _parts(item, field))
        for field in ("content", "summary")
    )
    return next((text for text in texts if text), "")


def stated_status(data: Mapping[str, Any]) -> int | None:
    error = data.get("error")
    if data.get("object") != "response" or not isinstance(error, dict):
        return None
    return _STATUS.get(str(error.get("code")))


def recognised(status: int, data: Mapping[str, Any]) -> bool:
    error = data.get("error")
    message = str(error.get("message") if isinstance(error, dict) else "").lower()
    return status in (400, 404) and _ELSEWHERE.search(message) is not None
