"""Requests to models, their completions, and the key under which the ledger stores them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

import orjson

from prompts.asking_again import ReplyFault, again

Message = Mapping[str, Any]


class Failure(StrEnum):
    """Why there is no usable answer. Code compares this kind and never the text of `Completion.error`."""

    REFUSAL = "refusal"
    CONTENT_FILTER = "content filter"
    CONTEXT_LENGTH = "context length"
    EMPTY = "empty"
    MALFORMED = "malformed"
    QUARANTINED = "quarantined"  # from another model than the requested one
    REJECTED = "rejected"  # did not pass the caller's check
    HTTP = "http"  # a client error
    DEFERRED = "deferred"  # not sent, or not answered before a limit; the next run sends it
    OFFLINE = "offline"


# The model was called and gave no answer: that is its result. All other failures say nothing about the model.
OF_THE_MODEL: Final = frozenset(
    {Failure.REFUSAL, Failure.CONTENT_FILTER, Failure.CONTEXT_LENGTH, Failure.EMPTY}
)


@dataclass(frozen=True, slots=True)
class Request:
    """A request for one chat completion.

    Requests with equal fields have equal keys, whatever the number types (`temperature=1` equals 1.0). Not part of the
    key are `tag` (the stage, for accounting) and `longer` (if set, a completion that was cut off at `max_tokens` is
    requested once more with this token limit, or that of thinking, under a key of its own; see tasks/llm/sampling.py). `sample_index` distinguishes the k samples of one
    prompt. `extra` are further fields of the body, such as top_k. Raises ValueError for values that no endpoint accepts.
    """

    messages: Sequence[Message]
    model: str
    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int = 1024
    seed: int | None = None
    sample_index: int = 0
    response_schema: Mapping[str, Any] | None = None
    stop: Sequence[str] = ()
    tag: str = ""
    longer: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "messages", tuple(self.messages))
        set_(self, "stop", tuple(self.stop))
        set_(self, "temperature", float(self.temperature))
        set_(self, "top_p", float(self.top_p))
        if not self.messages:
            raise ValueError("a request needs at least one message")
        if not math.isfinite(self.temperature) or not math.isfinite(self.top_p):
            raise ValueError(f"temperature {self.temperature} and top_p {self.top_p} must be finite")
        if self.max_tokens < 1:
            raise ValueError(f"max_tokens is {self.max_tokens}; it must be at least 1")

    def canonical(self, revision: str = "") -> bytes:
        """Return the canonical JSON, which the ledger stores as the request and whose SHA-256 is the completion key."""
        fields = {
            "max_tokens": self.max_tokens,
            "messages": list(self.messages),
            "model": self.model,
            "response_schema": self.response_schema,
            "revision": revision,
            "sample_index": self.sample_index,
            "seed": self.seed,
            "stop": list(self.stop),
            "temperature": self.temperature,
            "top_p": self.top_p,
        }
        if self.extra:  # left out where there is nothing, so that keys from before the field existed stay
            fields["extra"] = dict(self.extra)
        return encode(fields)

    def key(self, revision: str = "") -> str:
        """Return the completion key: the hex SHA-256 of the canonical request, the same on every machine and in every release."""
        return key_of(self.canonical(revision))

    def with_limit(self, max_tokens: int) -> Request:
        """Return the same request with another token limit, which is final."""
        return replace(self, max_tokens=max_tokens, longer=None)

    def reask(self, answer: str, fault: ReplyFault) -> Request:
        """Return the re-ask: the same request with the model's answer and what was wrong with it appended."""
        further = (
            {"role": "assistant", "content": answer},
            {"role": "user", "content": again(fault, _words_of(self.messages[0]))},
        )
        return replace(self, messages=(*self.messages, *further), longer=None)


