"""The cost and the service of a run, read from the ledger, and ledgers of an earlier version."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from storage.ledger import Call, CallUsage, Ledger
from storage.ledger.service import union


def put(
    ledger: Ledger, number: int, *, run: str, created: float, elapsed: float, completion_tokens: int = 10
) -> None:
    call = Call(
        f"{number:064x}", b"q", b"r", 200, "m", created, role="teacher", tag="solve", run=run, elapsed=elapsed
    )
    receipt = ledger.put(call).result()
    ledger.record_usage(CallUsage(receipt.id, "completion", 5, completion_tokens, number % 2 == 1, 0.25))


def test_calls_of_a_run_are_distinguished_from_those_of_others(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        for i in range(10):
            put(ledger, i, run="night-a", created=100.0 + i, elapsed=2.0)
        for i in range(10, 14):
            put(ledger, i, run="night-b", created=100.0, elapsed=9.0)
        assert ledger.spent("night-a").usd == pytest.approx(2.5)
        assert ledger.spent("night-a").tokens == 150
        assert ledger.spent("night-a").estimated == 5
        assert ledger.spent("night-a", since=105.0).usd == pytest.approx(1.25)
        assert ledger.spent("night-c").usd == 0.0
        (service,) = ledger.served("night-a")
        assert (service.role, service.tag, service.calls, service.completion_tokens) == (
            "teacher",
            "solve",
            10,
            100,
        )
        assert service.latency_p50 == service.latency_p99 == pytest.approx(2.0)
        assert service.busy_s == pytest.approx(11.0)  # 100..111, the calls overlap
        assert service.tokens_per_s == pytest.approx(100 / 11)
        assert ledger.served("night-c") == []


def test_answers_of_a_batch_have_no_latency(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        put(ledger, 1, run="r", created=1.0, elapsed=0.0)
        (service,) = ledger.served("r")
        assert (service.calls, service.latency_p50, service.busy_s, service.tokens_per_s) == (
            1,
            0.0,
            0.0,
            0.0,
        )


@pytest.mark.parametrize(
    ("began", "lasted", "seconds"),
    [([], [], 0), ([0, 1, 5], [2, 2, 1], 4), ([0, 1], [10, 1], 10), ([3, 0], [1, 1], 2)],
)
def test_union(began: list[float], lasted: list[float], seconds: float) -> None:
    assert union(np.array(began, float), np.array(lasted, float)) == pytest.approx(seconds)


def test_a_ledger_of_version_1_is_brought_up(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger.open(path) as ledger:
        put(ledger, 1, run="", created=1.0, elapsed=1.0)
    with sqlite3.connect(path) as old:
        old.execute("DROP INDEX ix_calls_run")
        old.execute("ALTER TABLE calls DROP COLUMN run")
        old.execute("UPDATE ledger_meta SET value = '1' WHERE name = 'version'")
    for _ in range(2):
        with Ledger.open(path) as ledger:
            assert ledger.stats().calls == 1
    with Ledger.open(path) as ledger:
        put(ledger, 2, run="night", created=1.0, elapsed=1.0)
        assert ledger.spent("night").usd == pytest.approx(0.25)
        assert [item.call.run for item in ledger.every()] == ["", "night"]
