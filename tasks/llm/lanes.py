"""The base URLs of one model: a circuit breaker each, and the least loaded one for the next call."""

from __future__ import annotations

import random
from enum import StrEnum

from tasks.llm.controller import Controller
from tasks.llm.transport import Transport

LONGEST_COOLOFF = 30.0


class State(StrEnum):
    CLOSED = "closed"  # in use
    OPEN = "open"  # left out until its time has come
    HALF_OPEN = "half-open"  # answered a health check; one call is let through


class Lane:
    """One base URL. Times in seconds of one monotonic clock, given by the caller."""

    def __init__(
        self, name: str, transport: Transport, controller: Controller, *, breaker_after: int, cooloff: float
    ) -> None:
        self.name = name
        self.transport = transport
        self.controller = controller
        self.in_flight = 0
        self.state = State.CLOSED
        self.failures = 0
        self.opened = 0
        self.retry_at = 0.0
        self._trial_due = False  # half-open, and the one call that is to prove it was not sent yet
        self._breaker_after = breaker_after
        self._first_cooloff = self._cooloff = cooloff
        self._clock = random.Random()  # jitter only: it decides when, never what

    @property
    def room(self) -> int:
        """How many more calls may be sent now."""
        if self.state is State.CLOSED:
            return self.controller.limit - self.in_flight
        return int(self._trial_due)  # whatever hung before the breaker opened does not count against it

    @property
    def load(self) -> float:
        return self.in_flight / max(1, self.controller.limit)

    def take(self) -> None:
        """A call is sent."""
        self.in_flight += 1
        self._trial_due = False

    def answered(self) -> None:
        """Any answer that is not a server error closes the breaker."""
        self.failures = 0
        self.state = State.CLOSED
        self._cooloff = self._first_cooloff

    def failed(self, now: float) -> bool:
        """A 5xx, a broken or refused connection or a hang. True if this opened the breaker."""
        self.failures += 1
        if self.state is State.OPEN or (self.state is State.CLOSED and self.failures < self._breaker_after):
            return False
        if self.state is State.HALF_OPEN:
            self._cooloff = min(self._cooloff * 2, LONGEST_COOLOFF)
        self.state = State.OPEN
        self._trial_due = False
        self.opened += 1
        self.put_off(now)
        return True

    def put_off(self, now: float) -> None:
        """The next health check is due after a jittered cool-off."""
        self.retry_at = now + self._cooloff * self._clock.uniform(0.8, 1.2)

    def unhealthy(self, now: float) -> None:
        self._cooloff = min(self._cooloff * 2, LONGEST_COOLOFF)
        self.put_off(now)

    def healthy(self) -> None:
        """A health check was answered: let one call through."""
        self.state = State.HALF_OPEN
        self._trial_due = True


def least_loaded(lanes: list[Lane]) -> Lane | None:
    """The lane with room whose share in use is smallest; None where all are full or left out."""
    best: Lane | None = None
    for lane in lanes:
        if lane.room > 0 and (best is None or lane.load < best.load):
            best = lane
    return best
