from __future__ import annotations

import threading
import time

import pytest

from storage.ledger import CallUsage
from tasks.llm.budget import Budget, BudgetExceeded


def usage(usd: float, tokens: int, *, estimated: bool = False) -> CallUsage:
    return CallUsage(1, "completion", tokens - 1, 1, estimated, usd)


def test_a_call_is_let_through_only_if_its_worst_case_fits() -> None:
    budget = Budget(tokens=100)
    assert budget.reserve(0.0, 60)
    assert not budget.reserve(0.0, 60)  # it may fit once the first has landed
    budget.release((0.0, 60), usage(0.0, 30))
    assert budget.reserve(0.0, 60)
    budget.release((0.0, 60), usage(0.0, 60))
    with pytest.raises(BudgetExceeded, match="--budget-tokens") as over:
        budget.reserve(0.0, 11)
    assert (over.value.state.limit, over.value.state.tokens) == ("tokens", 90)


def test_dollars() -> None:
    budget = Budget(usd=1.0)
    assert budget.reserve(0.9, 5)
    budget.release((0.9, 5), usage(0.9, 5, estimated=True))
    assert budget.reserve(0.1, 5)
    budget.release((0.1, 5), None)  # it failed and cost nothing
    with pytest.raises(BudgetExceeded, match="--budget-usd") as over:
        budget.reserve(0.2, 5)
    assert over.value.state.usd == pytest.approx(0.9)
    assert over.value.state.estimated_calls == 1


def test_the_deadline() -> None:
    assert Budget(deadline=time.time() + 3600).reserve(0, 0)
    with pytest.raises(BudgetExceeded, match="--deadline"):
        Budget(deadline=time.time() - 1).reserve(0, 0)


def test_threads_never_overspend() -> None:
    budget = Budget(tokens=1000)

    def spend() -> None:
        while True:
            try:
                if budget.reserve(0.0, 7):
                    budget.release((0.0, 7), usage(0.0, 7))
            except BudgetExceeded:
                return

    threads = [threading.Thread(target=spend) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert budget.state().tokens == 994
    assert budget.state().held_tokens == 0


def test_a_cap_below_one_call_is_to_be_raised_above_it() -> None:
    with pytest.raises(BudgetExceeded, match="Fix: raise it above 2282;"):
        Budget(tokens=2000).reserve(0.0, 2282)
    budget = Budget(tokens=3000)
    assert budget.reserve(0.0, 2282)
    budget.release((0.0, 2282), usage(0.0, 2282))
    with pytest.raises(BudgetExceeded, match="raise it, or run again, which counts it anew"):
        budget.reserve(0.0, 2282)
