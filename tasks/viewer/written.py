"""What a model wrote where nothing of it became the text of a row: the items of its completion, field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from json import loads
from typing import Any, Final

from tasks.replies.items import written_objects

MOST: Final = 40  # items of a completion that are shown
# fields that say whether the writer's own check of an item succeeded, and the check
SOUND, CHECK = "sound", "check"
_NOT_THE_TEXT: Final = ("plan", CHECK, SOUND, "difficulty")


@dataclass(frozen=True, slots=True)
class WrittenItem:
    """An item of a completion: its texts (field, text), the writer's check and whether that succeeded (None: it does not say)."""

    texts: tuple[tuple[str, str], ...]
    check: str
    sound: bool | None


@dataclass(frozen=True, slots=True)
class WrittenReply:
    """A completion: its items; where it has none that can be read, its text as it is."""

    items: tuple[WrittenItem, ...]
    text: str


def written(raw: str) -> WrittenReply:
    """Return what a stored response says. It is hostile: nothing of it is evaluated."""
    text = "\n".join(_contents(raw)) or raw
    items = tuple(_item(one) for one in written_objects(text)[:MOST])
    return WrittenReply(items, text)


def _item(fields: Mapping[str, Any]) -> WrittenItem:
    sound = fields.get(SOUND)
    return WrittenItem(
        tuple(
            (name, value)
            for name, value in fields.items()
            if isinstance(value, str) and name not in _NOT_THE_TEXT
        ),
        str(fields.get(CHECK) or ""),
        sound if isinstance(sound, bool) else None,
    )


def _contents(raw: str) -> Iterator[str]:
    """Yield the texts of a response in the wire formats of chat completions and messages."""
    try:
        body = loads(raw)
    except (ValueError, RecursionError):
        return
    if not isinstance(body, dict):
        return
    messages = [one.get("message") for one in _list(body.get("choices")) if isinstance(one, dict)]
    contents = [one.get("content") for one in messages if isinstance(one, dict)] or [body.get("content")]
    for content in contents:
        if isinstance(content, str):
            yield content
        for part in _list(content):
            if isinstance(part, dict) and isinstance(part.get("text"), str):
                yield part["text"]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
