"""The budget of a run in USD, tokens and time, shared by all its engines."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from storage.errors import ForPeople
from storage.ledger import CallUsage, Spent


@dataclass(frozen=True, slots=True)
class BudgetState:
    """What was spent when the run stopped, and the limit that stopped it ("usd", "tokens" or "deadline").

    `held_usd` and `held_tokens` are the reservations of calls in flight: the most that they may still cost.
    """

    limit: str
    usd: float
    tokens: int
    held_usd: float
    held_tokens: int
    estimated_calls: int


class BudgetExceeded(ForPeople, RuntimeError):
    """The budget is used up. Everything that was paid for is in the ledger, and a later run continues from it."""

    def __init__(self, message: str, state: BudgetState) -> None:
        super().__init__(message)
        self.state = state


class Budget:
    """Limits in USD, in tokens (prompt and completion together) and in time (`deadline`, Unix seconds).

    A call is admitted only if its worst case (the estimated prompt, an answer of max_tokens) still fits beside what is
    spent and reserved, so the limits hold to within the error of that estimate. `spent` is what the run had paid before
    it was killed and started again. Thread-safe.
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
        """Reserve the worst case of a call and return True, or return False if calls in flight must end first.

        Raises BudgetExceeded if the call would not fit even after they have ended.
        """
        with self._lock:
            if self.deadline is not None and time.time() >= self.deadline:
                raise self._exceeded("deadline", "the deadline has passed", "give a later one")
            for limit, cap, spent, held, more in (
                ("usd", self.usd, self._spent_usd, self._held_usd, usd),
                ("tokens", self.tokens, self._spent_tokens, self._held_tokens, tokens),
            ):
                if cap is None or spent + held + more <= cap:
                    continue
                if self._holds:
                    return False
                raise self._exceeded(
                    limit,
                    f"{spent:.6g} of {cap:.6g} {limit} are spent and one more call may take {more:.6g}",
                    # another run would stop at the same call
                    f"raise it above {more:.6g}"
                    if more > cap
                    else "raise it, or run again, which counts it anew",
                )
            self._held_usd += usd
            self._held_tokens += tokens
            self._holds += 1
            return True

    def release(self, held: tuple[float, int], charge: CallUsage | None) -> None:
        """Replace a reservation, in USD and tokens, by what the call cost (None: it failed and cost nothing)."""
        with self._lock:
            self._holds -= 1
            self._held_usd = self._held_usd - held[0] if self._holds else 0.0
            self._held_tokens -= held[1]
            if charge is not None:
                self._spent_usd += charge.cost
                self._spent_tokens += charge.prompt_tokens + charge.completion_tokens
                self._estimated += charge.estimated

    def state(self, limit: str = "") -> BudgetState:
        """Return what is spent and reserved now."""
        return BudgetState(
            limit, self._spent_usd, self._spent_tokens, self._held_usd, self._held_tokens, self._estimated
        )

    def _exceeded(self, limit: str, reason: str, fix: str) -> BudgetExceeded:
        option = {"usd": "--budget-usd", "tokens": "--budget-tokens", "deadline": "--deadline"}[limit]
        return BudgetExceeded(
            f"stopped by {option}: {reason}. Fix: {fix}; what is paid for is kept", self.state(limit)
        )
