"""The circuit breaker of one base URL, as a state machine without a clock and without tasks.

    closed     --failures in a row-->   open
    open       --health check answered-->  half-open
    half-open  --the trial call fails-->   open
    any        --any call is answered-->   closed

An opening starts a new generation. What a call of an older generation has to report was true before the
opening: its failure changes nothing, its answer closes the breaker as every answer does. Half-open always has
a trial that is due or in flight: a trial that ends without a report (cancelled, given up, an exception
of ours) is due again. `tasks.llm.admission` runs the health checks; tests/tasks/llm/test_gate_model.py checks
both over random orders of events.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

LONGEST_COOLOFF = 30.0


class State(StrEnum):
    CLOSED = "closed"  # in use
    OPEN = "open"  # left out until a health check is answered
    HALF_OPEN = "half-open"  # a health check was answered; one call is let through as the trial


@dataclass(slots=True, eq=False)
class Pass:
    """The right to send one call, and the generation of the breaker in which it was given."""

    generation: int


class Breaker:
    """`after` failures in a row open it; a health check is due `cooloff` seconds later, and after twice as
    long with each one that fails. Times in seconds of one monotonic clock, given by the caller."""

    def __init__(self, *, after: int, cooloff: float) -> None:
        self.state = State.CLOSED
        self.failures = 0
        self.generation = 0  # how often it opened
        self.retry_at = 0.0
        self.trial: Pass | None = None
        self._after = after
        self._first_cooloff = self._cooloff = cooloff
        self._jitter = random.Random()  # decides when, never what

    @property
    def trial_due(self) -> bool:
        return self.state is State.HALF_OPEN and self.trial is None

    def take(self) -> Pass:
        """A call is sent. RuntimeError where none may be."""
        given = Pass(self.generation)
        if self.state is State.CLOSED:
            return given
        if not self.trial_due:
            raise RuntimeError(f"no call may be sent: the breaker is {self.state}")
        self.trial = given
        return given

    def answered(self) -> None:
        """A call got an answer that is not a server error."""
        self.failures = 0
        self.state = State.CLOSED
        self.trial = None
        self._cooloff = self._first_cooloff

    def failed(self, call: Pass, now: float) -> bool:
        """A 5xx, a broken or refused connection or a hang. True if this opened the breaker."""
        if call.generation != self.generation or self.state is State.OPEN:
            return False
        self.failures += 1
        if self.state is State.HALF_OPEN:
            self._cooloff = min(self._cooloff * 2, LONGEST_COOLOFF)
        elif self.failures < self._after:
            return False
        self.state = State.OPEN
        self.trial = None
        self.generation += 1
        self._put_off(now)
        return True

    def ended(self, call: Pass) -> None:
        """The call is over. If it was the trial and reported nothing, the next call is the trial."""
        if self.trial is call:
            self.trial = None

    def checked(self, generation: int, now: float, *, well: bool) -> bool:
        """The result of a health check that was begun in `generation`. False if it is about an opening
        that has ended since: then it changes nothing."""
        if not self.open_since(generation):
            return False
        if well:
            self.state = State.HALF_OPEN
        else:
            self._cooloff = min(self._cooloff * 2, LONGEST_COOLOFF)
            self._put_off(now)
        return True

    def open_since(self, generation: int) -> bool:
        return self.state is State.OPEN and self.generation == generation

    def _put_off(self, now: float) -> None:
        self.retry_at = now + self._cooloff * self._jitter.uniform(0.8, 1.2)