def _words_of(message: Message) -> str:
    """Return the text of a message; of one with pictures, its parts of text."""
    content = message["content"]
    if isinstance(content, str):
        return content
    return " ".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens that a call is charged for.

    `estimated` is set if the endpoint did not report them and they were estimated from the lengths of the texts, or if it
    reported more than the request allows and they were `capped` at that. Of the prompt tokens, `cached_tokens` were read from
    the provider's prompt cache and `written_tokens` written to it.
    """

    prompt_tokens: int
    completion_tokens: int
    estimated: bool = False
    capped: bool = False
    cached_tokens: int = 0
    written_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        """Return the tokens of two calls."""
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.estimated or other.estimated,
            self.capped or other.capped,
            self.cached_tokens + other.cached_tokens,
            self.written_tokens + other.written_tokens,
        )


@dataclass(frozen=True, slots=True)
class Completion:
    """The answer to one request, or why there is none.

    `text` is None if nothing came. `error` is None for a usable answer; otherwise it is the reason: "refusal", "content
    filter", "context length", "empty", "malformed: ...", "quarantined: ...", "rejected: ..." (did not pass the caller's
    check), "http 4xx: ...", "deferred: ..." (not answered before a limit; the next run sends it) or "offline". An answer
    that was cut off at max_tokens has the `finish_reason` "length" and no error. `cached` is true if the request cost
    nothing now; `cost` is what it cost in USD when it was paid. `id` is the endpoint's name for the completion. `kind`
    is the type of the error, None if there is none, and `detail` is the part of `error` after the colon. `reasoning` is
    the thinking that the endpoint sent apart from the text; thinking inside the text is left there (tasks/replies).
    `replaced` are the tokens of the answers before it that were cut off or did not pass the caller's check, whose cost is part of
    `cost`; `truncated_tokens` are those of the answers among them that were cut off. `asked` is the model that the request went to,
    if the role has several (tasks/llm/mix.py).
    """

    key: str
    text: str | None
    finish_reason: str | None
    usage: Usage
    error: str | None = None
    cached: bool = False
    id: str = ""
    model: str = ""
    cost: float = 0.0
    kind: Failure | None = None
    detail: str = ""
    reasoning: str = ""
    replaced: Usage = Usage(0, 0)
    truncated_tokens: int = 0
    asked: str = ""

    def after(self, earlier: Completion) -> Completion:
        """Return the completion with what the answer that it replaces took."""
        cut = earlier.usage.completion_tokens if earlier.finish_reason == "length" else 0
        return replace(
            self,
            cost=self.cost + earlier.cost,
            replaced=self.replaced + earlier.usage + earlier.replaced,
            truncated_tokens=self.truncated_tokens + earlier.truncated_tokens + cut,
        )

    @property
    def failed_by_model(self) -> bool:
        """Whether there is an error and the model is its cause."""
        return self.kind in OF_THE_MODEL

    @property
    def deferred(self) -> bool:
        """Whether a later run may get an answer."""
        return self.kind in (Failure.DEFERRED, Failure.OFFLINE)


@dataclass(frozen=True, slots=True)
class ErrorObject:
    """The error object of a response, read from any of the usual shapes."""

    message: str
    code: str
    param: str


def key_of(canonical: bytes) -> str:
    """Return the completion key: the hex SHA-256 of a canonical request."""
    return hashlib.sha256(canonical).hexdigest()


def request_of(canonical: bytes) -> Request:
    """Rebuild a request from the canonical form that the ledger stores. Raises ValueError if it is not one."""
    fields = orjson.loads(canonical)
    fields.pop("revision", None)
    return Request(**fields)


def encode(value: Any) -> bytes:
    """Return canonical JSON: sorted keys, no spaces, UTF-8; lone surrogates become U+FFFD."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        # Text from books and completions can contain lone surrogates, which UTF-8 cannot encode.
        return orjson.dumps(without_surrogates(value), option=orjson.OPT_SORT_KEYS)


def in_stated_order(schema: Mapping[str, Any]) -> orjson.Fragment:
    """Return a JSON schema as JSON whose properties stand in the order of `required`.

    Servers that hold a completion to a schema generate its fields in the order of the properties. The canonical request, which
    is the completion key, has them sorted; a list keeps its order there.
    """
    return orjson.Fragment(orjson.dumps(_ordered(without_surrogates(schema))))


def _ordered(value: Any) -> Any:
    if isinstance(value, Mapping):
        record = {key: _ordered(item) for key, item in sorted(value.items())}
        properties, first = record.get("properties"), record.get("required")
        if isinstance(properties, dict) and isinstance(first, list):
            stated = [name for name in first if name in properties]
            rest = [name for name in properties if name not in stated]
            record["properties"] = {name: properties[name] for name in [*stated, *rest]}
        return record
    return [_ordered(item) for item in value] if isinstance(value, list) else value


def without_surrogates(value: Any) -> Any:
    """Return a JSON value with lone surrogates replaced by U+FFFD in all texts."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {without_surrogates(key): without_surrogates(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_surrogates(item) for item in value]
    return value
