"""Azure OpenAI: chat completions of a deployment, with the key in a header of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from tasks.llm.providers import chat

EXAMPLE = "https://NAME.openai.azure.com/openai/deployments/DEPLOYMENT?api-version=2024-10-21"
FIELDS = chat.FIELDS
MODELS = chat.MODELS
HOSTS = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")

path = chat.path
body = chat.body
ordinary = chat.ordinary
joined = chat.joined
stated_status = chat.stated_status
recognised = chat.recognised


def headers(key: str) -> dict[str, str]:
    return {"api-key": key} if key else {}


def listed(data: Any) -> list[str]:
    """Return no name: Azure lists the models of a resource, but a call names a deployment."""
    return []


def as_chat(data: Mapping[str, Any]) -> dict[str, Any] | None:
    return None  # its answers are chat completions


def serves(url: str) -> bool:
    """Return whether a base URL is one of Azure's own hosts, which take this format only."""
    return (urlsplit(url).hostname or "").endswith(HOSTS)
