"""Every fault of the fault table, against a server that causes it over the real protocol."""

from __future__ import annotations

import itertools
import time

import pytest
from pydantic import SecretStr

from storage.ledger import Ledger
from tasks.llm.engine import Completion, EndpointError, Engine, EngineLimits, Request
from tasks.llm.request import Failure
from tests.chaos.asking import QUICK, answered, endpoint, questions, usage_matches

TRANSIENT = [
    "http429", "http429ms", "http500", "http502", "http503", "http504", "disconnect", "reset", "cut",
    "truncated", "html", "error200", "empty_choices", "wrong_model", "missing_usage", "null_content",
]  # fmt: skip


@pytest.mark.parametrize("fault", TRANSIENT)
def test_a_fault_that_passes_costs_no_answer(fault: str, faults, ledger: Ledger) -> None:
    requests = questions(120)
    with Engine(endpoint(faults.url(f"{fault}=100", seed=3)), ledger, QUICK) as engine:
        completions = list(engine.run(requests))
        counts = faults.counts()
        ledger.flush()
        assert counts["faults"][fault] > 3
        answered(completions, requests)
        usage_matches(ledger, counts)
        if fault != "missing_usage":
            assert engine.stats().retries == counts["faults"][fault]
        # Asked for again, nothing is sent.
        answered(list(engine.run(requests)), requests)
        assert faults.counts()["bodies"] == counts["bodies"]


@pytest.mark.parametrize(
    ("fault", "error", "billed"), [("refusal", "refusal", True), ("content_filter", "content filter", True),
                                   ("context", "context length", False)],
)  # fmt: skip
def test_a_terminal_answer_is_kept_and_never_asked_again(
    fault: str, error: str, billed: bool, faults, ledger
) -> None:
    requests = questions(60)
    with Engine(endpoint(faults.url(f"{fault}=300")), ledger, QUICK) as engine:
        first = list(engine.run(requests))
        hit = [c for c in first if c.error is not None]
        counts = faults.counts()
        assert {c.error for c in hit} == {error}
        assert len(hit) == counts["faults"][fault] > 5
        assert all((c.usage.prompt_tokens > 0) == billed for c in hit)
        assert engine.stats().errors == {error: len(hit)}
        again = list(engine.run(requests))
        assert [(c.text, c.error) for c in again] == [(c.text, c.error) for c in first]
        assert faults.counts()["bodies"] == counts["bodies"]
        ledger.flush()
        usage_matches(ledger, counts)


@pytest.mark.parametrize(
    ("fault", "setting"),
    [("http401", "API_KEY"), ("http403", "API_KEY"), ("http404", "MODEL"), ("quota", "quota")],
)
def test_a_fault_that_no_retry_helps_stops_the_run_with_the_fix(
    fault: str, setting: str, faults, ledger: Ledger
) -> None:
    # Answers in flight beside the fatal one land in the ledger first.
    url = faults.url(f"{fault}=100", seed=5)
    with Engine(endpoint(url, api_key=SecretStr("sk-secret-123")), ledger, QUICK) as engine:
        completions: list[Completion] = []
        with pytest.raises(EndpointError) as stopped:
            completions.extend(engine.run(questions(2000)))
        message = str(stopped.value)
        assert setting in message
        assert "teacher" in message
        assert "sk-secret-123" not in message
        assert "\n" not in message
        counts = faults.counts()
        assert counts["in_flight"] == 0
        assert len(list(ledger.every())) == counts["started"] < 500
        assert all(c.text for c in completions)
        # The error stays: a second run does not send.
        with pytest.raises(EndpointError):
            list(engine.run([Request([{"role": "user", "content": "one more"}], "m")]))
        assert faults.counts()["bodies"] == counts["bodies"]


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "wait"), [("http429s", 1.0), ("http429date", 1.0), ("http429ms", 0.3)])
def test_retry_after_is_waited_for(fault: str, wait: float, faults, ledger: Ledger) -> None:
    requests = questions(40)
    with Engine(endpoint(faults.url(f"{fault}=120,sent=0", seed=2)), ledger, QUICK) as engine:
        answered(list(engine.run(requests)), requests)
    gaps = [
        later - sooner
        for times in faults.counts()["sent"].values()
        for sooner, later in itertools.pairwise(times)
    ]
    assert gaps
    assert min(gaps) >= wait


