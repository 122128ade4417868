"""Turns of conversations as chat templates and servers read them, which are those of TRL's conversational shapes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import orjson
import pyarrow as pa

from storage.rows import ChatTurn

Reasoning = Literal["field", "inline", "none"]
FIELD = "reasoning_content"  # the name of thinking in a message, as chat templates and servers use it
OPEN, CLOSE = "<think>\n", "\n</think>\n\n"
OF_TOOLS = ("tool_calls", "tool_call_id", "name")  # fields of a message that chats without tools lack


def message_of(turn: ChatTurn, reasoning: Reasoning = "field") -> dict[str, Any]:
    """Return a turn of a chat as chat templates and servers read it, with the fields that it has.

    The arguments of its tool calls stay the text of a JSON object.
    """
    content, thinking = turn["content"] or "", turn["reasoning"]
    if thinking and reasoning == "inline":
        content = f"{OPEN}{thinking}{CLOSE}{content}"
    message: dict[str, Any] = {"role": turn["role"], "content": content}
    if thinking and reasoning == "field":
        message[FIELD] = thinking
    if turn["tool_calls"]:
        message["tool_calls"] = orjson.loads(turn["tool_calls"])
    return message | {name: turn[name] for name in ("tool_call_id", "name") if turn[name] is not None}


def conversation(
    *, thinks: bool, of_tools: Iterable[str], arguments: pa.DataType | None = None
) -> pa.DataType:
    """Return the type of a list of messages.

    thinks: whether any has the field FIELD. of_tools: the names of OF_TOOLS that any has. arguments: the type of the arguments of
    tool calls; None: text.
    """
    names = set(of_tools)
    function = pa.struct([("name", pa.string()), ("arguments", arguments or pa.string())])
    calls = pa.list_(pa.struct([("id", pa.string()), ("type", pa.string()), ("function", function)]))
    fields = [("role", pa.string()), ("content", pa.string())]
    fields += [(FIELD, pa.string())] if thinks else []
    fields += [(name, calls if name == "tool_calls" else pa.string()) for name in OF_TOOLS if name in names]
    return pa.list_(pa.struct(fields))


def one_turn(role: str, contents: pa.Array, kind: pa.DataType, thoughts: pa.Array | None = None) -> pa.Array:
    """Return each text as a conversation of one turn, of the type `kind`. thoughts: its thinking, if `kind` has a field for it."""
    parts = {"role": pa.array([role] * len(contents), pa.string()), "content": contents.cast(pa.string())}
    if thoughts is not None:
        parts[FIELD] = thoughts
    arrays = [parts.get(field.name, pa.nulls(len(contents), field.type)) for field in kind.value_type]
    turn = pa.StructArray.from_arrays(arrays, fields=list(kind.value_type))
    return pa.ListArray.from_arrays(pa.array(range(len(contents) + 1), pa.int32()), turn, type=kind)


def without_absent(messages: Sequence[dict[str, Any]]) -> None:
    """Remove fields that a message lacks: a chat template may print a null."""
    for message in messages:
        for name in (FIELD, *OF_TOOLS):
            if message.get(name, "") is None:
                del message[name]
