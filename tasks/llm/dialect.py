"""Dialects: the fields that an endpoint does not accept, and the body that is sent to it instead.

Nothing is guessed: a field is left out, renamed or changed only after the endpoint refused a request because of it. The
dialect affects only the bytes that are sent. The completion key and the request in the ledger are always those of the
canonical form, whatever was left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tasks.llm.request import ErrorObject, Message, Request
from tasks.llm.token_limits import LEAST_ANSWER, TEMPLATE_TOKENS, TokenLimit

LEAST_TEMPERATURE = 0.01  # sent instead of 0 to endpoints that require a positive temperature
# fields of the bodies of all wire formats that the program sets itself
OWN_FIELDS = frozenset(
    [
        "model",
        "messages",
        "max_tokens",
        "max_completion_tokens",
        "temperature",
        "top_p",
        "seed",
        "stop",
        "n",
        "stream",
        "stream_options",
        "response_format",
        "system",
        "stop_sequences",
        "input",
        "instructions",
        "max_output_tokens",
    ]
)
STREAMED = ("chat", "azure", "anthropic", "responses")  # wire formats whose streams are read
OPTIONAL = ("response_format", "seed", "stop", "top_p", "temperature")
REFUSED = (400, 404, 415, 422)
SCHEMA_FAILED = (
    500,
    501,
    503,
)  # of a server whose grammar engine cannot take the schema, if its text says so

_SCHEMA = re.compile(
    r"response_?format|json[_ ]?schema|json[_ ]?object|json[_ ]?(?:mode|output)|guided|grammar|structured|constrained|"
    r"output_?schema|xgrammar|outlines|\bschema\b"
)
_NOT_TAKEN = re.compile(
    r"not (?:\w+ )?(?:support|allow|permit|accept|recogni[sz]|implement|available|enabled|valid)|"
    r"unsupported|unrecogni[sz]ed|unknown|unexpected|extra|deprecated|cannot|can't|could not|no longer|does not|"
    r"doesn't|isn't|must|only|invalid|either|forbidden|disabled|ignored|should|fixed at|unavailable|illegal"
)
_STREAM_ONLY = re.compile(
    r"non[- ]?stream|(?:only|must|requires?|needs?|set)\b[^.]{0,40}\bstream|"
    r"\bstream(?:ing)?\b[^.]{0,40}(?:must|required|only|should|=? ?false\b[^.]{0,30}not)|enable (?:the )?stream"
)
_STREAM_REFUSED = re.compile(
    r"remove[^.]{0,20}stream|stream\w*'? does not support true|stream\w* (?:is|are) not"
)
_VALUE = re.compile(
    r"positive|greater|larger|more than|at least|minimum|non-?zero|> ?0|\(0|]0|between|range|must be"
)
_NAMES = {
    "seed": re.compile(r"\b(?:random_)?seed\b"),
    "stop": re.compile(r"\bstop(?:_?sequences?|_?words?|s)?\b|\bstop sequences?\b"),
    "top_p": re.compile(r"\btop[_-]?p\b"),
    "temperature": re.compile(r"\btemperature\b"),
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a request is written for an endpoint.

    `api` is the wire format (tasks/llm/providers). `without` are the fields that are left out of the body. `cap` is the
    name of the token limit. `system` is the role in which system texts are sent; "" puts them before the first user text.
    `stream` asks for the answer as a stream of events, for servers that send nothing else. `most_tokens` is the most that
    the model writes and `context` the length of its context window, in tokens, 0 where no refusal stated it; `density` is
    the greatest ratio of a stated prompt length to the estimated one.
    """

    without: frozenset[str] = frozenset()
    cap: str = "max_tokens"  # newer OpenAI models require max_completion_tokens
    system: str = "system"
    least_temperature: float = 0.0
    api: str = "chat"
    stream: bool = False
    most_tokens: int = 0
    context: int = 0
    density: float = 1.0

    def notes(self) -> tuple[str, ...]:
        """Return what differs from the request, for reports and lineage."""
        notes = [f"sent in the wire format {self.api}"] if self.api != "chat" else []
        notes += [f"{name} left out" for name in OPTIONAL if name in self.without]
        if self.cap != "max_tokens":
            notes.append(f"max_tokens sent as {self.cap}")
        if self.system != "system":
            notes.append(
                f"system texts sent as {self.system}" if self.system else "system texts put before the user's"
            )
        if self.least_temperature:
            notes.append(f"temperature 0 sent as {self.least_temperature:g}")
        if self.stream:
            notes.append("answers streamed")
        if self.most_tokens:
            notes.append(f"at most {self.most_tokens} tokens per answer")
        if self.context:
            notes.append(f"context window of {self.context} tokens")
        return tuple(notes)

    def limit(self, request: Request, prompt: int) -> int:
        """Return the token limit to send for a request with a prompt of an estimated `prompt` tokens.

        Where the context window leaves no room, that of the request is sent: only the endpoint can say that a prompt is
        too long.
        """
        most = min(request.max_tokens, self.most_tokens or request.max_tokens)
        room = self.context - round(prompt * self.density) - TEMPLATE_TOKENS
        return min(most, room) if self.context and room >= LEAST_ANSWER else most

    def with_limit(self, limit: TokenLimit, prompt: int) -> Dialect:
        """Return the dialect with what a refusal stated for all requests; `prompt` is the estimated prompt length."""
        new = self
        if limit.of_model:
            new = replace(new, most_tokens=min(limit.most, new.most_tokens or limit.most))
        if limit.context:
            new = replace(new, context=limit.context)
        if limit.prompt:
            new = replace(new, density=max(new.density, limit.prompt / max(prompt, 1)))
        return new


