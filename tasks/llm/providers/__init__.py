"""Wire formats: plug-ins that write a request as the API of a provider takes it and read its answers, one module each.

A module of this folder is a wire format if it fulfils the protocol `WireFormat`; its name is the value of the setting
`MATHMILL_<ROLE>__API`. All its functions are pure. The completion key does not depend on the format, and the ledger holds
the provider's own bytes: `as_chat` recognises the format of an answer by its shape alone, so that every process reads a
stored answer alike.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, cast

from tasks.llm.dialect import OPTIONAL, Dialect
from tasks.llm.request import Request
from tasks.plugins import checked, module, names

CHAT = "chat"  # the format that tasks/llm/wire.py reads; the answers of all others are translated into it


class WireFormat(Protocol):
    """The contract of a module of this folder."""

    @property
    def EXAMPLE(self) -> str:
        """The usual base URL, for messages to users."""
        ...

    @property
    def FIELDS(self) -> frozenset[str]:
        """The fields of `tasks.llm.dialect.OPTIONAL` that a body of this format can carry; the others are left out."""
        ...

    @property
    def MODELS(self) -> str:
        """The path, below the base URL, of the list of models."""
        ...

    @property
    def path(self) -> Callable[[str], str]:
        """The function `path(model) -> str`: the path of a call, below the base URL."""
        ...

    @property
    def headers(self) -> Callable[[str], dict[str, str]]:
        """The function `headers(key) -> dict`: the headers that this format needs, with the API key; "" is no key."""
        ...

    @property
    def body(self) -> Callable[[Request, Dialect], bytes]:
        """The function `body(request, dialect) -> bytes`: the JSON body of a call."""
        ...

    @property
    def listed(self) -> Callable[[Any], list[str]]:
        """The function `listed(data) -> list[str]`: the names in a list of models. Raises TypeError or KeyError if `data`
        is none."""
        ...

    @property
    def ordinary(self) -> Callable[[bytes], bool]:
        """The function `ordinary(raw) -> bool`: whether the bytes are an answer without an error, by a fast look."""
        ...

    @property
    def as_chat(self) -> Callable[[Mapping[str, Any]], dict[str, Any] | None]:
        """The function `as_chat(data) -> dict | None`: an answer of this format as a chat completion, None for any other
        JSON object. No error is raised, whatever the object contains."""
        ...

    @property
    def joined(self) -> Callable[[Sequence[Mapping[str, Any]]], dict[str, Any] | None]:
        """The function `joined(events) -> dict | None`: the answer that a stream of events makes, None if they are of another
        format. Of a stream that was cut off, a chat completion with what came and an error beside it."""
        ...

    @property
    def stated_status(self) -> Callable[[Mapping[str, Any]], int | None]:
        """The function `stated_status(data) -> int | None`: the HTTP status that an error of this format stands for."""
        ...

    @property
    def recognised(self) -> Callable[[int, Mapping[str, Any]], bool]:
        """The function `recognised(status, data) -> bool`: whether a chat-completions call that was refused with this
        status and JSON object shows that the server takes this format instead."""
        ...


@functools.cache
def known() -> tuple[str, ...]:
    """Return the names of all wire formats."""
    return names(__name__)


def check(name: str) -> None:
    """Raise ValueError if there is no wire format of that name."""
    checked("wire format", [name], known())


@functools.cache
def wire_format(name: str) -> WireFormat:
    """Return the wire format of that name. Raises tasks.plugins.UnknownName if there is none."""
    return cast(WireFormat, module(__name__, name))


def dialect_of(name: str) -> Dialect:
    """Return the dialect with which calls of a wire format begin: without the fields that it does not have."""
    return Dialect(api=name, without=frozenset(OPTIONAL) - wire_format(name).FIELDS)


def as_chat(data: dict[str, Any]) -> dict[str, Any]:
    """Return an answer of any wire format as a chat completion; an object that is of none is returned as it is."""
    if "choices" in data:
        return data
    translations = (wire_format(name).as_chat(data) for name in known())
    return next((chat for chat in translations if chat is not None), data)


def joined(events: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the answer that a stream of events makes; None if they are of no format but that of chat completions."""
    answers = (wire_format(name).joined(events) for name in known())
    return next((answer for answer in answers if answer is not None), None)


def ordinary(raw: bytes) -> bool:
    """Return whether the bytes are an answer of any wire format without an error, by a fast look."""
    return any(wire_format(name).ordinary(raw) for name in (CHAT, *known()))


def stated_status(data: Mapping[str, Any]) -> int | None:
    """Return the HTTP status that an error of any wire format stands for; None if it states none."""
    stated = (wire_format(name).stated_status(data) for name in known())
    return next((status for status in stated if status is not None), None)


def recognised(status: int, data: object) -> str | None:
    """Return the wire format that a server takes, which refused a chat-completions call; None if it does not say so."""
    if not isinstance(data, dict):
        return None
    return next((name for name in known() if wire_format(name).recognised(status, data)), None)
