"""Where a model is reached, within which limits, and the errors that stop a run at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import SecretStr

from storage.errors import ForPeople
from tasks.llm.redaction import Redactor

EMBEDDED = "embedded"
IN_PROCESS = "vllm:"  # a model name that begins so is run by a worker process of this machine
CHECKPOINT = "hf:"  # one that begins so is a Hugging Face checkpoint, continued in this process


class EndpointError(ForPeople, ValueError):
    """No call to this endpoint can succeed; one line with the setting to mend. Never holds the key."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model by the role it plays (teacher, critic, ...).

    `base_urls` end before /chat/completions (`https://host/v1`); several are used as one pool; None or
    "embedded" is the rule-based teacher in this process. Prices in USD per million tokens. `revision`
    is part of every key: change it when the weights behind the name change. `accept_models` are
    names that answers may carry besides `model` (gateways that rename). `wait_ready` is how many
    seconds a server that still loads its weights is waited for. `secrets` are what else must not be stored if it is
    echoed, such as the keys of other endpoints. `python` and `options` are those of the
    worker that runs a `vllm:` model.
    """

    role: str
    model: str
    base_urls: Sequence[str] | None = None
    api_key: SecretStr | None = field(default=None, repr=False)
    price_in: float = 0.0
    price_out: float = 0.0
    revision: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    accept_models: Sequence[str] = ()
    wait_ready: float = 0.0
    python: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    secrets: Sequence[str] = field(default=(), repr=False)
    configured_by: str = ""  # the role whose settings it has: unset roles use the teacher's

    def __post_init__(self) -> None:
        urls = [self.base_urls] if isinstance(self.base_urls, str) else list(self.base_urls or ())
        urls = [] if urls == [EMBEDDED] else urls
        object.__setattr__(
            self, "base_urls", tuple(url if urlsplit(url).query else url.rstrip("/") for url in urls)
        )
        for url in urls:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise EndpointError(f"{self.setting('BASE_URL')}: {host_of(url)!r} is not an http(s) URL")

    @property
    def embedded(self) -> bool:
        return not self.base_urls and not self.model.startswith((IN_PROCESS, CHECKPOINT))

    def setting(self, name: str) -> str:
        """The environment variable that sets `name` for this endpoint."""
        return f"MATHMILL_{(self.configured_by or self.role).upper()}__{name}"

    @property
    def names(self) -> tuple[str, ...]:
        """The model names that an answer may carry."""
        return (self.model.removeprefix(IN_PROCESS).removeprefix(CHECKPOINT), *self.accept_models)

    @property
    def redactor(self) -> Redactor:
        return _redactor((*self.own_secrets(), *self.secrets), tuple(self.headers.values()))

    def own_secrets(self) -> Iterator[str]:
        """The key, and what the base URLs hold besides hosts and paths."""
        if self.api_key is not None:
            yield self.api_key.get_secret_value()
        for url in self.base_urls or ():
            parts = urlsplit(url)
            yield from (unquote(part) for part in (parts.username, parts.password) if part)
            for name, value in parse_qsl(parts.query):
                if name.lower().replace("_", "-") not in ("api-version", "version"):
                    yield value

    def request_headers(self) -> dict[str, str]:
        """The headers of every call. They hold the key: never log them."""
        headers = {"Content-Type": "application/json", "Accept": "application/json", **self.headers}
        # A key read from a file often ends in a newline, which no header may hold.
        if self.api_key is not None and (key := self.api_key.get_secret_value().strip()):
            headers["Authorization"] = f"Bearer {key}"
        return headers

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float:
        """USD."""
        return (prompt_tokens * self.price_in + completion_tokens * self.price_out) / 1e6

    def stopped_by(self, host: str, status: int, said: str) -> EndpointError | None:
        """The error that stops a run, for a status that no retry helps; None for the others."""
        fixes = {
            401: f"set {self.setting('API_KEY')} to a key that may use {self.model}",
            402: f"top up the account of {self.setting('API_KEY')}",
            403: f"set {self.setting('API_KEY')} to a key that may use {self.model}",
            404: f"correct {self.setting('MODEL')} ({self.model}) or {self.setting('BASE_URL')}: no such model or path",
            405: f"correct {self.setting('BASE_URL')} (it usually ends in /v1): not a chat-completions address",
            429: f"raise the quota, which is used up, with the provider, or set {self.setting('API_KEY')} to another key",
        }
        fix = fixes[405] if 300 <= status < 400 else fixes.get(status)
        return EndpointError(f"{self.role} endpoint {host}: {said}. Fix: {fix}") if fix else None

    def redact(self, text: str) -> str:
        """`text` without the API key, the values of the headers, and what the base URLs hold besides hosts and paths;
        on one line, at most 300 characters: redacted first, then cut."""
        return " ".join(self.redactor.text(text).split())[:300]


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """Times in seconds.

    `deadline` is the total of one request over all its tries and waits between them (not counting the
    time that the engine itself holds it back). `malformed_retries` are the further tries after an
    answer that cannot be read, over all runs that share a ledger; `unusable_in_a_row` such answers of one kind, with no
    usable one between them, end the run. `breaker_after` failures in a row open the circuit breaker;
    `unreachable_after` without one answer ends the run (two minutes, or the endpoint's `wait_ready`, where
    it never answered at all). Requests that wait while nothing happens (no call let through, answered or failed,
    no health check ended) for `deadline` and `stalled_after` together end the run: a hang gets a name.
    `max_in_flight` is shared out among the endpoint's base URLs. `window` requests at most are
    between input and output at once (0: chosen from max_in_flight). `offline` asks nobody: what the
    ledger does not hold comes back as error "offline".
    """

    max_in_flight: int = 64
    start_in_flight: int = 16
    deadline: float = 600.0
    connect: float = 10.0
    backoff: float = 0.5
    backoff_cap: float = 30.0
    malformed_retries: int = 2
    unusable_in_a_row: int = 20
    breaker_after: int = 8
    breaker_cooloff: float = 1.0
    unreachable_after: float = 900.0
    stalled_after: float = 600.0
    window: int = 0
    most_bytes: int = 32 * 1024 * 1024
    offline: bool = False

    def __post_init__(self) -> None:
        if self.max_in_flight < 1 or self.start_in_flight < 1:
            raise ValueError("max_in_flight and start_in_flight must be at least 1")

    @property
    def spread(self) -> int:
        return self.window or max(1024, 8 * self.max_in_flight)


@lru_cache(64)
def _redactor(secrets: tuple[str, ...], headers: tuple[str, ...]) -> Redactor:
    return Redactor(secrets, headers)


def host_of(url: str) -> str:
    """The host and port of a URL: without the user, the password and the path that may be secret."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "?"
    return f"{parts.hostname}{port}" if parts.hostname else "?"
