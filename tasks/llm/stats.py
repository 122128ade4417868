"""The counters of one engine, in constant memory."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, field, replace

from tasks.llm.request import Failure, Usage

_STEP = math.log(1.02)  # width of a bucket: percentiles are exact to 2 %
_LEAST = 1e-5  # seconds


@dataclass(slots=True)
class TagStats:
    """Sums for one tag, which is a stage.

    `calls` were sent and answered, `cached` requests cost nothing, `failed` ones ended with an error, and `capped` answers
    reported more tokens than the request allowed. The cost is in USD.
    """

    calls: int = 0
    cached: int = 0
    failed: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: int = 0
    capped: int = 0
    cost_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class Stats:
    """The counters of an engine.

    Latencies are in seconds, from sending to the last byte. `tokens_per_s` are the completion tokens per second with calls
    in flight. `errors` are counts by kind. `dialect` lists what was sent in another form than requested, because the
    endpoint accepts nothing else.
    """

    calls: int
    cached: int
    failed: int
    retries: int
    cuts: int
    breaker_opened: int
    in_flight: int
    limit: int
    prompt_tokens: int
    completion_tokens: int
    estimated: int
    cost_usd: float
    latency_p50: float
    latency_p95: float
    latency_p99: float
    tokens_per_s: float
    busy_s: float
    by_tag: dict[str, TagStats]
    errors: dict[str, int]
    dialect: tuple[str, ...] = ()


@dataclass
class Meter:
    """Collects the counters. Thread-safe: the event loop counts calls, the threads of callers count cached requests."""

    tags: dict[str, TagStats] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    _buckets: dict[int, int] = field(default_factory=dict)
    _busy: float = 0.0
    _busy_since: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    moved_at: float = field(default_factory=time.monotonic)  # the last event, for the watchdog

    def moved(self) -> None:
        """Note that something happened: a call was admitted, answered or failed, or a health check ended."""
        self.moved_at = time.monotonic()

    def billed(self, tag: str, usage: Usage, cost: float, latency: float) -> None:
        """Count a call that was answered, with its cost in USD and its latency in seconds."""
        with self._lock:
            sums = self._tag(tag)
            sums.calls += 1
            sums.prompt_tokens += usage.prompt_tokens
            sums.completion_tokens += usage.completion_tokens
            sums.estimated += usage.estimated
            sums.capped += usage.capped
            sums.cost_usd += cost
            bucket = int(math.log(max(latency, _LEAST) / _LEAST) / _STEP)
            self._buckets[bucket] = self._buckets.get(bucket, 0) + 1

    @property
    def answered(self) -> bool:
        """Whether the endpoint has answered anything yet."""
        return bool(self._buckets)

    def cached(self, tag: str, count: int = 1) -> None:
        with self._lock:
            self._tag(tag).cached += count

    def retried(self, tag: str) -> None:
        with self._lock:
            self._tag(tag).retries += 1

    def failed(self, tag: str, kind: Failure) -> None:
        with self._lock:
            self._tag(tag).failed += 1
            self.errors[str(kind)] = self.errors.get(str(kind), 0) + 1

    def busy(self, in_flight: int) -> None:
        """Add up the time with calls in flight. Call this when the first one starts and when the last one ends."""
        if in_flight and self._busy_since is None:
            self._busy_since = time.monotonic()
        elif not in_flight and self._busy_since is not None:
            self._busy += time.monotonic() - self._busy_since
            self._busy_since = None

    def snapshot(
        self, *, cuts: int, opened: int, in_flight: int, limit: int, dialect: tuple[str, ...] = ()
    ) -> Stats:
        with self._lock:
            since = self._busy_since
            busy = self._busy + (time.monotonic() - since if since is not None else 0.0)
            tags = {name: replace(sums) for name, sums in self.tags.items()}
            completion_tokens = sum(sums.completion_tokens for sums in tags.values())
            p50, p95, p99 = (self._percentile(share) for share in (0.50, 0.95, 0.99))
            return Stats(
                calls=sum(sums.calls for sums in tags.values()),
                cached=sum(sums.cached for sums in tags.values()),
                failed=sum(sums.failed for sums in tags.values()),
                retries=sum(sums.retries for sums in tags.values()),
                cuts=cuts,
                breaker_opened=opened,
                in_flight=in_flight,
                limit=limit,
                prompt_tokens=sum(sums.prompt_tokens for sums in tags.values()),
                completion_tokens=completion_tokens,
                estimated=sum(sums.estimated for sums in tags.values()),
                cost_usd=sum(sums.cost_usd for sums in tags.values()),
                latency_p50=p50,
                latency_p95=p95,
                latency_p99=p99,
                tokens_per_s=completion_tokens / busy if busy > 0 else 0.0,
                busy_s=busy,
                by_tag=tags,
                errors=dict(self.errors),
                dialect=dialect,
            )

    def _tag(self, tag: str) -> TagStats:
        return self.tags.setdefault(tag, TagStats())

    def _percentile(self, share: float) -> float:
        total = sum(self._buckets.values())
        if not total:
            return 0.0
        below, rank = 0, math.ceil(share * total)
        for bucket in sorted(self._buckets):
            below += self._buckets[bucket]
            if below >= rank:
                return _LEAST * math.exp((bucket + 0.5) * _STEP)
        return 0.0