def test_a_burst_of_429_is_one_cut(faults, ledger: Ledger) -> None:
    limits = EngineLimits(max_in_flight=32, start_in_flight=32, deadline=20.0, backoff=0.01)
    requests = questions(32)
    with Engine(endpoint(faults.url("http429ms@1=500")), ledger, limits) as engine:
        answered(list(engine.run(requests)), requests)
        assert faults.counts()["faults"]["http429ms"] > 10
        # 32 calls left together and about half were refused: one overload, one cut.
        assert engine.stats().cuts == 1


def test_a_wait_past_the_deadline_defers_the_item(faults, ledger: Ledger) -> None:
    requests = questions(30)
    began = time.monotonic()
    with Engine(endpoint(faults.url("http429long=200")), ledger, QUICK) as engine:
        completions = list(engine.run(requests))
    late = [c for c in completions if c.error]
    assert len(late) == faults.counts()["faults"]["http429long"] > 0
    assert all(c.error.startswith("deferred: http 429") for c in late if c.error)
    assert time.monotonic() - began < QUICK.deadline  # no call slept longer
    # Not lost: another run asks for these, and only these.
    before = faults.counts()["bodies"]
    with Engine(endpoint(faults.url("none=0")), ledger, QUICK) as engine:
        answered(list(engine.run(requests)), requests)
        assert engine.stats().calls == len(late)
    assert sum(faults.counts()["bodies"].values()) - sum(before.values()) == len(late)


@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_the_total_deadline_ends_a_hang(fault: str, faults, ledger: Ledger) -> None:
    limits = EngineLimits(deadline=1.0, backoff=0.02, breaker_after=1000)
    requests = questions(40)
    with Engine(endpoint(faults.url(f"{fault}=150")), ledger, limits) as engine:
        completions = list(engine.run(requests))
    late = [c for c in completions if c.error]
    counts = faults.counts()
    assert len(late) == counts["faults"][fault] > 0
    assert all(c.error.startswith("deferred: deadline") for c in late if c.error)
    ledger.flush()
    stored = list(ledger.every())
    assert len(stored) == counts["started"]
    assert sum(item.estimated for item in stored) == (len(late) if fault == "drip" else 0)


@pytest.mark.parametrize("fault", ["truncated", "html", "error200", "empty_choices"])
def test_answers_that_stay_unreadable_fail_with_the_reason_after_three_tries(
    fault: str, faults, ledger
) -> None:
    with Engine(endpoint(faults.url(f"{fault}=1000")), ledger, QUICK) as engine:
        completions = list(engine.run(questions(5)))
    assert all(c.text is None and c.kind is Failure.MALFORMED for c in completions)
    assert set(faults.counts()["bodies"].values()) == {3}
    raw = [item.call.raw for item in ledger.every()]
    assert len(raw) == 15  # paid text is kept, readable or not
    assert all(raw)


def test_a_response_with_two_lengths_is_paid_for_and_not_bought_by_every_run(faults, ledger: Ledger) -> None:
    for _ in range(2):
        with Engine(endpoint(faults.url("two_lengths=1000")), ledger, QUICK) as engine:
            completions = list(engine.run(questions(3)))
        assert {c.kind for c in completions} == {Failure.MALFORMED}
        ledger.flush()
    assert set(faults.counts()["bodies"].values()) == {3}
    assert all(b"not HTTP" in item.call.raw for item in ledger.every())


def test_a_model_with_nothing_to_say_is_not_asked_every_night(faults, ledger: Ledger) -> None:
    with Engine(endpoint(faults.url("null_content=1000")), ledger, QUICK) as engine:
        assert {c.error for c in engine.run(questions(3))} == {"empty"}
        assert {c.error for c in engine.run(questions(3))} == {"empty"}
    assert set(faults.counts()["bodies"].values()) == {3}


def test_a_cut_off_answer_is_asked_for_once_more_with_a_larger_cap(faults, ledger: Ledger) -> None:
    plain, longer = questions(20, max_tokens=10), questions(20, max_tokens=10, longer=2000)
    with Engine(endpoint(faults.url("length=1000")), ledger, QUICK) as engine:
        short = list(engine.run(plain))
        assert {c.finish_reason for c in short} == {"length"}
        assert {c.error for c in short} == {None}
        full = list(engine.run(longer))
        answered(full, longer)
        assert engine.stats().calls == 40  # the short ones came from the ledger
        answered(list(engine.run(longer)), longer)
        assert engine.stats().calls == 40
