"""How many calls one base URL is given at once: slow start, then additive increase, multiplicative decrease.

One cut an episode: an overload is reported by every call that was in flight when it began, and only
calls sent after a cut can say that the cut was not enough. How deep a cut goes follows the share of calls
refused of late, as in DCTCP (Alizadeh et al., SIGCOMM 2010): half where all were refused, a few per cent
where a few were, so that an endpoint that refuses 5 % whatever the load is still kept busy.
"""

from __future__ import annotations

from dataclasses import dataclass

DEEPEST_CUT = 0.5
MEMORY = 0.125  # weight of the latest round in the share of refusals
WINDOW = 32  # answers at least before two windows are compared
FULL = 0.6  # of the limit at the endpoint, for a window to say anything about it
MUCH_MORE = 1.25  # in flight, for a comparison to mean something
WORTH_IT = 1.05  # answers a second, for more in flight to be worth it
HOLD = 20.0  # latencies without growth after a knee was found


@dataclass(slots=True)
class _Window:
    """Some answers in a row: enough to say how many were in flight on average (Little's law)."""

    since: float
    size: int
    limit: float
    answers: int = 0
    work: int = 0
    waited: float = 0.0


@dataclass(frozen=True, slots=True)
class _Point:
    """`flying` calls on average gave `rate` bytes of answers a second (bytes, since a stage with longer
    answers is no slower an endpoint)."""

    flying: float
    rate: float


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
        self._window: _Window | None = None
        self._before: _Point | None = None
        self._doubted = False  # the last window looked past the knee too
        self.cuts = 0

    @property
    def limit(self) -> int:
        return int(self._limit)

    def succeeded(self, now: float, sent: float, size: int, *, busy: bool) -> None:
        """A call sent at `sent` was answered with `size` bytes. Only a full pipe (`busy`) says that more
        would fit."""
        self._count(now, sent, refused=False)
        window = self._window
        if window is None:
            self._window = _Window(now, max(WINDOW, self.limit), self._limit)
        else:
            window.answers += 1
            window.work += size
            window.waited += now - sent
            if window.answers >= window.size:
                self._window = None
                self._judge(window, now)
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
        self._window = None

    def _judge(self, window: _Window, now: float) -> None:
        """Past the knee more in flight means longer waits and no more answers: go back below it."""
        spell = max(now - window.since, 1e-9)
        point = _Point(window.waited / spell, window.work / spell)
        if point.flying < FULL * window.limit:
            return  # something else than the endpoint holds the calls back, such as our own disk
        before = self._before
        past = (
            before is not None
            and point.flying > MUCH_MORE * before.flying
            and point.rate < WORTH_IT * before.rate
            and self._limit > before.flying
        )
        if before is None or point.flying <= before.flying or point.rate >= WORTH_IT * before.rate:
            self._before = point
        if past and self._doubted and before is not None:
            self._cut(now, before.flying / self._limit)  # back to what was enough
            self._before = before
            self._paused_until = now + HOLD * window.waited / window.answers
            past = False
        self._doubted = past  # once may be chance
