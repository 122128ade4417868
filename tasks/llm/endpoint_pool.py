"""The endpoint pool: the addresses of one model, each with a circuit breaker; a call goes to the least loaded."""

from __future__ import annotations

from tasks.llm.breaker import Breaker, BreakerState
from tasks.llm.concurrency import Controller
from tasks.llm.transport import Transport


class Address:
    """One base URL with its transport, its concurrency controller and its circuit breaker."""

    def __init__(self, name: str, transport: Transport, controller: Controller, breaker: Breaker) -> None:
        self.name = name
        self.transport = transport
        self.controller = controller
        self.breaker = breaker
        self.in_flight = 0

    @property
    def room(self) -> int:
        """How many more calls may be sent to this address now."""
        if self.breaker.state is BreakerState.CLOSED:
            return self.controller.limit - self.in_flight
        # Calls that have hung since before the breaker opened do not count against the trial.
        return int(self.breaker.trial_due)

    @property
    def load(self) -> float:
        """The share of the concurrency limit that is in use."""
        return self.in_flight / max(1, self.controller.limit)


def least_loaded(addresses: list[Address]) -> Address | None:
    """Return the address with room whose load is lowest, or None if all are full or their breakers are open."""
    best: Address | None = None
    for address in addresses:
        if address.room > 0 and (best is None or address.load < best.load):
            best = address
    return best
