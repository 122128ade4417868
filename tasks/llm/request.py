"""What is asked of a model, what comes back, and the key under which the ledger keeps it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

import orjson

Message = Mapping[str, Any]


class Failure(StrEnum):
    """Why there is no answer that can be used. Code asks for the kind and never for the text of `error`."""

    REFUSAL = "refusal"
    CONTENT_FILTER = "content filter"
    CONTEXT_LENGTH = "context length"
    EMPTY = "empty"
    MALFORMED = "malformed"
    QUARANTINED = "quarantined"  # of another model than was asked
    REJECTED = "rejected"  # did not pass the caller's check
    HTTP = "http"  # a client error
    DEFERRED = "deferred"  # not asked to the end; ask again another time
    OFFLINE = "offline"


# The model was asked and gave no answer: that is its result. All other failures say nothing about the model.
OF_THE_MODEL: Final = frozenset(
    {Failure.REFUSAL, Failure.CONTENT_FILTER, Failure.CONTEXT_LENGTH, Failure.EMPTY}
)


@dataclass(frozen=True, slots=True)
class Request:
    """One chat completion to ask for.

    Two requests with equal fields have equal keys, whatever the number types (`temperature=1` is 1.0).
    Not part of the key: `tag` (the stage's name, for accounting) and `longer` (where set, a completion
    cut off at `max_tokens` is asked for once more with this cap, under a key of its own).
    `sample_index` tells apart the k samples of one prompt. Raises ValueError for values no endpoint takes.
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
        """The canonical JSON: what the key is the sha256 of, and what the ledger stores as the request."""
        return encode(
            {
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
        )

    def key(self, revision: str = "") -> str:
        """Hex sha256 of the canonical request; the same on every machine and in every release."""
        return key_of(self.canonical(revision))

    def with_longer_cap(self) -> Request:
        return replace(self, max_tokens=self.longer or self.max_tokens, longer=None)

    def asked_again(self, answer: str, error: str) -> Request:
        """The same request with the model's answer and what was wrong with it appended."""
        again = (
            {"role": "assistant", "content": answer},
            {
                "role": "user",
                "content": f"That answer cannot be used: {error}. Answer again, mending only that.",
            },
        )
        return replace(self, messages=(*self.messages, *again), longer=None)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens billed. `estimated` where the endpoint did not say and they were guessed from lengths, or where it stated
    more than the request allowed and they were `capped` at that."""

    prompt_tokens: int
    completion_tokens: int
    estimated: bool = False
    capped: bool = False


@dataclass(frozen=True, slots=True)
class Completion:
    """The answer to one request, or why there is none.

    `text` is None where nothing came. `error` is None for an answer that can be used as it is;
    otherwise a reason that ends the item: "refusal", "content filter", "context length", "empty",
    "malformed: ...", "quarantined: ...", "rejected: ..." (did not pass the caller's check),
    "http 4xx: ...", "deferred: ..." (not asked to the end; ask again another time), "offline".
    `finish_reason` "length" is an answer cut off at max_tokens, kept and billed, `error` None.
    `cached` is true where this request cost nothing now; `cost` is what it cost in USD when it was paid.
    `id` is the endpoint's own name for it. `kind` types the error, and is None where `error` is; `detail` is what stands
    behind the colon of `error`.
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

    @property
    def failed_by_model(self) -> bool:
        """Whether there is an error and the model is its cause."""
        return self.kind in OF_THE_MODEL

    @property
    def deferred(self) -> bool:
        """Whether another time may bring an answer: nothing final was said."""
        return self.kind in (Failure.DEFERRED, Failure.OFFLINE)


def key_of(canonical: bytes) -> str:
    return hashlib.sha256(canonical).hexdigest()


def encode(value: Any) -> bytes:
    """Canonical JSON bytes: sorted keys, no spaces, UTF-8; lone surrogates become U+FFFD."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        # Text out of books and completions can hold lone surrogates, which have no UTF-8.
        return orjson.dumps(mended(value), option=orjson.OPT_SORT_KEYS)


def mended(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {mended(key): mended(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [mended(item) for item in value]
    return value
