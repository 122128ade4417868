"""Endpoints: the addresses of a model, the limits of its calls, and the errors that stop a run at once."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import SecretStr

from storage.errors import ForPeople
from tasks.llm import providers
from tasks.llm.model_files import CHECKPOINT
from tasks.llm.prices import TokenPrices, published
from tasks.llm.providers import azure
from tasks.llm.redaction import Redactor
from tasks.llm.sampling import Sampling

EMBEDDED = "embedded"
IN_PROCESS = "vllm:"  # prefix of a model that a vLLM worker process on this machine runs
MALFORMED_RETRIES = 2  # after answers that cannot be used, over all runs together


class EndpointError(ForPeople, ValueError):
    """No call to this endpoint can succeed. The message is one line with the setting to fix and never contains the key."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The model of one role (teacher, critic, ...) and how it is reached.

    `base_urls` end before /chat/completions (`https://host/v1`); several form an endpoint pool; None or "embedded" is the
    embedded teacher in this process. `api` is the wire format of the calls (tasks/llm/providers). Prices are in USD per million
    tokens; None: as published (tasks/llm/prices.py), and 0 if none is published. `revision` is part of every completion key:
    change it when the weights behind the name change. `accept_models` are further model names that answers may carry, for
    gateways that rename models. `wait_ready` is how many seconds to wait for a server that still loads its weights.
    `sampling` are the role's own sampling settings, `prompts` the folder of prompts that replace the project's own. `region` is the AWS region for which calls of the format "bedrock" are signed; empty: they are
    not. `secrets` are further texts that must not be stored if they are echoed, such as the keys of other endpoints. `python`
    and `options` configure the worker that runs a `vllm:` model. `folder` is where a `hf:` model lies, if not in the folder
    of its name; `threads` and `batch` are its CPU threads (0: torch's own choice) and the most sequences decoded at once.
    """

    role: str
    model: str
    base_urls: Sequence[str] | None = None
    api_key: SecretStr | None = field(default=None, repr=False)
    price_in: float | None = None
    price_out: float | None = None
    price_cached: float | None = None
    price_cache_write: float | None = None
    revision: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    accept_models: Sequence[str] = ()
    wait_ready: float = 0.0
    api: str = providers.CHAT
    python: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    folder: str = ""
    threads: int = 0
    batch: int = 32
    sampling: Sampling = field(default_factory=Sampling)
    prompts: Path | None = None
    secrets: Sequence[str] = field(default=(), repr=False)
    region: str = ""
    configured_by: str = (
        ""  # the role whose settings this endpoint uses; roles without settings use those of the teacher
    )
    mixed: bool = False  # whether it is one of several models of that role

    def __post_init__(self) -> None:
        urls = [self.base_urls] if isinstance(self.base_urls, str) else list(self.base_urls or ())
        urls = [] if urls == [EMBEDDED] else urls
        object.__setattr__(
            self, "base_urls", tuple(url if urlsplit(url).query else url.rstrip("/") for url in urls)
        )
        providers.check(self.api)
        if self.api == providers.CHAT and any(azure.serves(url) for url in urls):
            object.__setattr__(self, "api", "azure")
        if not urls and self.api != providers.CHAT:
            raise EndpointError(
                f"{self.setting('API')} is {self.api!r} but no address is set. Fix: set {self.setting('BASE_URL')}, for "
                f"example {providers.wire_format(self.api).EXAMPLE}"
            )
        if self.region and self.api != "bedrock":
            raise EndpointError(
                f"{self.setting('REGION')} is set, and only calls of the wire format bedrock are signed. Fix: set "
                f"{self.setting('API')}=bedrock, or leave the region out"
            )
        if self.region and self.api_key is not None:
            raise EndpointError(
                f"{self.setting('REGION')} asks for signed calls, which take no {self.setting('API_KEY')}. Fix: leave one out"
            )
        for url in urls:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise EndpointError(
                    f"{self.setting('BASE_URL')}: {host_of(url)!r} is not an http(s) URL. Fix: give one such as "
                    "https://host/v1"
                )
            if self.api == "azure" and "/deployments/" in parts.path and "api-version" not in parts.query:
                raise EndpointError(
                    f"{self.setting('BASE_URL')}: the URL of host {host_of(url)} names a deployment without an API version. "
                    "Fix: end it with ?api-version=2024-10-21, or use https://HOST/openai/v1"
                )

    @property
    def embedded(self) -> bool:
        """Whether this is the embedded teacher."""
        return not self.base_urls and not self.model.startswith((IN_PROCESS, CHECKPOINT))

    def setting(self, name: str) -> str:
        """The environment variable that sets `name` for this endpoint."""
        role = f"MATHMILL_{(self.configured_by or self.role).upper()}"
        return f"{name.lower()} of {self.model} in {role}__MODELS" if self.mixed else f"{role}__{name}"

    @property
    def checkpoint(self) -> str | None:
        """The folder of a `hf:` model, or its name on the hub; None for every other model."""
        if not self.model.startswith(CHECKPOINT):
            return None
        return self.folder or self.model.removeprefix(CHECKPOINT)

    @property
    def names(self) -> tuple[str, ...]:
        """The model names that an answer may carry."""
        return (self.model.removeprefix(IN_PROCESS).removeprefix(CHECKPOINT), *self.accept_models)

    @property
    def identity(self) -> str:
        """What decides the answers of this endpoint: the model, its revision and the sampling settings."""
        sampled = self.sampling.identity
        return f"{self.model}@{self.revision}" + (f" ({sampled})" if sampled else "")

    @property
    def redactor(self) -> Redactor:
        """The redactor of all secrets of this endpoint."""
        return _redactor((*self.own_secrets(), *self.secrets), tuple(self.headers.values()))

    def own_secrets(self) -> Iterator[str]:
        """Yield the API key, and the users, passwords and query values of the base URLs."""
        if self.api_key is not None:
            yield self.api_key.get_secret_value()
        for url in self.base_urls or ():
            parts = urlsplit(url)
            yield from (unquote(part) for part in (parts.username, parts.password) if part)
            for name, value in parse_qsl(parts.query):
                if name.lower().replace("_", "-") not in ("api-version", "version"):
                    yield value

    def request_headers(self, api: str = "") -> dict[str, str]:
        """Return the headers of every call in a wire format, that of the endpoint by default. They contain the key: never
        log them."""
        # A key read from a file often ends in a newline, which no header may hold.
        key = self.api_key.get_secret_value().strip() if self.api_key is not None else ""
        own = providers.wire_format(api or self.api).headers(key)
        # headers of the settings replace those of the format, such as its version, except the key
        set_apart = {name.lower() for name, value in own.items() if key and key in value}
        stated = {name: value for name, value in self.headers.items() if name.lower() not in set_apart}
        replaced = {name.lower() for name in stated}
        kept = {name: value for name, value in own.items() if name.lower() not in replaced}
        return {"Content-Type": "application/json", "Accept": "application/json", **stated, **kept}

    @property
    def price(self) -> TokenPrices:
        """The prices of a call: those of the settings, or else the published ones."""
        listed = published(self.model, tuple(self.base_urls or ())) or TokenPrices()
        price = listed.at(
            listed.prompt if self.price_in is None else self.price_in,
            listed.completion if self.price_out is None else self.price_out,
        )
        return replace(
            price,
            cached=price.cached if self.price_cached is None else self.price_cached,
            written=price.written if self.price_cache_write is None else self.price_cache_write,
        )

    @property
    def unpriced(self) -> str:
        """A line for people if no price is known for the calls, or an empty string. The models of this machine and of a
        private network cost nothing."""
        urls = tuple(self.base_urls or ())
        stated = self.price_in is not None and self.price_out is not None
        if stated or all(_is_private(url) for url in urls) or published(self.model, urls) is not None:
            return ""
        return (
            f"No price is known for {self.model}, the {self.role}: its calls count as 0 USD, and no budget in USD limits "
            f"them. Fix: set {self.setting('PRICE_IN')} and {self.setting('PRICE_OUT')} (0 if it is free)"
        )

    def stopped_by(self, host: str, status: int, reason: str) -> EndpointError | None:
        """Return the error that stops a run, for a status that no retry can change; None for the others."""
        key = f"set {self.setting('API_KEY')} to a key that may use {self.model}"
        if self.region:
            key = f"use AWS credentials that may use {self.model}, and correct {self.setting('REGION')}"
        fixes = {
            401: key,
            402: f"top up the account of {self.setting('API_KEY')}",
            403: key,
            404: f"correct {self.setting('MODEL')} ({self.model}) or {self.setting('BASE_URL')}: no such model or path",
            405: f"correct {self.setting('BASE_URL')} (it usually ends in /v1) or {self.setting('API')}: not an address of such calls",
            429: f"raise the quota, which is used up, with the provider, or set {self.setting('API_KEY')} to another key",
        }
        fix = fixes[405] if 300 <= status < 400 else fixes.get(status)
        return EndpointError(f"{self.role} endpoint {host}: {reason}. Fix: {fix}") if fix else None

    def redact(self, text: str) -> str:
        """Return `text` without the secrets of the endpoint (API key, values of headers, credentials in base URLs), on one
        line of at most 300 characters. It is redacted before it is cut."""
        return " ".join(self.redactor.text(text).split())[:300]


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """The limits of an engine. Times are in seconds.

    `deadline` is the timeout of one request over all its tries and the waits between them, without the time that it
    waits for admission. `malformed_retries` is the number of retries after answers that cannot be used, over all runs
    that share a ledger; `unusable_in_a_row` such answers with no usable one between them stop the run. `breaker_after`
    failures in a row open the circuit breaker; `unreachable_after` without an answer stops the run (two minutes, or the
    endpoint's `wait_ready`, if it never answered at all). If requests wait while nothing happens (no call admitted,
    answered or failed, no health check ended) for `deadline` and `stalled_after` together, the run stops with an error.
    `max_in_flight` is divided among the base URLs. At most `window` requests are between input and output at once (0:
    chosen from `max_in_flight`). With `offline` nothing is sent: requests whose answer is not in the ledger fail with the
    error "offline".
    """

    max_in_flight: int = 64
    start_in_flight: int = 16
    deadline: float = 600.0
    connect: float = 10.0
    backoff: float = 0.5
    backoff_cap: float = 30.0
    malformed_retries: int = MALFORMED_RETRIES
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
        """How many requests may be between input and output at once."""
        return self.window or max(1024, 8 * self.max_in_flight)


def _is_private(url: str) -> bool:
    """Return whether a URL is one of this machine or of a private network."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".localhost"))


@lru_cache(64)
def _redactor(secrets: tuple[str, ...], headers: tuple[str, ...]) -> Redactor:
    return Redactor(secrets, headers)


def host_of(url: str) -> str:
    """Return the host and port of a URL, without the user, password and path, which may be secret."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "?"
    return f"{parts.hostname}{port}" if parts.hostname else "?"


# files that decide what a checkpoint answers
_DECIDING = ("config", "generation_config", "tokenizer", "special_tokens", "added_tokens", "vocab", "merges", "chat_template")  # fmt: skip


def revision_of(model: str, folder: str = "") -> str:
    """Return the revision of a checkpoint `hf:FOLDER`: a digest of its files, which changes when the folder is written
    again. Empty for every other model. It is part of every completion key. `folder`: where the files are, if not in the
    folder of the name."""
    place = Path(folder or model.removeprefix(CHECKPOINT))
    if not model.startswith(CHECKPOINT) or not place.is_dir():
        return ""
    files = [path for path in sorted(place.iterdir()) if path.name.startswith(_DECIDING) or path.suffix == ".safetensors"]  # fmt: skip
    return _digest(tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files))


@lru_cache(maxsize=64)
def _digest(files: tuple[tuple[str, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for name, _, _ in files:
        with open(name, "rb") as file:
            digest.update(Path(name).name.encode() + b"\0" + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]
