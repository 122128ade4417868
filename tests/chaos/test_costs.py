"""Thousands of calls under faults: none lost, none mixed up, none paid for twice, and the recorded usage equals the counts of the server."""

from __future__ import annotations

from dataclasses import replace

import pytest

from storage.ledger import Ledger
from tasks.llm.engine import Engine, EngineLimits
from tests.chaos.asking import QUICK, endpoint, questions, usage_matches

PATIENT = replace(
    QUICK, deadline=600.0
)  # nothing but calls that never end meets its deadline, also on a busy machine
HANGING_DEADLINE = 1.0  # seconds

MIX = (
    "http429=50,http429ms=30,http500=20,http502=20,http503=20,http504=20,disconnect=20,cut=20,reset=10,"
    "truncated=15,html=10,error200=10,empty_choices=10,null_content=10,wrong_model=10,missing_usage=20,"
    "refusal=10,content_filter=10,context=10"
)


EVERY = ",".join(
    f"{name}=50"
    for name in (
        "http429", "http429ms", "http500", "http502", "http503", "http504", "disconnect", "cut", "reset", "truncated",
        "html", "error200", "empty_choices", "null_content", "wrong_model", "missing_usage", "refusal", "context",
    )
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rates", "count"),
    [(MIX, 600), pytest.param(EVERY, 10_000, marks=pytest.mark.soak)],
    ids=["mixed", "each-5-percent"],
)
def test_all_faults_at_once_lose_and_double_nothing(rates: str, count: int, faults, ledger: Ledger) -> None:
    survives(faults, ledger, rates, count, PATIENT)


@pytest.mark.soak
@pytest.mark.parametrize("fault", [part.split("=")[0] for part in EVERY.split(",")])
def test_each_fault_at_30_percent_of_10_000_calls(fault: str, faults, ledger: Ledger) -> None:
    survives(faults, ledger, f"{fault}=300", 10_000, PATIENT)


@pytest.mark.soak
@pytest.mark.parametrize("fault", ["hang", "drip", "http429s", "http429date"])
def test_each_slow_fault_at_5_percent_of_10_000_calls(fault: str, faults, ledger: Ledger) -> None:
    limits = replace(PATIENT, breaker_after=1000)
    if fault in ("hang", "drip"):
        limits = replace(limits, deadline=HANGING_DEADLINE)
    survives(faults, ledger, f"{fault}=50", 10_000, limits)


def survives(faults, ledger: Ledger, rates: str, count: int, limits: EngineLimits) -> None:
    """None lost, none mixed up, none paid for twice, and the recorded usage equals the counts of the server."""
    requests = questions(count)
    with Engine(endpoint(faults.url(rates, seed=count)), ledger, limits) as engine:
        completions = list(engine.run(requests))
        stats = engine.stats()
    counts = faults.counts()
    assert len(completions) == count
    for request, completion in zip(requests, completions, strict=True):
        if completion.error is None:
            assert completion.text == "answer to " + request.messages[-1]["content"]
        else:
            assert completion.error.split(":")[0] in (
                "refusal", "content filter", "context length", "empty", "malformed", "quarantined", "deferred",
            )  # fmt: skip
    # A call that a busy machine delays beyond a short deadline may have been answered, or may never have been read.
    late = sum(completion.deferred for completion in completions)
    late -= sum(counts["faults"].get(fault, 0) for fault in ("hang", "drip"))
    assert late >= 0 if limits.deadline == HANGING_DEADLINE else late == 0
    assert max(counts["good"].values()) == 1  # no answer was bought twice
    assert count - late <= len(counts["bodies"]) <= count
    usage_matches(ledger, counts, late)
    held = ledger.stats()
    assert held.cost == pytest.approx(stats.cost_usd)
    assert held.unbilled == 0
    assert sum(c.error is not None for c in completions) == stats.failed
