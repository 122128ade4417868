"""Gateways of Anthropic's and OpenAI's newer formats that only stream: the fakes against the client libraries, then the
engine against the fakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anthropic
import openai
import orjson
import pytest
from pydantic import SecretStr

from storage.ledger import Ledger
from tasks.llm.endpoint import Endpoint, EngineLimits
from tasks.llm.engine import Engine
from tasks.llm.request import Completion, Failure, Request
from tasks.llm.sampling import Sampling
from tasks.llm.wire import CallOutcome, read, stated_status
from tests.tasks.llm.providers.anthropic_api import AnthropicApi
from tests.tasks.llm.providers.fakes import KEY, Faults, events, serving
from tests.tasks.llm.providers.responses_api import ResponsesApi

QUICK = EngineLimits(deadline=20.0, backoff=0.01, backoff_cap=0.05, breaker_cooloff=0.02, connect=2.0)
APIS: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "anthropic": (AnthropicApi, "claude-old-1", {"thinking": {"type": "enabled", "budget_tokens": 2000}}),
    "responses": (ResponsesApi, "gpt-think", {"reasoning": {"summary": "auto"}}),
}
TURNS: Any = [{"role": "user", "content": "why?"}]


def run(name: str, root: str, path: Path, *texts: str, **more: Any) -> tuple[list[Completion], Any]:
    _, model, thinking = APIS[name]
    end = Endpoint(
        "teacher", model, [f"{root}/v1"], api=name, api_key=SecretStr(KEY), price_in=3, price_out=15,
        sampling=Sampling(extra=thinking),
    )  # fmt: skip
    requests = [
        Request([{"role": "user", "content": text}], model, tag="t", **{"max_tokens": 4000} | more)
        for text in texts
    ]
    with Ledger.open(path) as ledger, Engine(end, ledger, QUICK) as engine:
        return list(engine.run(requests)), engine.stats()


def test_the_client_libraries_read_the_streams() -> None:
    with serving(AnthropicApi(streams=True).app) as root:
        client = anthropic.Anthropic(base_url=root, api_key=KEY, max_retries=0)
        with pytest.raises(anthropic.BadRequestError, match="only streaming"):
            client.messages.create(model="claude-old-1", max_tokens=50, messages=TURNS)
        with client.messages.stream(
            model="claude-old-1",
            max_tokens=4000,
            messages=TURNS,
            thinking={"type": "enabled", "budget_tokens": 2000},
        ) as stream:
            message = stream.get_final_message()
        assert [block.type for block in message.content] == ["thinking", "redacted_thinking", "text"]
        assert stream.get_final_text() == "answer to why?"
        assert (message.stop_reason, message.usage.output_tokens) == ("end_turn", 20)
    with serving(ResponsesApi(streams=True).app) as root:
        other = openai.OpenAI(base_url=f"{root}/v1", api_key=KEY, max_retries=0)
        with pytest.raises(openai.BadRequestError, match="Stream must be"):
            other.responses.create(model="gpt-think", input=TURNS, max_output_tokens=50)
        pieces = list(
            other.responses.create(model="gpt-think", input=TURNS, max_output_tokens=50, stream=True)
        )
        deltas = [piece.delta for piece in pieces if piece.type == "response.output_text.delta"]
        assert "".join(deltas) == "answer to why?"
        assert pieces[-1].type == "response.completed"
        assert pieces[-1].response.output_text == "answer to why?"


@pytest.mark.parametrize("name", APIS)
def test_answers_of_a_gateway_that_only_streams(name: str, tmp_path: Path) -> None:
    api = APIS[name][0](Faults(0.1), streams=True)
    texts = [f"question {number}" for number in range(100)]
    with serving(api.app) as root:
        completions, stats = run(name, root, tmp_path / "ledger.sqlite", *texts)
        again, after = run(name, root, tmp_path / "ledger.sqlite", *texts)
    assert [(done.text, done.reasoning, done.error) for done in completions] == [
        (f"answer to {text}", f"thought on {text}", None) for text in texts
    ]
    assert {(done.usage.prompt_tokens, done.usage.completion_tokens) for done in completions} == {(10, 20)}
    assert not any(done.usage.estimated for done in completions)
    assert "answers streamed" in stats.dialect
    assert api.faults.met.keys() >= {"broken", "cut"}
    assert [(done.text, done.reasoning, done.cost) for done in again] == [
        (done.text, done.reasoning, done.cost) for done in completions
    ]
    assert after.calls == 0


@pytest.mark.parametrize("name", APIS)
def test_a_streamed_answer_may_be_cut_off_or_refused(name: str, tmp_path: Path) -> None:
    with serving(APIS[name][0](streams=True).app) as root:
        ends, _ = run(name, root, tmp_path / "ledger.sqlite", "long 9000 words", "refuse this")
    assert [(done.finish_reason, done.kind) for done in ends] == [
        ("length", None),
        (ends[1].finish_reason, Failure.CONTENT_FILTER if name == "anthropic" else Failure.REFUSAL),
    ]


REQUEST = Request(TURNS, "m", max_tokens=500)
START = {"type": "message_start", "message": {"type": "message", "model": "m", "content": [], "usage": {"input_tokens": 9}}}  # fmt: skip
BLOCK = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
DELTA = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "The answer"}}
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
CUT: dict[str, list[dict[str, Any]]] = {
    "anthropic": [START, BLOCK, DELTA],
    "anthropic error": [START, BLOCK, DELTA, OVERLOADED],
    "anthropic strange": [START, BLOCK, DELTA, {"type": "message_delta", "delta": 7, "usage": []}],
    "responses": [
        {"type": "response.created", "response": {}},
        {"type": "response.output_text.delta", "delta": "The answer"},
    ],
    "responses error": [
        {"type": "response.output_text.delta", "delta": "The answer"},
        {"type": "error", "code": "server_error", "message": "gone"},
    ],
}


@pytest.mark.parametrize("name", CUT)
def test_a_stream_that_ends_early_is_charged_by_its_text_and_retried(name: str) -> None:
    reading = read(REQUEST, "key", 200, events(*CUT[name]))
    assert (reading.outcome, reading.transient) == (CallOutcome.MALFORMED, True)
    assert reading.completion.usage.estimated
    assert reading.completion.usage.completion_tokens == 3


def test_an_error_before_any_text_has_the_status_that_it_states() -> None:
    assert stated_status(200, events(OVERLOADED)) == 529
    assert stated_status(200, events(START, BLOCK, DELTA, OVERLOADED)) == 200
    failed = {
        "object": "response",
        "status": "failed",
        "output": [],
        "error": {"code": "rate_limit_exceeded"},
    }
    assert stated_status(200, events({"type": "response.failed", "response": failed})) == 429


def test_no_stream_makes_the_reader_fail() -> None:
    strange: list[Any] = [None, 7, "x", [], {}, {"type": None}, {"type": "x"}]
    kinds = [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "message_delta",
        "error",
        "response.completed",
    ]
    fields = ["message", "content_block", "delta", "usage", "error", "response"]
    for kind in kinds:
        for field in fields:
            for value in strange:
                raw = events(
                    {"type": "message_start"}, {"type": kind, field: value}, {"type": "message_stop"}
                )
                assert isinstance(read(REQUEST, "key", 200, raw).outcome, CallOutcome)
                alone = events({"type": kind, field: value}) + orjson.dumps(value)
                assert isinstance(read(REQUEST, "key", 200, alone).outcome, CallOutcome)
