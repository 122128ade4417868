"""Takes the thinking off a solution, or off a turn of a chat, which many data sets of reasoning models store in one text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.ingestion.column_names import REASONINGS
from tasks.ingestion.flags import truth
from tasks.ingestion.record_chats import turns
from tasks.replies import solutions as replies
from tasks.replies.solutions import Reply

_SWITCHES = frozenset(("on", "off", "enabled", "disabled", "none", "low", "medium", "high"))


def of_solution(record: Mapping[str, Any], values: Mapping[str, Any], solution: str) -> Reply:
    """Return the solution of a record without the thinking inside it, and the thinking, from there or from a field of its own."""
    reply = replies.read(solution) if "think" in solution or "thought" in solution else None
    if reply is not None and reply.thinking and reply.solution.strip():
        return Reply(reply.solution, reply.thinking)
    if reply is not None and reply.unfinished and replies.thinking_apart(solution) is not None:
        return Reply("", reply.thinking, unfinished=True)
    thinking = reasoning_of(record, values)
    return Reply(solution, thinking if thinking != solution else None)


def reasoning_of(record: Mapping[str, Any], values: Mapping[str, Any]) -> str | None:
    """Return the thinking that a record has in a field of its own, None if it has none; "on" says only that the model thinks."""
    for name in REASONINGS:
        if isinstance(text := values.get(name), str) and text.strip() and not _is_switch(text):
            return text
    for _, turn in turns(record):
        if turn.role == "assistant" and turn.reasoning:
            return turn.reasoning
    return None


def _is_switch(text: str) -> bool:
    return text.strip().lower() in _SWITCHES or truth(text) is not None
