"""OpenAI's Responses API: the fake against OpenAI's client library, then the engine against the fake."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import orjson
import pytest
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from pydantic import SecretStr, TypeAdapter

from storage.ledger import Ledger
from tasks.llm.endpoint import Endpoint, EndpointError, EngineLimits
from tasks.llm.engine import Engine
from tasks.llm.providers import dialect_of
from tasks.llm.providers.responses import body
from tasks.llm.recording import first_answer, usage_of
from tasks.llm.request import Failure, Request, request_of
from tasks.llm.sampling import Sampling
from tasks.llm.wire import CallOutcome, read, stated_status
from tests.tasks.llm.providers.fakes import KEY, Faults, serving
from tests.tasks.llm.providers.responses_api import ResponsesApi

QUICK = EngineLimits(deadline=20.0, backoff=0.01, backoff_cap=0.05, breaker_cooloff=0.02, connect=2.0)
THINKING = {"reasoning": {"effort": "high", "summary": "auto"}}
OPEN = dialect_of("responses")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite") as opened:
        yield opened


def endpoint(root: str, model: str = "gpt-think", **more: Any) -> Endpoint:
    more = {"api": "responses", "api_key": SecretStr(KEY), "price_in": 2.0, "price_out": 8.0} | more
    return Endpoint("teacher", model, [f"{root}/v1"], **more)


def questions(count: int, model: str = "gpt-think", **more: Any) -> list[Request]:
    system = {"role": "system", "content": "Be exact."}
    return [
        Request([system, {"role": "user", "content": f"question {number}"}], model, tag="test", **more)
        for number in range(count)
    ]


def client(root: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{root}/v1", api_key=KEY, max_retries=0, _strict_response_validation=True)


def test_the_client_library_reads_the_fake() -> None:
    api = ResponsesApi()
    with serving(api.app) as root, client(root) as library:

        def ask(question: str, **more: Any) -> Any:
            turns: Any = [{"role": "user", "content": question}]
            fields: Any = {"max_output_tokens": 50, "reasoning": {"summary": "auto"}} | more
            return library.responses.create(model="gpt-think", input=turns, **fields)

        response = ask("why?")
        assert response.output_text == "answer to why?"
        assert [item.type for item in response.output] == ["reasoning", "message"]
        assert response.output[0].summary[0].text == "thought on why?"
        assert response.usage.input_tokens_details.cached_tokens == 4
        cut = ask("long 300 please")
        assert (cut.status, cut.incomplete_details.reason) == ("incomplete", "max_output_tokens")
        assert ask("filter it").incomplete_details.reason == "content_filter"
        assert ask("refuse it").output[1].content[0].refusal == "I cannot."
        assert ask("fail server_error").error.code == "server_error"
        with pytest.raises(openai.BadRequestError, match="temperature"):
            ask("why?", temperature=0.5)
        with pytest.raises(openai.NotFoundError, match="only supported in v1/responses"):
            library.chat.completions.create(model="gpt-think", messages=[{"role": "user", "content": "why?"}])
        assert [model.id for model in library.models.list()] == ["gpt-think"]


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        ("429", openai.RateLimitError),
        ("500", openai.InternalServerError),
        ("cut", openai.APIConnectionError),
    ],
)
def test_the_client_library_knows_the_faults(fault: str, raised: type[Exception]) -> None:
    api = ResponsesApi(Faults(1.0, (fault,)))
    turns: Any = [{"role": "user", "content": "why?"}]
    with serving(api.app) as root, client(root) as library, pytest.raises(raised):
        library.responses.create(model="gpt-think", input=turns, max_output_tokens=50)


def test_bodies_are_those_of_the_published_types() -> None:
    messages = [{"role": "system", "content": "Be exact."}, {"role": "user", "content": "2 + 2?"}]
    request = Request(
        messages, "gpt-x", temperature=0.2, top_p=0.9, seed=3, stop=("END",), max_tokens=9,
        response_schema={"type": "object"}, extra={**THINKING, "text": {"verbosity": "low"}},
    )  # fmt: skip
    sent = orjson.loads(body(request, OPEN))
    schema = {"type": "json_schema", "name": "answer", "strict": True, "schema": {"type": "object"}}
    assert sent == {
        "model": "gpt-x",
        "input": messages,
        "max_output_tokens": 16,  # the least that the API accepts
        "temperature": 0.2,
        "top_p": 0.9,
        "text": {"verbosity": "low", "format": schema},
        "store": False,
        **THINKING,
    }
    assert sent.keys() <= set(ResponseCreateParamsNonStreaming.__annotations__) | set(
        ResponseCreateParamsNonStreaming.__mro__[0].__annotations__
    )
    TypeAdapter(ResponseCreateParamsNonStreaming).validate_python(sent)


@pytest.mark.slow
def test_faults_cost_no_answer_and_a_rerun_asks_nothing(ledger: Ledger) -> None:
    api = ResponsesApi(Faults(0.1))
    with serving(api.app) as root:
        asked = questions(300)
        with Engine(endpoint(root, sampling=Sampling(extra=THINKING)), ledger, QUICK) as engine:
            first = list(engine.run(asked))
            stats = engine.stats()
        assert [done.text for done in first] == [f"answer to question {number}" for number in range(300)]
        assert [done.reasoning for done in first] == [
            f"thought on question {number}" for number in range(300)
        ]
        assert all(done.cost == pytest.approx((10 * 2 + 20 * 8) / 1e6) for done in first)
        assert set(api.faults.met) == {"429", "529", "500", "broken", "cut"}
        assert sum(api.faults.met.values()) > 15
        for note in (
            "sent in the wire format responses",
            "temperature left out",
            "top_p left out",
            "seed left out",
        ):
            assert note in stats.dialect
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


def test_the_format_is_recognised_by_one_refused_call_and_not_needed_to_read(ledger: Ledger) -> None:
    api = ResponsesApi()
    with serving(api.app) as root, Engine(endpoint(root, api="chat"), ledger, QUICK) as engine:
        assert engine.check() == ["gpt-think"]
        (done,) = engine.run(questions(1, extra=THINKING))
        assert "sent in the wire format responses" in engine.stats().dialect
    ledger.flush()
    (item,) = ledger.every()
    assert orjson.loads(item.call.raw)["object"] == "response"
    request = request_of(item.call.request)
    assert item.call.key == request.key()
    read_again = first_answer([item], request, item.call.key, ("gpt-think",))
    assert read_again is not None
    assert (
        (read_again.text, read_again.reasoning)
        == (done.text, done.reasoning)
        == ("answer to question 0", "thought on question 0")
    )
    usage = usage_of(item)
    assert (usage.prompt_tokens, usage.completion_tokens) == (10, 20)


def test_what_is_no_solution_is_read_as_such(ledger: Ledger) -> None:
    api = ResponsesApi()
    texts = {
        "refuse it": Failure.REFUSAL,
        "filter it": Failure.CONTENT_FILTER,
        "a long context": Failure.CONTEXT_LENGTH,
        "fail invalid_prompt": Failure.CONTENT_FILTER,
    }
    asked = [Request([{"role": "user", "content": text}], "gpt-think") for text in texts]
    with serving(api.app) as root, Engine(endpoint(root), ledger, QUICK) as engine:
        assert [done.kind for done in engine.run(asked)] == list(texts.values())
        before = len(api.bodies)
        assert [done.cached for done in engine.run(asked)] == [True] * 4
        assert len(api.bodies) == before


def test_a_truncated_answer_is_asked_once_more_with_its_longer_limit(ledger: Ledger) -> None:
    api = ResponsesApi()
    request = Request(
        [{"role": "user", "content": "long 300 please"}], "gpt-think", max_tokens=100, longer=400
    )
    with serving(api.app) as root, Engine(endpoint(root), ledger, QUICK) as engine:
        (done,) = engine.run([request])
    assert [sent["max_output_tokens"] for sent in api.bodies] == [100, 400]
    assert (done.text, done.finish_reason) == ("answer to long 300 please", "stop")
    assert done.truncated_tokens == 100


def test_a_failed_response_is_retried_by_its_code() -> None:
    def raw(code: str) -> bytes:
        problem = {"code": code, "message": "no"}
        return orjson.dumps({"object": "response", "status": "failed", "output": [], "error": problem})

    assert stated_status(200, raw("server_error")) == 500
    assert stated_status(200, raw("rate_limit_exceeded")) == 429
    request = Request([{"role": "user", "content": "2 + 2?"}], "m")
    reading = read(request, request.key(), 200, raw("image_file_not_found"))
    assert (reading.outcome, reading.transient) == (CallOutcome.MALFORMED, True)


def test_the_key_is_in_no_message_and_not_in_the_ledger(ledger: Ledger) -> None:
    wrong = "sk-proj-wrong-5f2c9b7de1"
    with serving(ResponsesApi().app) as root:
        end = endpoint(root, api_key=SecretStr(wrong))
        with Engine(end, ledger, QUICK) as engine, pytest.raises(EndpointError, match="API_KEY") as stopped:
            list(engine.run(questions(3)))
    assert wrong not in str(stopped.value)
    ledger.flush()
    assert all(wrong.encode() not in item.call.raw for item in ledger.every())


@pytest.mark.parametrize(
    "data",
    [
        {"object": "response"},
        {"object": "response", "output": "text"},
        {"object": "response", "output": [None, 3, {"type": "message", "content": 4}], "status": "completed"},
        {
            "object": "response",
            "output": [{"type": "reasoning", "summary": [7]}],
            "status": "completed",
            "usage": 3,
        },
        {"object": "response", "output": [], "status": "queued", "error": None},
        {"object": "response", "output": [], "status": ["x"], "error": 3},
    ],
)
def test_hostile_responses_have_an_outcome(data: dict[str, Any]) -> None:
    request = Request([{"role": "user", "content": "2 + 2?"}], "m")
    outcome = read(request, request.key(), 200, orjson.dumps(data)).outcome
    assert outcome in (CallOutcome.EMPTY, CallOutcome.MALFORMED)
