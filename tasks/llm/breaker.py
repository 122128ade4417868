"""The circuit breaker of one address: a state machine without a clock and without tasks.

    closed     --failures in a row-->   open
    open       --health check answered-->  half-open
    half-open  --the trial call fails-->   open
    any        --any call is answered-->   closed

Each opening starts a new generation. The failure of a call of an older generation changes nothing, because it was
sent before the opening; its answer closes the breaker as every answer does. A half-open breaker always has a trial
that is due or in flight: a trial that ends without a report (cancelled, given up, or by an exception of the engine)
is due again. `tasks.llm.admission` runs the health checks; tests/tasks/llm/test_admission_model.py checks both over
random orders of events.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

LONGEST_COOLOFF = 30.0


class BreakerState(StrEnum):
    CLOSED = "closed"  # in use
    OPEN = "open"  # left out until a health check is answered
    HALF_OPEN = "half-open"  # a health check was answered; one call is admitted as the trial


@dataclass(slots=True, eq=False)
class Pass:
    """The right to send one call, and the generation of the breaker in which it was given."""

    generation: int


class Breaker:
    """A circuit breaker that opens after `after` failures in a row.

    A health check is due `cooloff` seconds after an opening; each one that fails doubles the wait, up to
    LONGEST_COOLOFF. Times are seconds of one monotonic clock, which the caller passes in.
    """

    def __init__(self, *, after: int, cooloff: float) -> None:
        self.state = BreakerState.CLOSED
        self.failures = 0
        self.generation = 0  # how often it opened
        self.retry_at = 0.0
        self.trial: Pass | None = None
        self._after = after
        self._first_cooloff = self._cooloff = cooloff
        self._jitter = random.Random()  # affects times only, never results

    @property
    def trial_due(self) -> bool:
        """Whether the breaker is half-open and its trial call may be sent."""
        return self.state is BreakerState.HALF_OPEN and self.trial is None

    def take(self) -> Pass:
        """Return the pass of a call that is sent now. Raises RuntimeError if none may be sent."""
        granted = Pass(self.generation)
        if self.state is BreakerState.CLOSED:
            return granted
        if not self.trial_due:
            raise RuntimeError(f"no call may be sent: the breaker is {self.state}")
        self.trial = granted
        return granted

    def answered(self) -> None:
        """Record an answer that is not a server error, which closes the breaker."""
        self.failures = 0
        self.state = BreakerState.CLOSED
        self.trial = None
        self._cooloff = self._first_cooloff

    def failed(self, call: Pass, now: float) -> bool:
        """Record a status of 500 or above, a broken or refused connection, or a timeout; return whether it opened the breaker."""
        if call.generation != self.generation or self.state is BreakerState.OPEN:
            return False
        self.failures += 1
        if self.state is BreakerState.HALF_OPEN:
            self._cooloff = min(self._cooloff * 2, LONGEST_COOLOFF)
        elif self.failures < self._after:
            return False
        self.state = BreakerState.OPEN
        self.trial = None
        self.generation += 1
        self._put_off(now)
        return True

    def ended(self, call: Pass) -> None:
        """Record the end of a call. If it was the trial and reported nothing, the next call is the trial."""
        if self.trial is call:
            self.trial = None

    def checked(self, generation: int, now: float, *, healthy: bool) -> bool:
        """Record the result of a health check that was started in `generation`.

        Returns False, and changes nothing, if that opening has ended since.
        """
        if not self.open_since(generation):
            return False
        if healthy:
            self.state = BreakerState.HALF_OPEN
        else:
            self._cooloff = min(self._cooloff * 2, LONGEST_COOLOFF)
            self._put_off(now)
        return True

    def open_since(self, generation: int) -> bool:
        """Whether the breaker is open and has been since the opening that started `generation`."""
        return self.state is BreakerState.OPEN and self.generation == generation

    def _put_off(self, now: float) -> None:
        self.retry_at = now + self._cooloff * self._jitter.uniform(0.8, 1.2)
