"""The requests of the tests of faults, and the checks of their completions."""

from __future__ import annotations

import pytest

from storage.ledger import Ledger
from tasks.llm.engine import Completion, Endpoint, EngineLimits, Request

QUICK = EngineLimits(deadline=20.0, backoff=0.02, backoff_cap=0.2, breaker_cooloff=0.05, connect=2.0)


def questions(count: int, **more: object) -> list[Request]:
    return [
        Request([{"role": "user", "content": f"question {i}"}], "m", tag="test", **more) for i in range(count)
    ]  # type: ignore[arg-type]


def endpoint(*urls: str, **more: object) -> Endpoint:
    return Endpoint("teacher", "m", list(urls), price_in=1.0, price_out=2.0, **more)  # type: ignore[arg-type]


def answered(completions: list[Completion], requests: list[Request]) -> None:
    """Every question has its own answer, in order."""
    assert [c.text for c in completions] == ["answer to " + r.messages[-1]["content"] for r in requests]


def usage_matches(ledger: Ledger, counts: dict, late: int = 0) -> None:
    """Every answer that began is in the ledger, and the tokens that the server stated are its sums.

    `late`: how many calls met their deadline though the server had no fault for them; it may have answered these.
    """
    stored = [item for item in ledger.every() if item.call.status == 200]
    assert counts["started"] - counts["uncertain"] - late <= len(stored) <= counts["started"]
    stated = [item for item in stored if not item.estimated]
    assert counts["whole"] - late <= len(stated) <= counts["whole"]
    for name in ("prompt_tokens", "completion_tokens"):
        total = sum(getattr(item, name) for item in stated)
        assert total <= counts[name] if late else total == counts[name]
    for item in stored:
        assert item.cost == pytest.approx((item.prompt_tokens + 2 * item.completion_tokens) / 1e6)
