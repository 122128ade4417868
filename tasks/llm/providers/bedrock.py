"""Amazon Bedrock's Converse with an API key: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import orjson

from tasks.llm.dialect import Dialect, messages_in
from tasks.llm.providers.anthropic import limit_thinking, usage_with_cache
from tasks.llm.request import Message, Request, encode, in_stated_order

EXAMPLE = "https://bedrock-runtime.us-east-1.amazonaws.com"
FIELDS = frozenset(["response_format", "stop", "top_p", "temperature"])  # it has no seed
MODELS = "/foundation-models"  # of another host: an answer shows that this one can be reached

# The fields of a request that are the same for all models. All other fields of `extra` are those of a model, such as
# top_k and thinking.
_BESIDE = frozenset(
    [
        "additionalModelResponseFieldPaths",
        "guardrailConfig",
        "outputConfig",
        "performanceConfig",
        "promptVariables",
        "requestMetadata",
        "serviceTier",
        "toolConfig",
    ]
)
_SYSTEM = ("system", "developer")
_ORDINARY = re.compile(rb'"stopReason"\s*:')


def path(model: str) -> str:
    return f"/model/{quote(model, safe='')}/converse"  # a model may be an ARN, with slashes


def headers(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


def body(request: Request, dialect: Dialect) -> bytes:
    """Return the body. System turns go to the field `system`."""
    messages = messages_in(request.messages, dialect)
    system = [{"text": str(message.get("content"))} for message in messages if message.get("role") in _SYSTEM]
    fields: dict[str, Any] = {}
    of_model: dict[str, Any] = {}
    for name, value in request.extra.items():
        if name == "additionalModelRequestFields" and isinstance(value, Mapping):
            of_model |= value
        elif name in _BESIDE:
            fields[name] = value
        else:
            of_model[name] = value
    config: dict[str, Any] = {"maxTokens": request.max_tokens}
    if "temperature" not in dialect.without:
        config["temperature"] = max(request.temperature, dialect.least_temperature)
    # Several models refuse a topP beside a temperature, and 1 is its default.
    if "top_p" not in dialect.without and request.top_p != 1.0:
        config["topP"] = request.top_p
    if "stop" not in dialect.without and request.stop:
        config["stopSequences"] = list(request.stop)
    if request.response_schema is not None and "response_format" not in dialect.without:
        schema = {
            "name": "answer",
            "schema": orjson.dumps(in_stated_order(request.response_schema)).decode(),
        }
        stated = fields.get("outputConfig")
        form = {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}
        fields["outputConfig"] = (stated if isinstance(stated, dict) else {}) | form
    fields["messages"] = [_turn(message) for message in messages if message.get("role") not in _SYSTEM]
    if system:
        fields["system"] = system
    limit_thinking(of_model, request.max_tokens)
    if of_model:
        fields["additionalModelRequestFields"] = of_model
    return encode(fields | {"inferenceConfig": config})


def _turn(message: Message) -> dict[str, Any]:
    role = "assistant" if message.get("role") == "assistant" else "user"
    return {"role": role, "content": [{"text": str(message.get("content"))}]}


def listed(data: Any) -> list[str]:
    return sorted(str(model["modelId"]) for model in data["modelSummaries"])


def ordinary(raw: bytes) -> bool:
    return _ORDINARY.search(raw) is not None and b'"output"' in raw


def as_chat(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a response as a chat completion: its `reasoningContent` blocks are the reasoning."""
    output = data.get("output")
    if not isinstance(output, dict) or "stopReason" not in data:
        return None
    message = output.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    blocks = [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
    texts = [text for block in blocks if isinstance(text := block.get("text"), str)]
    reply: dict[str, Any] = {"role": "assistant"}
    if texts:
        reply["content"] = "".join(texts)
    if thinking := "".join(_thinking(block.get("reasoningContent")) for block in blocks):
        reply["reasoning_content"] = thinking
    if any("toolUse" in block for block in blocks):
        reply["tool_calls"] = True
    chat: dict[str, Any] = {
        "choices": [{"index": 0, "message": reply, "finish_reason": data.get("stopReason")}]
    }
    if isinstance(usage := data.get("usage"), dict):
        chat["usage"] = _usage(usage)
    return chat


def _thinking(reasoning: object) -> str:
    """Return the text of a reasoning block; redacted reasoning has none."""
    stated = reasoning.get("reasoningText") if isinstance(reasoning, dict) else None
    text = stated.get("text") if isinstance(stated, dict) else None
    return text if isinstance(text, str) else ""


def _usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    """Return the usage with all tokens of the prompt: `inputTokens` does not include the cached ones."""
    sent, received = usage.get("inputTokens"), usage.get("outputTokens")
    cached, written = (usage.get(f"cache{name}InputTokens") for name in ("Read", "Write"))
    return usage_with_cache(sent, received, cached, written)


def joined(events: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    return None  # no streams are asked for


def stated_status(data: Mapping[str, Any]) -> int | None:
    return None  # errors of Bedrock come with their status


def recognised(status: int, data: Mapping[str, Any]) -> bool:
    """Services of AWS answer a path that they do not have by an exception of this name."""
    output = data.get("Output")
    kind = output.get("__type") if isinstance(output, dict) else None
    return status == 404 and str(kind).endswith("UnknownOperationException")
