"""The concurrency limit of one address: slow start, then additive increase and multiplicative decrease.

There is one cut per overload: every call that was in flight when the overload started reports it, and only calls sent
after a cut can show that the cut was not enough. The depth of a cut follows the recent share of refused calls, as in
DCTCP (Alizadeh et al., SIGCOMM 2010): half if all were refused, a few per cent if a few were, so that an endpoint that
refuses 5 % at any load is still kept busy.
"""

from __future__ import annotations

from dataclasses import dataclass

DEEPEST_CUT = 0.5
MEMORY = 0.125  # weight of the latest round in the share of refusals
WINDOW = 32  # minimum number of answers in a window
FULL = 0.6  # minimum share of the limit that must be in flight for a window to count
MUCH_MORE = 1.25  # minimum ratio of calls in flight for two windows to be compared
WORTH_IT = 1.05  # minimum ratio of answers per second that justifies more calls in flight
HOLD = 20.0  # latencies without growth after the knee of the throughput was found


@dataclass(slots=True)
class _Window:
    """Consecutive answers, enough to estimate how many calls were in flight on average (Little's law)."""

    since: float
    size: int
    limit: float
    answers: int = 0
    work: int = 0
    waited: float = 0.0


@dataclass(frozen=True, slots=True)
class _Point:
    """The throughput of a window: `flying` calls in flight on average gave `rate` bytes of answers per second.

    Bytes are counted and not answers, because longer answers do not mean a slower endpoint.
    """

    flying: float
    rate: float


class Controller:
    """Sets the number of calls that may be in flight at one address, from `start` up to `most`.

    All times are seconds of one monotonic clock, which the caller passes in.
    """

    def __init__(self, start: int, most: int) -> None:
        self._limit = float(min(start, most))
        self._most = most
        self._threshold = float(most)  # slow start ends here; a cut lowers it
        self._cut_at = -1.0
        self._paused_until = 0.0
        self._refusal_share = 1.0  # nothing is known yet: the first cut is the deepest
        self._round_at = 0.0  # a round ends with the first answer to a call sent in it
        self._round_answers = 0
        self._round_refusals = 0
        self._window: _Window | None = None
        self._before: _Point | None = None
        self._doubted = False  # whether the last window looked past the knee too
        self.cuts = 0

    @property
    def limit(self) -> int:
        """How many calls may be in flight now."""
        return int(self._limit)

    def succeeded(self, now: float, sent: float, size: int, *, busy: bool) -> None:
        """Record that a call sent at `sent` was answered with `size` bytes.

        The limit grows only if more calls wait (`busy`), since only then does an answer show that more would fit.
        """
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
        """Record a 429 and cut the limit, unless a cut was made after this call was sent."""
        self._count(now, sent, refused=True)
        if sent >= self._cut_at:
            self._cut(now, 1.0 - DEEPEST_CUT * self._refusal_share)

    def failed(self, now: float, pause: float) -> None:
        """Record a 5xx or a broken connection: the limit stays, because it shows no overload, but does not grow for `pause` seconds."""
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
        """Lower the limit if it is past the knee, where more calls in flight mean longer waits and no more answers."""
        spell = max(now - window.since, 1e-9)
        point = _Point(window.waited / spell, window.work / spell)
        if point.flying < FULL * window.limit:
            return  # something else than the endpoint limits the calls, such as the local disk
        before = self._before
        past_knee = (
            before is not None
            and point.flying > MUCH_MORE * before.flying
            and point.rate < WORTH_IT * before.rate
            and self._limit > before.flying
        )
        if before is None or point.flying <= before.flying or point.rate >= WORTH_IT * before.rate:
            self._before = point
        if past_knee and self._doubted and before is not None:
            self._cut(now, before.flying / self._limit)  # back to the concurrency that sufficed
            self._before = before
            self._paused_until = now + HOLD * window.waited / window.answers
            past_knee = False
        self._doubted = past_knee  # a single window may be chance
