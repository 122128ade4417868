"""The base URLs of one model: a circuit breaker each, and the least loaded one for the next call."""

from __future__ import annotations

from tasks.llm.breaker import Breaker, State
from tasks.llm.concurrency import Controller
from tasks.llm.transport import Transport


class Lane:
    """One base URL: how it is reached, how much it is given, whether it is in use."""

    def __init__(self, name: str, transport: Transport, controller: Controller, breaker: Breaker) -> None:
        self.name = name
        self.transport = transport
        self.controller = controller
        self.breaker = breaker
        self.in_flight = 0

    @property
    def room(self) -> int:
        """How many more calls may be sent now."""
        if self.breaker.state is State.CLOSED:
            return self.controller.limit - self.in_flight
        return int(
            self.breaker.trial_due
        )  # whatever hung before the breaker opened does not count against it

    @property
    def load(self) -> float:
        return self.in_flight / max(1, self.controller.limit)


def least_loaded(lanes: list[Lane]) -> Lane | None:
    """The lane with room whose share in use is smallest; None where all are full or left out."""
    best: Lane | None = None
    for lane in lanes:
        if lane.room > 0 and (best is None or lane.load < best.load):
            best = lane
    return best
