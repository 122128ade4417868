"""Reads the chats that the columns of a record hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.ingestion import chats
from tasks.ingestion.column_names import CHATS, QUESTIONS, plain
from tasks.ingestion.options import literal
from tasks.ingestion.values import Unfit


def chat_of(name: str, value: Any) -> list[chats.Turn] | None:
    """Return the turns that a column holds, None where it holds no chat."""
    if isinstance(value, str):
        if name in (*chats.COLUMNS, "prompt", "completion", "chosen", "rejected") and value.lstrip()[:2] in (
            "[{",
            "[[",
        ):
            parsed = literal(value.strip())
            return chats.turns_of(parsed) if isinstance(parsed, list) else None
        return chats.transcript(value) if name in (*CHATS, *QUESTIONS, "chosen", "rejected", "text") else None
    if value is not None and name in (
        *CHATS,
        "input",
        "completion",
        "chosen",
        "rejected",
        "response",
        "output",
        "generation",
    ):
        if (
            isinstance(value, list)
            and value
            and all(isinstance(one, str) for one in value)
            and name not in chats.COLUMNS
        ):
            return None
        if isinstance(value, Mapping) and name not in ("prompt", "chosen", "rejected", *chats.COLUMNS):
            return None
        return chats.turns_of(value)
    return None


def turns(record: Mapping[str, Any]) -> list[tuple[str, chats.Turn]]:
    """(column, turn) of every chat of a record, in every column that holds one. A chat that cannot be read is Unfit."""
    turns_by_column = []
    for name, value in record.items():
        try:
            chat = chat_of(plain(name), value)
        except chats.Odd as error:
            raise Unfit(str(error)) from error
        turns_by_column += [(plain(name), turn) for turn in chat or ()]
    return turns_by_column


def asked_and_replied(values: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return (question, reply) of a chat with one user turn, (None, None) where the record holds no chat."""
    empty = False
    for name in (*CHATS, "input", "chosen"):
        try:
            chat = chat_of(name, values.get(name))
        except chats.Odd as error:
            raise Unfit(str(error)) from error
        if chat is None or (name == "chosen" and "prompt" in values):
            continue
        users = chats.asked(chat)
        if not chat:
            empty = True
            continue
        if len(users) != 1:
            raise Unfit(f"a chat of {len(users)} user turns; one question a row")
        if not users[0].strip():
            raise Unfit("the user turn is empty")
        return users[0], chats.replied(chat)
    if empty and not any(isinstance(values.get(name), str) for name in QUESTIONS):
        raise Unfit("a chat of 0 user turns; one question a row")
    return None, None