def messages_in(messages: Sequence[Message], dialect: Dialect) -> list[Message]:
    """Return messages with the system texts in the role that the dialect names."""
    if dialect.system == "system":
        return list(messages)
    if dialect.system:
        return [{**m, "role": dialect.system} if m.get("role") == "system" else m for m in messages]
    texts = [str(m.get("content")) for m in messages if m.get("role") == "system"]
    rest: list[Message] = [m for m in messages if m.get("role") != "system"]
    if not texts:
        return rest
    system = "\n\n".join(texts)
    for index, message in enumerate(rest):
        if message.get("role") == "user":
            content = message.get("content")
            joined = (
                [{"type": "text", "text": system}, *content]
                if isinstance(content, list)
                else f"{system}\n\n{content}"
            )
            rest[index] = {**message, "content": joined}
            return rest
    return [{"role": "user", "content": system}, *rest]


def adapted(dialect: Dialect, request: Request, status: int, error: ErrorObject) -> Dialect | None:
    """Return the dialect without what a refusal complains of, or None if it names nothing that was sent.

    Each step leaves less to refuse, so that a chain of refusals ends.
    """
    complaint = f"{error.param} {error.message} {error.code}".lower()
    sent = fields_of(request, dialect)
    schema = "response_format" in sent
    if schema and status in (*REFUSED, *SCHEMA_FAILED) and _SCHEMA.search(complaint):
        return _less(dialect, "response_format")
    if schema and status == 501:
        return _less(dialect, "response_format")  # "not implemented" without a word: nothing else is unusual
    if status not in (400, 422):
        return None
    return (
        _stream(dialect, complaint)
        or _cap(dialect, complaint)
        or _roles(dialect, request, complaint)
        or _field(dialect, request, complaint, sent)
    )


def refused_extra(names: Sequence[str], error: ErrorObject) -> str | None:
    """Return which of the fields `names` a refusal complains of, None if it names none of them.

    Such a field is never left out, since the user asked for it.
    """
    complaint = f"{error.param} {error.message}"
    if not _NOT_TAKEN.search(complaint.lower()):
        return None
    # xAI writes reasoningEffort for reasoning_effort
    return next(
        (
            name
            for name in names
            if re.search(
                rf"(?<![\w-]){re.escape(name).replace('_', '_?')}(?![\w-])", complaint, re.IGNORECASE
            )
        ),
        None,
    )


def names_in(extra: object) -> list[str]:
    """Return the names of all fields in a JSON value, the outer before the inner ones."""
    if isinstance(extra, Mapping):
        inner = [name for value in extra.values() for name in names_in(value)]
        return [*map(str, extra), *inner]
    return [name for value in extra for name in names_in(value)] if isinstance(extra, list) else []


def fields_of(request: Request, dialect: Dialect) -> frozenset[str]:
    """Return the optional fields that the body of a request contains in a dialect."""
    sent = {"temperature", "top_p"}
    if request.seed is not None:
        sent.add("seed")
    if request.stop:
        sent.add("stop")
    if request.response_schema is not None:
        sent.add("response_format")
    return frozenset(sent - dialect.without)


def _less(dialect: Dialect, name: str) -> Dialect:
    return replace(dialect, without=dialect.without | {name})


def _stream(dialect: Dialect, complaint: str) -> Dialect | None:
    if dialect.api not in STREAMED:
        return None
    if dialect.stream and dialect.api in ("chat", "azure") and "stream_options" not in dialect.without:
        options = re.search(r"stream_?options|include_?usage", complaint)
        return _less(dialect, "stream_options") if options else None
    if dialect.stream or _STREAM_REFUSED.search(complaint) or not _STREAM_ONLY.search(complaint):
        return None
    return replace(dialect, stream=True)


def _cap(dialect: Dialect, complaint: str) -> Dialect | None:
    if dialect.cap == "max_tokens" and "max_completion_tokens" in complaint:
        return replace(dialect, cap="max_completion_tokens")
    refused = re.search(
        r"unsupported|not support|unrecogni[sz]ed|unknown|unexpected|extra|not permitted|not allowed",
        complaint,
    )
    if dialect.cap == "max_tokens" and "max_tokens" in complaint and refused:
        return replace(dialect, cap="max_completion_tokens")
    return None


def _roles(dialect: Dialect, request: Request, complaint: str) -> Dialect | None:
    if not dialect.system or not any(m.get("role") == "system" for m in request.messages):
        return None
    named = re.search(r"\bsystem\b|\bdeveloper\b|\broles?\b", complaint)
    about = re.search(r"\broles?\b|\bmessages?\b|\binstructions?\b|\bprompts?\b|alternate", complaint)
    if not named or not about or not (_NOT_TAKEN.search(complaint) or "alternate" in complaint):
        return None
    if dialect.system == "system" and "developer" in complaint:
        return replace(dialect, system="developer")
    return replace(dialect, system="")


def _field(dialect: Dialect, request: Request, complaint: str, sent: frozenset[str]) -> Dialect | None:
    if not _NOT_TAKEN.search(complaint):
        return None
    if (
        "temperature" in sent
        and _NAMES["temperature"].search(complaint)
        and not ("top_p" in sent and _NAMES["top_p"].search(complaint))
    ):
        if (
            request.temperature < LEAST_TEMPERATURE
            and not dialect.least_temperature
            and _VALUE.search(complaint)
        ):
            return replace(dialect, least_temperature=LEAST_TEMPERATURE)
        return _less(dialect, "temperature")
    for name in ("top_p", "seed", "stop"):
        if name in sent and _NAMES[name].search(complaint):
            return _less(dialect, name)
    return None
