"""Endpoints that become unavailable, return, or never existed."""

from __future__ import annotations

import time

import pytest

from storage.ledger import Ledger
from tasks.llm.engine import Endpoint, EndpointError, Engine, EngineLimits
from tests.chaos.asking import QUICK, answered, endpoint, questions


def test_an_outage_is_waited_out_and_the_breaker_saves_calls(faults, ledger: Ledger) -> None:
    requests = questions(300)
    limits = EngineLimits(deadline=20.0, backoff=0.02, backoff_cap=0.1, breaker_after=5, breaker_cooloff=0.1)
    with Engine(endpoint(faults.url()), ledger, limits) as engine:
        run = engine.run(requests)
        completions = [next(run)]
        faults.switch("dead")
        time.sleep(0.6)
        held = engine.stats()
        faults.switch("alive")
        completions += list(run)
        answered(completions, requests)
        assert engine.stats().breaker_opened >= 1
        assert held.in_flight <= 1
    # Every question was answered once: an outage is not paid for.
    assert set(faults.counts()["good"].values()) == {1}


@pytest.mark.slow
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


@pytest.mark.slow
def test_calls_that_hang_do_not_keep_the_breaker_from_closing(faults, ledger: Ledger) -> None:
    limits = EngineLimits(deadline=3.0, backoff=0.01, backoff_cap=0.1, breaker_after=3, breaker_cooloff=0.05)
    requests = questions(300)
    with Engine(endpoint(faults.url("hang=20")), ledger, limits) as engine:
        run = engine.run(requests)
        completions = [next(run)]
        faults.switch("dead")
        time.sleep(0.3)
        faults.switch("alive")
        completions += list(run)
    hung = faults.counts()["faults"]["hang"]
    assert hung > 0
    assert sum(c.error is None for c in completions) == 300 - hung


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
        pytest.raises(EndpointError, match="does not serve big, but m. Fix: correct MATHMILL_CRITIC__MODEL"),
    ):
        engine.check()
    with Engine(endpoint(faults.url()), ledger) as engine:
        assert engine.check() == ["m"]
