"""What an engine keeps of a request between its coming in and its going out."""

from __future__ import annotations

import threading
from collections.abc import Callable

from tasks.llm.request import Completion, Request, key_of

Check = Callable[[Completion], str | None]


def check_by(read: Callable[[str], object]) -> Check:
    """The check that an answer can be read: `read` takes its text and gives what was read, or, as a
    string, the reason why nothing could be."""

    def check(completion: Completion) -> str | None:
        found = read(completion.text or "")
        return found if isinstance(found, str) else None

    return check


class Slot:
    """One request of one run, until its completion is handed out."""

    __slots__ = (
        "canonical", "check", "completion", "failure", "fallback", "gone", "key", "reasked", "request", "wake",
    )  # fmt: skip

    def __init__(self, request: Request, revision: str, check: Check | None, wake: threading.Event) -> None:
        self.ask(request, revision)
        self.check = check
        self.wake = wake
        self.completion: Completion | None = None
        self.failure: BaseException | None = None
        self.fallback: Completion | None = None
        self.reasked = False
        self.gone = False

    def ask(self, request: Request, revision: str) -> None:
        self.request = request
        self.canonical = request.canonical(revision)
        self.key = key_of(self.canonical)

    @property
    def done(self) -> bool:
        return self.completion is not None or self.failure is not None


class Entry:
    """One key being asked for, and every slot that waits for it."""

    __slots__ = ("canonical", "key", "request", "slots", "unusable")

    def __init__(self, slot: Slot) -> None:
        self.key = slot.key
        self.canonical = slot.canonical
        self.request = slot.request
        self.slots = [slot]
        self.unusable = 0  # answers of earlier runs that were paid for and cannot be used

    def wanted(self) -> bool:
        return any(not slot.gone for slot in self.slots)
