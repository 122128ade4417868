"""How many calls one base URL is given at once: slow start, then additive increase, multiplicative decrease.

One cut an episode: an overload is reported by every call that was in flight when it began, and only
calls sent after a cut can say that the cut was not enough. How deep a cut goes follows the share of calls
refused of late, as in DCTCP (Alizadeh et al., SIGCOMM 2010): half where all were refused, a few per cent
where a few were, so that an endpoint that refuses 5 % whatever the load is still kept busy.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass

DEEPEST_CUT = 0.5
MEMORY = 0.125  # weight of the latest round in the share of refusals
LATENCY_CUT = 0.8
WINDOW = 32  # answers at least before two windows are compared


@dataclass(slots=True)
class _Window:
    """Answers since the limit was last judged."""

    since: float
    latencies: list[float]
    limit: float


class Controller:
    """All times in seconds of one monotonic clock, given by the caller."""

    def __init__(self, start: int, most: int) -> None:
        self._limit = float(min(start, most))
        self._most = most
        self._threshold = float(most)  # slow start ends here; a cut lowers it
        self._cut_at = -1.0
        self._paused_until = 0.0
        self._refusal_share = 1.0  # nothing known: the first cut is the deepest
        self._round_at = 0.0  # a round ends with the first answer to a call sent in it
        self._round_answers = 0
        self._round_refusals = 0
        self._window = _Window(0.0, [], self._limit)
        self._before: tuple[float, float, float] | None = None  # limit, answers a second, median latency
        self.cuts = 0

    @property
    def limit(self) -> int:
        return int(self._limit)

    def succeeded(self, now: float, sent: float, *, busy: bool) -> None:
        """A call sent at `sent` was answered. Only a full pipe (`busy`) says that more would fit."""
        self._count(now, sent, refused=False)
        window = self._window
        window.latencies.append(now - sent)
        if len(window.latencies) >= max(WINDOW, self.limit):
            self._judge(now)
        if busy and now >= self._paused_until:
            step = 1.0 if self._limit < self._threshold else 1.0 / self._limit
            self._limit = min(self._limit + step, float(self._most))

    def refused(self, now: float, sent: float) -> None:
        """A 429: cut, unless a cut came after this call was sent."""
        self._count(now, sent, refused=True)
        if sent >= self._cut_at:
            self._cut(now, 1.0 - DEEPEST_CUT * self._refusal_share)

    def failed(self, now: float, pause: float) -> None:
        """A 5xx or a broken connection says nothing about load: stay, and do not grow for a while."""
        self._paused_until = max(self._paused_until, now + pause)

    def _count(self, now: float, sent: float, *, refused: bool) -> None:
        self._round_answers += 1
        self._round_refusals += refused
        if sent >= self._round_at:
            if self._round_at > 0.0:
                share = self._round_refusals / self._round_answers
                self._refusal_share += MEMORY * (share - self._refusal_share)
            self._round_at, self._round_answers, self._round_refusals = now, 0, 0

    def _cut(self, now: float, factor: float) -> None:
        self.cuts += self._limit > 1.0
        self._limit = max(1.0, self._limit * factor)
        self._threshold = self._limit
        self._cut_at = now
        self._before = None
        self._window = _Window(now, [], self._limit)

    def _judge(self, now: float) -> None:
        """Past the knee more in flight means longer waits and no more answers: go back below it."""
        window = self._window
        rate = len(window.latencies) / max(now - window.since, 1e-9)
        middle = statistics.median(window.latencies)
        self._window = _Window(now, [], self._limit)
        if self._before is not None and window.since > 0.0:
            limit, rate_before, middle_before = self._before
            slower = middle > 1.5 * middle_before
            if window.limit > 1.25 * limit and slower and rate < 1.05 * rate_before:
                self._cut(now, max(LATENCY_CUT, limit / self._limit))
                self._paused_until = now + 20 * middle
                return
            if window.limit <= 1.25 * limit and not slower:
                return
        self._before = (window.limit, rate, middle)
