"""Gemini's generateContent: https://ai.google.dev/api/generate-content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from tasks.llm.dialect import Dialect, messages_in
from tasks.llm.request import Message, Request, encode, in_stated_order

EXAMPLE = "https://generativelanguage.googleapis.com/v1beta"
FIELDS = frozenset(["response_format", "seed", "stop", "top_p", "temperature"])
MODELS = "/models?pageSize=1000"  # 50 without a size
MOST_STOPS = 5

# The fields of a request that are no part of generationConfig. All other fields of `extra` are, such as topK and
# thinkingConfig.
_BESIDE = frozenset(
    ["cachedContent", "labels", "model", "safetySettings", "serviceTier", "store", "toolConfig", "tools"]
)
_SYSTEM = ("system", "developer")
_WRONG_KEYS = ("API_KEY_INVALID", "API_KEY_EXPIRED")  # come with status 400


def path(model: str) -> str:
    name = model if model.startswith("tunedModels/") else f"models/{model.removeprefix('models/')}"
    return f"/{quote(name, safe='/')}:generateContent"


def headers(key: str) -> dict[str, str]:
    return {"x-goog-api-key": key} if key else {}


def body(request: Request, dialect: Dialect) -> bytes:
    """Return the body. System turns go to the field `systemInstruction`; `maxOutputTokens` includes the thinking."""
    messages = messages_in(request.messages, dialect)
    system = [str(message.get("content")) for message in messages if message.get("role") in _SYSTEM]
    config: dict[str, Any] = {}
    fields: dict[str, Any] = {}
    for name, value in request.extra.items():
        if name == "generationConfig" and isinstance(value, Mapping):
            config |= value
        elif name in _BESIDE:
            fields[name] = value
        else:
            config[name] = value
    config |= {
        "maxOutputTokens": request.max_tokens,
        "temperature": max(request.temperature, dialect.least_temperature),
        "topP": request.top_p,
    }
    if request.seed is not None:
        config["seed"] = request.seed & 0x7FFFFFFF  # a signed number of 32 bits
    if request.stop:
        config["stopSequences"] = list(request.stop[:MOST_STOPS])
    if request.response_schema is not None and "response_format" not in dialect.without:
        schema = in_stated_order(request.response_schema)
        config |= {"responseMimeType": "application/json", "responseJsonSchema": schema}
    for name, ours in (
        ("temperature", "temperature"),
        ("top_p", "topP"),
        ("seed", "seed"),
        ("stop", "stopSequences"),
    ):
        if name in dialect.without:
            config.pop(ours, None)
    fields["contents"] = [_turn(message) for message in messages if message.get("role") not in _SYSTEM]
    if system:
        fields["systemInstruction"] = {"parts": [{"text": "\n\n".join(system)}]}
    return encode(fields | {"generationConfig": config})


def _turn(message: Message) -> dict[str, Any]:
    role = "model" if message.get("role") == "assistant" else "user"
    return {"role": role, "parts": [{"text": str(message.get("content"))}]}


def listed(data: Any) -> list[str]:
    """Return the names, with and without the folder that they are listed in: a user may give both."""
    names = [str(model["name"]) for model in data["models"]]
    return sorted({name.removeprefix("models/") for name in names}) + names


def ordinary(raw: bytes) -> bool:
    return b'"candidates"' in raw and b'"error"' not in raw


def as_chat(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a response as a chat completion. Parts with `thought` are the reasoning. A prompt that was blocked has no
    candidate and counts as filtered."""
    candidates, feedback = data.get("candidates"), data.get("promptFeedback")
    if not isinstance(candidates, list) and not isinstance(feedback, dict):
        return None
    chat = {
        "id": data.get("responseId"),
        "model": data.get("modelVersion"),
        "choices": _choices(candidates, feedback),
    }
    if isinstance(usage := data.get("usageMetadata"), dict):
        chat["usage"] = _usage(usage)
    return chat


def _choices(candidates: object, feedback: object) -> list[dict[str, Any]]:
    candidate = candidates[0] if isinstance(candidates, list) and candidates else None
    if isinstance(candidate, dict):
        message = _message(candidate.get("content"))
        return [{"index": 0, "message": message, "finish_reason": candidate.get("finishReason")}]
    if isinstance(feedback, dict) and feedback.get("blockReason"):
        return [{"index": 0, "message": {"role": "assistant"}, "finish_reason": "content_filter"}]
    return []


def _message(content: object) -> dict[str, Any]:
    parts = content.get("parts") if isinstance(content, dict) else None
    parts = [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    thoughts = [text for part in parts if part.get("thought") and isinstance(text := part.get("text"), str)]
    texts = [text for part in parts if not part.get("thought") and isinstance(text := part.get("text"), str)]
    message: dict[str, Any] = {"role": "assistant"}
    if texts:
        message["content"] = "".join(texts)
    if thoughts:
        message["reasoning_content"] = "".join(thoughts)
    if any("functionCall" in part for part in parts):
        message["tool_calls"] = True
    return message


def _usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    """Return the usage. The tokens of the candidates do not include those of the thinking, which is charged like them; a
    count of zero is left out by the API."""
    prompt, total = usage.get("promptTokenCount"), usage.get("totalTokenCount")
    counts = {
        name: count if isinstance(count := usage.get(name, 0), int) else 0
        for name in ("toolUsePromptTokenCount", "candidatesTokenCount", "thoughtsTokenCount")
    }
    if not isinstance(prompt, int):
        return {}
    received = counts["candidatesTokenCount"] + counts["thoughtsTokenCount"]
    sent = prompt + counts["toolUsePromptTokenCount"]
    if not received and isinstance(total, int):
        received = max(0, total - sent)
    return {
        "prompt_tokens": sent,
        "completion_tokens": received,
        "prompt_tokens_details": {"cached_tokens": usage.get("cachedContentTokenCount")},
    }


def joined(events: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    return None  # no streams are asked for


def stated_status(data: Mapping[str, Any]) -> int | None:
    """A key that is not valid is refused with status 400 and a reason among the details."""
    error = data.get("error")
    details = error.get("details") if isinstance(error, dict) else None
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict) and detail.get("reason") in _WRONG_KEYS:
            return 401
    return None


def recognised(status: int, data: Mapping[str, Any]) -> bool:
    return False  # Google answers a path that it does not have with a page, not with JSON
