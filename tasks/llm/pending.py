"""The state of a request in the engine, from its arrival until its completion is returned."""

from __future__ import annotations

import threading
from collections.abc import Callable

from prompts.asking_again import ReplyFault
from tasks.llm.request import Completion, Request, key_of

CompletionCheck = Callable[[Completion], ReplyFault | None]


def check_by(read: Callable[[str], object]) -> CompletionCheck:
    """Return the check that an answer can be parsed.

    `read` takes the text of the answer and returns the parsed value, or the fault for which it cannot be parsed.
    """

    def check(completion: Completion) -> ReplyFault | None:
        parsed = read(completion.text or "")
        return parsed if isinstance(parsed, ReplyFault) else None

    return check


class WaitingRequest:
    """One request of one run, until its completion is returned. `abandoned` is set when the run has ended before."""

    __slots__ = (
        "abandoned",
        "canonical",
        "check",
        "completion",
        "earlier",
        "failure",
        "fallback",
        "key",
        "reasked",
        "request",
        "unsent",
        "wake",
    )  # fmt: skip

    def __init__(
        self, request: Request, revision: str, check: CompletionCheck | None, wake: threading.Event
    ) -> None:
        self.ask(request, revision)
        self.check = check
        self.wake = wake
        self.completion: Completion | None = None
        self.failure: BaseException | None = None
        self.fallback: Completion | None = None
        self.earlier: Completion | None = None  # the answer that a follow-up replaces
        self.reasked = False
        self.unsent: Request | None = None  # a follow-up that this run may not send
        self.abandoned = False

    def ask(self, request: Request, revision: str) -> None:
        """Set the request to send, at first or as a follow-up."""
        self.request = request
        self.canonical = request.canonical(revision)
        self.key = key_of(self.canonical)

    @property
    def done(self) -> bool:
        return self.completion is not None or self.failure is not None


class PendingKey:
    """One completion key that is in flight, and all slots that wait for it."""

    __slots__ = ("canonical", "key", "request", "slots", "unusable")

    def __init__(self, slot: WaitingRequest) -> None:
        self.key = slot.key
        self.canonical = slot.canonical
        self.request = slot.request
        self.slots = [slot]
        self.unusable = 0  # answers of earlier runs that were paid for and cannot be used

    def has_waiters(self) -> bool:
        """Whether any slot still waits for the key."""
        return any(not slot.abandoned for slot in self.slots)
