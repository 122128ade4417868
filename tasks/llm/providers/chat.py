"""Chat completions: OpenAI's older API, which vLLM and most other servers speak. tasks/llm/wire.py reads its answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.llm.dialect import OPTIONAL, Dialect, messages_in
from tasks.llm.request import Request, encode, in_stated_order

EXAMPLE = "http://localhost:8000/v1"
FIELDS = frozenset(OPTIONAL)
MODELS = "/models"


def path(model: str) -> str:
    return "/chat/completions"


def headers(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


def body(request: Request, dialect: Dialect) -> bytes:
    fields: dict[str, Any] = dict(request.extra)  # first, so that they replace nothing of the request
    fields |= {"model": request.model, "messages": messages_in(request.messages, dialect)}
    fields[dialect.cap] = request.max_tokens
    fields["temperature"] = max(request.temperature, dialect.least_temperature)
    fields["top_p"] = request.top_p
    if request.seed is not None:
        fields["seed"] = request.seed
    if request.stop:
        fields["stop"] = list(request.stop)
    if request.response_schema is not None:
        schema = {"name": "answer", "strict": True, "schema": in_stated_order(request.response_schema)}
        fields["response_format"] = {"type": "json_schema", "json_schema": schema}
    if dialect.stream:
        fields |= {"stream": True, "stream_options": {"include_usage": True}}
    return encode({name: value for name, value in fields.items() if name not in dialect.without})


def listed(data: Any) -> list[str]:
    return sorted(str(model["id"]) for model in data["data"])


def ordinary(raw: bytes) -> bool:
    return b'"choices"' in raw and b'"error"' not in raw


def as_chat(data: Mapping[str, Any]) -> dict[str, Any] | None:
    return dict(data) if "choices" in data else None


def joined(events: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    return None  # tasks.llm.wire joins them


def stated_status(data: Mapping[str, Any]) -> int | None:
    return None  # tasks.llm.wire.stated_status reads the numbers that gateways state


def recognised(status: int, data: Mapping[str, Any]) -> bool:
    return False  # it is the format of the refused call
