"""The cap on a run's spending, shared by all its engines."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from storage.errors import ForPeople
from storage.ledger import CallUsage, Spent


@dataclass(frozen=True, slots=True)
class BudgetState:
    """What was spent when the run stopped, and the limit that stopped it ("usd", "tokens", "deadline").
    `held` sums are the most that calls still in flight may cost."""

    limit: str
    usd: float
    tokens: int
    held_usd: float
    held_tokens: int
    estimated_calls: int


class BudgetExceeded(ForPeople, RuntimeError):
    """The budget ends here. Everything paid for is in the ledger: a later run goes on from there."""

    def __init__(self, message: str, state: BudgetState) -> None:
        super().__init__(message)
        self.state = state


class Budget:
    """Caps in USD, in tokens (prompt and completion together), and in time (`deadline`, Unix seconds).

    A call is let through only if its worst case (its prompt as estimated, its answer at max_tokens)
    still fits beside what is spent and what is in flight, so the caps hold to within the error of that
    estimate. `spent` is what the run had paid before it was killed and begun again. Thread-safe.
    """

    def __init__(
        self,
        usd: float | None = None,
        tokens: int | None = None,
        deadline: float | None = None,
        *,
        spent: Spent | None = None,
    ) -> None:
        self.usd = usd
        self.tokens = tokens
        self.deadline = deadline
        self._lock = threading.Lock()
        self._spent_usd = spent.usd if spent is not None else 0.0
        self._spent_tokens = spent.tokens if spent is not None else 0
        self._held_usd = 0.0
        self._held_tokens = 0
        self._holds = 0
        self._estimated = spent.estimated if spent is not None else 0

    def reserve(self, usd: float, tokens: int) -> bool:
        """True if the call may be sent, its worst case now held; False if calls in flight must land
        first. BudgetExceeded if it does not fit even once they have."""
        with self._lock:
            if self.deadline is not None and time.time() >= self.deadline:
                raise self._exceeded("deadline", "the deadline has passed")
            for limit, cap, spent, held, more in (
                ("usd", self.usd, self._spent_usd, self._held_usd, usd),
                ("tokens", self.tokens, self._spent_tokens, self._held_tokens, tokens),
            ):
                if cap is None or spent + held + more <= cap:
                    continue
                if self._holds:
                    return False
                raise self._exceeded(
                    limit, f"{spent:.6g} of {cap:.6g} {limit} are spent and one more call may take {more:.6g}"
                )
            self._held_usd += usd
            self._held_tokens += tokens
            self._holds += 1
            return True

    def settle(self, held: tuple[float, int], bill: CallUsage | None) -> None:
        """Replace a reservation by what the call really took (None: it failed unbilled)."""
        with self._lock:
            self._holds -= 1
            self._held_usd = self._held_usd - held[0] if self._holds else 0.0
            self._held_tokens -= held[1]
            if bill is not None:
                self._spent_usd += bill.cost
                self._spent_tokens += bill.prompt_tokens + bill.completion_tokens
                self._estimated += bill.estimated

    def state(self, limit: str = "") -> BudgetState:
        return BudgetState(
            limit, self._spent_usd, self._spent_tokens, self._held_usd, self._held_tokens, self._estimated
        )

    def _exceeded(self, limit: str, why: str) -> BudgetExceeded:
        option = {"usd": "--budget-usd", "tokens": "--budget-tokens", "deadline": "--deadline"}[limit]
        fix = "give a later one" if limit == "deadline" else "raise it, or run again, which counts it anew"
        return BudgetExceeded(
            f"stopped by {option}: {why}. Fix: {fix}; what is paid for is kept", self.state(limit)
        )
