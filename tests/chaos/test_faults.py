"""Every row of the fault table, against a server that misbehaves on the real wire."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from storage.ledger import Ledger
from tasks.llm.engine import Completion, Endpoint, EndpointError, Engine, EngineLimits, Request

QUICK = EngineLimits(deadline=20.0, backoff=0.02, backoff_cap=0.2, breaker_cooloff=0.05, connect=2.0)


def questions(count: int, **more: object) -> list[Request]:
    return [
        Request([{"role": "user", "content": f"question {i}"}], "m", tag="test", **more) for i in range(count)
    ]  # type: ignore[arg-type]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite") as opened:
        yield opened


def endpoint(*urls: str, **more: object) -> Endpoint:
    return Endpoint("teacher", "m", list(urls), price_in=1.0, price_out=2.0, **more)  # type: ignore[arg-type]


def answered(completions: list[Completion], requests: list[Request]) -> None:
    """Every question has its own answer, in order."""
    assert [c.text for c in completions] == ["answer to " + r.messages[-1]["content"] for r in requests]


def bill_matches(ledger: Ledger, counts: dict) -> None:
    """Every answer that began is in the ledger, and the tokens that the server stated are its sums."""
    stored = [item for item in ledger.every() if item.call.status == 200]
    assert counts["begun"] - counts["uncertain"] <= len(stored) <= counts["begun"]
    stated = [item for item in stored if not item.estimated]
    assert len(stated) == counts["whole"]
    assert sum(item.prompt_tokens for item in stated) == counts["prompt_tokens"]
    assert sum(item.completion_tokens for item in stated) == counts["completion_tokens"]
    for item in stored:
        assert item.cost == pytest.approx((item.prompt_tokens + 2 * item.completion_tokens) / 1e6)


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
        bill_matches(ledger, counts)
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
        bill_matches(ledger, counts)


@pytest.mark.parametrize(
    ("fault", "setting"),
    [("http401", "API_KEY"), ("http403", "API_KEY"), ("http404", "MODEL"), ("quota", "quota")],
)
def test_what_no_retry_can_mend_stops_the_run_with_the_mend(
    fault: str, setting: str, faults, ledger: Ledger
) -> None:
    # Answers in flight beside the fatal one land in the ledger first.
    url = faults.url(f"{fault}=100", seed=5)
    with Engine(endpoint(url, api_key=SecretStr("sk-secret-123")), ledger, QUICK) as engine:
        got: list[Completion] = []
        with pytest.raises(EndpointError) as stopped:
            got.extend(engine.run(questions(2000)))
        message = str(stopped.value)
        assert setting in message
        assert "teacher" in message
        assert "sk-secret-123" not in message
        assert "\n" not in message
        counts = faults.counts()
        assert counts["in_flight"] == 0
        assert len(list(ledger.every())) == counts["begun"] < 500
        assert all(c.text for c in got)
        # The error stays: a second run does not send.
        with pytest.raises(EndpointError):
            list(engine.run([Request([{"role": "user", "content": "one more"}], "m")]))
        assert faults.counts()["bodies"] == counts["bodies"]


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
    assert time.monotonic() - began < QUICK.deadline  # nobody slept through it
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
    assert len(stored) == counts["begun"]
    assert sum(item.estimated for item in stored) == (len(late) if fault == "drip" else 0)


@pytest.mark.parametrize("fault", ["truncated", "html", "error200", "empty_choices", "wrong_model"])
def test_answers_that_stay_unreadable_fail_with_the_reason_after_three_tries(
    fault: str, faults, ledger
) -> None:
    with Engine(endpoint(faults.url(f"{fault}=1000")), ledger, QUICK) as engine:
        completions = list(engine.run(questions(5)))
    assert all(
        c.text is None and c.error and c.error.startswith(("malformed", "quarantined")) for c in completions
    )
    assert set(faults.counts()["bodies"].values()) == {3}
    raw = [item.call.raw for item in ledger.every()]
    assert len(raw) == 15  # paid text is kept, readable or not
    assert all(raw)


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


def test_an_outage_is_waited_out_and_the_breaker_saves_calls(faults, ledger: Ledger) -> None:
    requests = questions(300)
    limits = EngineLimits(deadline=20.0, backoff=0.02, backoff_cap=0.1, breaker_after=5, breaker_cooloff=0.1)
    with Engine(endpoint(faults.url()), ledger, limits) as engine:
        run = engine.run(requests)
        got = [next(run)]
        faults.switch("dead")
        time.sleep(0.6)
        held = engine.stats()
        faults.switch("alive")
        got += list(run)
        answered(got, requests)
        assert engine.stats().breaker_opened >= 1
        assert held.in_flight <= 1
    # Every question was answered once: an outage is not paid for.
    assert set(faults.counts()["good"].values()) == {1}


def test_a_dead_url_of_two_is_left_out_and_comes_back(
    fault_port: int, faults, ledger: Ledger, request
) -> None:
    other = type(faults)(fault_port, request.node.name + "-other")
    limits = EngineLimits(deadline=20.0, backoff=0.02, breaker_after=4, breaker_cooloff=0.05)
    with Engine(endpoint(faults.url(), other.url()), ledger, limits) as engine:
        requests = questions(900)
        other.switch("dead")
        answered(list(engine.run(requests[:300])), requests[:300])
        assert sum(other.counts()["bodies"].values()) == 0
        other.switch("alive")
        time.sleep(0.5)
        answered(list(engine.run(requests)), requests)
    assert sum(other.counts()["bodies"].values()) > 100
    assert sum(faults.counts()["bodies"].values()) > 300


def test_an_endpoint_that_never_answers_stops_the_run(ledger: Ledger) -> None:
    limits = EngineLimits(backoff=0.01, breaker_after=2, breaker_cooloff=0.05, unreachable_after=0.3)
    with Engine(endpoint("http://127.0.0.1:9/v1"), ledger, limits) as engine:
        with pytest.raises(EndpointError, match=r"127\.0\.0\.1:9 .*MATHMILL_TEACHER__BASE_URL"):
            list(engine.run(questions(3)))
        with pytest.raises(EndpointError, match="cannot be reached"):
            engine.check()


def test_a_gateway_whose_model_is_gone_stops_the_run(faults, ledger: Ledger) -> None:
    """/models answers, every call is a 503: the health check alone must not keep the run going."""
    limits = EngineLimits(backoff=0.01, breaker_after=2, breaker_cooloff=0.02, unreachable_after=0.5)
    with (
        Engine(endpoint(faults.url("http503=1000")), ledger, limits) as engine,
        pytest.raises(EndpointError, match=r"has not answered for .* s \(http 503\)"),
    ):
        list(engine.run(questions(50)))
    assert sum(faults.counts()["bodies"].values()) < 200


def test_calls_that_hang_do_not_keep_the_breaker_from_closing(faults, ledger: Ledger) -> None:
    limits = EngineLimits(deadline=3.0, backoff=0.01, backoff_cap=0.1, breaker_after=3, breaker_cooloff=0.05)
    requests = questions(300)
    with Engine(endpoint(faults.url("hang=20")), ledger, limits) as engine:
        run = engine.run(requests)
        got = [next(run)]
        faults.switch("dead")
        time.sleep(0.3)
        faults.switch("alive")
        got += list(run)
    hung = faults.counts()["faults"]["hang"]
    assert hung > 0
    assert sum(c.error is None for c in got) == 300 - hung


def test_a_name_that_does_not_resolve_stops_the_run(ledger: Ledger) -> None:
    limits = EngineLimits(
        backoff=0.01, breaker_after=2, breaker_cooloff=0.05, unreachable_after=0.3, connect=1.0
    )
    with (
        Engine(endpoint("http://no-such-host.invalid/v1"), ledger, limits) as engine,
        pytest.raises(EndpointError, match=r"no-such-host\.invalid"),
    ):
        list(engine.run(questions(2)))


def test_every_request_refused_is_the_settings_fault(faults, ledger: Ledger) -> None:
    with (
        Engine(endpoint(faults.url("http400=1000")), ledger, QUICK) as engine,
        pytest.raises(EndpointError, match="refuses every request: http 400: bad request"),
    ):
        list(engine.run(questions(200)))
    assert sum(faults.counts()["bodies"].values()) < 100


def test_check_names_the_model_that_is_not_served(faults, ledger: Ledger) -> None:
    with (
        Engine(Endpoint("critic", "big", [faults.url()]), ledger) as engine,
        pytest.raises(EndpointError, match="does not serve big, but m: mend MATHMILL_CRITIC__MODEL"),
    ):
        engine.check()
    with Engine(endpoint(faults.url()), ledger) as engine:
        assert engine.check() == ["m"]


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


@pytest.mark.parametrize(
    ("rates", "count"),
    [(MIX, 600), pytest.param(EVERY, 10_000, marks=pytest.mark.soak)],
    ids=["mixed", "each-5-percent"],
)
def test_all_faults_at_once_lose_and_double_nothing(rates: str, count: int, faults, ledger: Ledger) -> None:
    survives(faults, ledger, rates, count, QUICK)


@pytest.mark.soak
@pytest.mark.parametrize("fault", [part.split("=")[0] for part in EVERY.split(",")])
def test_each_fault_at_30_percent_of_10_000_calls(fault: str, faults, ledger: Ledger) -> None:
    survives(faults, ledger, f"{fault}=300", 10_000, QUICK)


@pytest.mark.soak
@pytest.mark.parametrize("fault", ["hang", "drip", "http429s", "http429date"])
def test_each_slow_fault_at_5_percent_of_10_000_calls(fault: str, faults, ledger: Ledger) -> None:
    hasty = replace(QUICK, deadline=1.0 if fault in ("hang", "drip") else 20.0, breaker_after=1000)
    survives(faults, ledger, f"{fault}=50", 10_000, hasty)


def survives(faults, ledger: Ledger, rates: str, count: int, limits: EngineLimits) -> None:
    """None lost, none mixed up, none bought twice, and the bill is the server's count."""
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
            assert not completion.deferred or limits is not QUICK
    assert max(counts["good"].values()) == 1  # no answer was bought twice
    assert len(counts["bodies"]) == count
    bill_matches(ledger, counts)
    held = ledger.stats()
    assert held.cost == pytest.approx(stats.cost_usd)
    assert held.unbilled == 0
    assert sum(c.error is not None for c in completions) == stats.failed
