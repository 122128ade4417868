"""Anthropic's Messages API: the fake against Anthropic's client library, then the engine against the fake."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import orjson
import pytest
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from pydantic import SecretStr, TypeAdapter

from storage.ledger import Ledger
from tasks.llm.endpoint import Endpoint, EndpointError, EngineLimits
from tasks.llm.engine import Engine
from tasks.llm.providers import CHAT, dialect_of
from tasks.llm.providers.anthropic import body
from tasks.llm.recording import first_answer, usage_of
from tasks.llm.request import Failure, Request, request_of
from tasks.llm.sampling import Sampling
from tasks.llm.wire import CallOutcome, read
from tests.tasks.llm.providers.anthropic_api import AnthropicApi
from tests.tasks.llm.providers.fakes import KEY, Faults, serving

QUICK = EngineLimits(deadline=20.0, backoff=0.01, backoff_cap=0.05, breaker_cooloff=0.02, connect=2.0)
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 8000}}
OPEN = dialect_of("anthropic")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite") as opened:
        yield opened


def endpoint(root: str, model: str = "claude-old-1", **more: Any) -> Endpoint:
    more = {"api": "anthropic", "api_key": SecretStr(KEY), "price_in": 3.0, "price_out": 15.0} | more
    return Endpoint("teacher", model, [f"{root}/v1"], **more)


def questions(count: int, model: str = "claude-old-1", **more: Any) -> list[Request]:
    system = {"role": "system", "content": "Be exact."}
    return [
        Request([system, {"role": "user", "content": f"question {number}"}], model, tag="test", **more)
        for number in range(count)
    ]


def client(root: str, key: str = KEY) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=root, api_key=key, max_retries=0, _strict_response_validation=True)


def test_the_client_library_reads_the_fake() -> None:
    api = AnthropicApi()
    with serving(api.app) as root, client(root) as library:
        asked: Any = {"model": "claude-old-1", "messages": [{"role": "user", "content": "why?"}]}
        message = library.messages.create(**asked, max_tokens=9000, **THINKING, system="Be exact.")
        assert [block.type for block in message.content] == ["thinking", "redacted_thinking", "text"]
        assert message.stop_reason == "end_turn"
        assert library.messages.create(**asked, max_tokens=5).stop_reason == "max_tokens"
        asked["messages"] = [{"role": "user", "content": "refuse this"}]
        refused = library.messages.create(**asked, max_tokens=50)
        assert (refused.stop_reason, refused.content) == ("refusal", [])
        names = [model.id for model in library.models.list(limit=1000)]
        assert "claude-old-1-20260801" in names
        with pytest.raises(anthropic.BadRequestError, match="budget_tokens"):
            library.messages.create(**asked, max_tokens=50, **THINKING)


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        ("429", anthropic.RateLimitError),
        ("529", anthropic.InternalServerError),
        ("500", anthropic.InternalServerError),
        ("cut", anthropic.APIConnectionError),
    ],
)
def test_the_client_library_knows_the_faults(fault: str, raised: type[Exception]) -> None:
    api = AnthropicApi(Faults(1.0, (fault,)))
    with serving(api.app) as root, client(root) as library, pytest.raises(raised):
        library.messages.create(
            model="claude-old-1", max_tokens=50, messages=[{"role": "user", "content": "why?"}]
        )


@pytest.mark.parametrize(
    "request_",
    [
        Request([{"role": "user", "content": "2 + 2?"}], "claude-old-1"),
        Request(
            [
                {"role": "system", "content": "Be exact."},
                {"role": "user", "content": "2 + 2?"},
                {"role": "assistant", "content": "5"},
                {"role": "user", "content": "Again."},
            ],
            "claude-old-1", temperature=1.7, top_p=0.9, seed=3, stop=("END", "\n"), max_tokens=4096,
            response_schema={"type": "object", "properties": {}, "additionalProperties": False},
            extra={**THINKING, "output_config": {"effort": "high"}},
        ),
    ],
)  # fmt: skip
def test_bodies_are_those_of_the_published_types(request_: Request) -> None:
    sent = orjson.loads(body(request_, OPEN))
    assert sent.keys() <= set(MessageCreateParamsNonStreaming.__annotations__)
    checked: Any = TypeAdapter(MessageCreateParamsNonStreaming).validate_python(sent)
    for _ in checked["messages"]:  # validated as it is read
        pass
    assert all(message["role"] in ("user", "assistant") for message in sent["messages"])


def test_the_body_keeps_what_the_request_says() -> None:
    messages = [{"role": "system", "content": "Be exact."}, {"role": "user", "content": "2 + 2?"}]
    plain = Request(
        messages, "claude-old-1", temperature=1.7, top_p=0.9, stop=("END", " "), max_tokens=900, seed=4,
        extra={"output_config": {"effort": "high"}}, response_schema={"type": "object"},
    )  # fmt: skip
    assert orjson.loads(body(plain, OPEN)) == {
        "model": "claude-old-1",
        "max_tokens": 900,
        "system": "Be exact.",
        "messages": messages[1:],
        "top_p": 0.9,
        "stop_sequences": ["END"],
        "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": {"type": "object"}}},
    }
    cool = Request(messages, "claude-old-1", temperature=0.2)
    assert orjson.loads(body(cool, OPEN))["temperature"] == 0.2
    budgets = {
        most: orjson.loads(
            body(Request(messages, "m", max_tokens=most, temperature=0.2, extra=THINKING), OPEN)
        )
        for most in (20_000, 4000, 1024)
    }
    assert [sent.get("thinking", {}).get("budget_tokens") for sent in budgets.values()] == [8000, 3999, None]
    assert ["temperature" in sent for sent in budgets.values()] == [False, False, True]


@pytest.mark.slow
def test_faults_cost_no_answer_and_a_rerun_asks_nothing(ledger: Ledger) -> None:
    api = AnthropicApi(Faults(0.1))
    with serving(api.app) as root:
        asked = questions(300, max_tokens=9000)
        with Engine(endpoint(root, sampling=Sampling(extra=THINKING)), ledger, QUICK) as engine:
            first = list(engine.run(asked))
            stats = engine.stats()
        assert [done.text for done in first] == [f"answer to question {number}" for number in range(300)]
        assert [done.reasoning for done in first] == [
            f"thought on question {number}" for number in range(300)
        ]
        assert {(done.usage.prompt_tokens, done.usage.completion_tokens) for done in first} == {(10, 20)}
        assert all(done.cost == pytest.approx((10 * 3 + 20 * 15) / 1e6) for done in first)
        assert set(api.faults.met) == {"429", "529", "500", "broken", "cut"}
        assert stats.retries == sum(api.faults.met.values()) > 15
        assert "sent in the wire format anthropic" in stats.dialect
        ledger.flush()
        stored = [item for item in ledger.every() if item.call.status == 200]
        assert len(stored) == api.faults.started
        whole = [item for item in stored if not item.estimated]
        assert sum(item.prompt_tokens for item in whole) == api.faults.sent
        assert sum(item.completion_tokens for item in whole) == api.faults.received
        before = len(api.bodies)
        with Engine(endpoint(root, sampling=Sampling(extra=THINKING)), ledger, QUICK) as engine:
            again = list(engine.run(asked))
        assert len(api.bodies) == before
        assert [(done.text, done.reasoning, done.cached) for done in again] == [
            (done.text, done.reasoning, True) for done in first
        ]


def test_stored_bytes_are_read_without_knowing_the_format(ledger: Ledger) -> None:
    api = AnthropicApi()
    with serving(api.app) as root, Engine(endpoint(root), ledger, QUICK) as engine:
        (done,) = engine.run(questions(1, max_tokens=2000, extra=THINKING))
    ledger.flush()
    (item,) = ledger.every()
    assert orjson.loads(item.call.raw)["type"] == "message"  # the provider's own bytes
    request = request_of(item.call.request)
    assert item.call.key == request.key()  # which says nothing of the format
    read_again = first_answer([item], request, item.call.key, ("claude-old-1",))
    assert read_again is not None
    assert (read_again.text, read_again.reasoning) == (done.text, done.reasoning)
    usage = usage_of(item)
    assert (usage.prompt_tokens, usage.completion_tokens) == (10, 20)


def test_a_truncated_answer_is_asked_once_more_with_its_longer_limit(ledger: Ledger) -> None:
    api = AnthropicApi()
    request = Request(
        [{"role": "user", "content": "long 300 please"}], "claude-old-1", max_tokens=100, longer=400
    )
    with serving(api.app) as root, Engine(endpoint(root), ledger, QUICK) as engine:
        (done,) = engine.run([request])
    assert [sent["max_tokens"] for sent in api.bodies] == [100, 400]
    assert (done.text, done.finish_reason) == ("answer to long 300 please", "end_turn")
    assert done.truncated_tokens == 100


def test_refusals_and_long_prompts_are_answers(ledger: Ledger) -> None:
    api = AnthropicApi()
    asked = [
        Request([{"role": "user", "content": text}], "claude-old-1")
        for text in ("refuse it", "a long context")
    ]
    with serving(api.app) as root, Engine(endpoint(root), ledger, QUICK) as engine:
        kinds = [done.kind for done in engine.run(asked)]
        assert kinds == [Failure.CONTENT_FILTER, Failure.CONTEXT_LENGTH]
        assert [done.cached for done in engine.run(asked)] == [True, True]


def test_a_model_without_temperature_is_learnt_once(ledger: Ledger) -> None:
    api = AnthropicApi()
    asked = questions(
        20, "claude-new-1", temperature=0.3, top_p=0.9, extra={"thinking": {"type": "disabled"}}
    )
    with serving(api.app) as root, Engine(endpoint(root, "claude-new-1"), ledger, QUICK) as engine:
        assert all(done.text for done in engine.run(asked))
        notes = engine.stats().dialect
    assert "temperature left out" in notes
    assert "top_p left out" in notes
    assert all("temperature" not in sent for sent in api.bodies)


@pytest.mark.parametrize("bearer", [True, False])
def test_the_format_is_recognised_by_one_refused_call(bearer: bool, ledger: Ledger) -> None:
    api = AnthropicApi(bearer=bearer)  # refused with 404, or with 401
    with serving(api.app) as root:
        plain = Endpoint("teacher", "claude-old-1", [f"{root}/v1"], api_key=SecretStr(KEY))
        assert plain.api == CHAT
        with Engine(plain, ledger, QUICK) as engine:
            assert all(done.text for done in engine.run(questions(30)))
            assert "sent in the wire format anthropic" in engine.stats().dialect
    assert len(api.bodies) == 30


def test_an_unknown_model_is_no_sign_of_a_format() -> None:
    from tasks.llm.providers import recognised

    missing = {"type": "error", "error": {"type": "not_found_error", "message": "model: claude-none"}}
    assert recognised(404, missing) is None
    assert recognised(400, missing) is None
    assert recognised(404, {"error": {"message": "Not Found"}}) is None
    assert recognised(404, ["no object"]) is None


def test_the_models_are_checked_by_alias(ledger: Ledger) -> None:
    api = AnthropicApi()
    with serving(api.app) as root:
        for model in ("claude-old-1", "claude-new-1"):
            with Engine(endpoint(root, model), ledger, QUICK) as engine:
                assert "claude-new-1" in engine.check()
        with (
            Engine(endpoint(root, "claude-none"), ledger, QUICK) as engine,
            pytest.raises(EndpointError, match="does not serve claude-none.*MATHMILL_TEACHER__MODEL"),
        ):
            engine.check()


@pytest.mark.parametrize("by_header", [False, True])
def test_the_key_is_in_no_message_and_not_in_the_ledger(by_header: bool, ledger: Ledger) -> None:
    wrong = "sk-ant-wrong-5f2c9b7de1"
    api = AnthropicApi()
    secret: dict[str, Any] = {"api_key": None, "headers": {"X-Api-Key": wrong}}
    if not by_header:
        secret = {"api_key": SecretStr(wrong)}
    with serving(api.app) as root:
        with (
            Engine(endpoint(root, **secret), ledger, QUICK) as engine,
            pytest.raises(EndpointError, match="invalid x-api-key.*MATHMILL_TEACHER__API_KEY") as stopped,
        ):
            list(engine.run(questions(3)))
        assert wrong not in str(stopped.value)
        with (
            Engine(endpoint(root, **secret), ledger, QUICK) as engine,
            pytest.raises(EndpointError) as stopped,
        ):
            engine.check()
        assert wrong not in str(stopped.value)
    ledger.flush()
    assert all(wrong.encode() not in item.call.raw for item in ledger.every())


def test_an_echoed_key_is_removed_from_an_answer_and_the_answer_kept(ledger: Ledger) -> None:
    echo = "sk-ant-echo-0a1b2c3d4e5f"
    api = AnthropicApi(key=echo)
    request = Request([{"role": "user", "content": f"is your key {echo}?"}], "claude-old-1")
    with serving(api.app) as root:
        headers = {"anthropic-beta": "interleaved-thinking"}
        with Engine(endpoint(root, api_key=SecretStr(echo), headers=headers), ledger, QUICK) as engine:
            (done,) = engine.run([request, *questions(0)])
    assert done.text == "answer to is your key ***?"
    ledger.flush()
    (item,) = ledger.every()
    assert echo.encode() not in item.call.raw


def test_a_spending_limit_stops_the_run_and_an_overload_does_not() -> None:
    from tasks.llm.wire import error_of, is_quota, stated_status

    def raw(type_: str, message: str) -> bytes:
        return orjson.dumps({"type": "error", "error": {"type": type_, "message": message}})

    spent = "You have reached your specified API usage limits. You will regain access on 2026-12-01."
    assert is_quota(error_of(raw("invalid_request_error", spent)))
    poor = "Your credit balance is too low to access the Anthropic API."
    assert is_quota(error_of(raw("invalid_request_error", poor)))
    assert not is_quota(error_of(raw("rate_limit_error", "Number of requests has exceeded your rate limit")))
    assert stated_status(200, raw("overloaded_error", "Overloaded")) == 529  # of a gateway
    assert stated_status(529, raw("overloaded_error", "Overloaded")) == 529


@pytest.mark.parametrize(
    "data",
    [
        {"type": "message"},
        {"type": "message", "content": "text"},
        {"type": "message", "content": [None, 3, {"type": "text"}], "usage": [], "stop_reason": 7},
        {"type": "message", "content": [], "usage": {"input_tokens": "many"}, "model": 3},
        {"type": "error", "error": "text"},
    ],
)
def test_hostile_messages_have_an_outcome(data: dict[str, Any]) -> None:
    request = Request([{"role": "user", "content": "2 + 2?"}], "m")
    outcome = read(request, request.key(), 200, orjson.dumps(data)).outcome
    assert outcome in (CallOutcome.EMPTY, CallOutcome.MALFORMED)
