"""Bedrock's format: the fake by boto3, bodies by the service's own description, and what stop reasons mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import orjson
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.validate import validate_parameters
from pydantic import SecretStr

from storage.ledger import Ledger
from tasks.llm.endpoint import Endpoint
from tasks.llm.engine import Engine
from tasks.llm.providers import CHAT, dialect_of
from tasks.llm.providers.bedrock import body, path
from tasks.llm.request import Failure, Request
from tasks.llm.wire import CallOutcome, read
from tests.tasks.llm.providers.bedrock_api import PROFILE, BedrockApi
from tests.tasks.llm.providers.fakes import KEY, Faults, serving
from tests.tasks.llm.providers.test_runs import QUICK, asked, endpoint, run

OPEN = dialect_of("bedrock")
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 4000}}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite") as opened:
        yield opened


@pytest.fixture
def keyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", KEY)


def client(root: str) -> Any:
    """The client library sends API keys to https addresses only: its calls to the fake lose their TLS as they leave."""
    config = Config(retries={"total_max_attempts": 1}, proxies={})
    url = root.replace("http://", "https://")
    library = boto3.client("bedrock-runtime", region_name="us-east-1", endpoint_url=url, config=config)

    def without_tls(request: Any, **_: Any) -> None:
        request.url = request.url.replace("https://", "http://", 1)

    library.meta.events.register("before-send.bedrock-runtime.*", without_tls)
    return library


def call(library: Any, text: str = "why?", model: str = "claude-1", most: int = 500, **more: Any) -> Any:
    turn = {"role": "user", "content": [{"text": text}]}
    return library.converse(modelId=model, messages=[turn], inferenceConfig={"maxTokens": most}, **more)


@pytest.mark.usefixtures("keyed")
def test_the_client_library_reads_the_fake() -> None:
    with serving(BedrockApi().app) as root:
        library = client(root)
        response = call(
            library, most=5000, system=[{"text": "Be exact."}], additionalModelRequestFields=THINKING
        )
        content = response["output"]["message"]["content"]
        assert content[0]["reasoningContent"]["reasoningText"]["text"] == "thought on why?"
        assert content[1]["reasoningContent"]["redactedContent"] == b"enc"
        assert content[2] == {"text": "answer to why?"}
        assert response["stopReason"] == "end_turn"
        usage = response["usage"]
        assert (usage["inputTokens"], usage["cacheReadInputTokens"], usage["outputTokens"]) == (4, 7, 50)
        assert call(library, most=5)["stopReason"] == "max_tokens"
        assert call(library, model=PROFILE)["stopReason"] == "end_turn"
        assert call(library, "a guarded question")["stopReason"] == "guardrail_intervened"
        assert call(library, "a garbled question")["stopReason"] == "malformed_model_output"
        for wrong, complaint in (
            ({"model": "none"}, "identifier is invalid"),
            ({"most": 9000}, "exceeds the model limit of 8192"),
        ):
            with pytest.raises(library.exceptions.ValidationException, match=complaint):
                call(library, **wrong)
    for fault, raised in (
        ("429", "ThrottlingException"),
        ("529", "ServiceUnavailable"),
        ("500", "InternalServer"),
    ):
        with serving(BedrockApi(Faults(1.0, (fault,))).app) as root, pytest.raises(ClientError, match=raised):
            call(client(root))
    with (
        serving(BedrockApi(key="another").app) as root,
        pytest.raises(ClientError, match="AccessDenied.*API Key"),
    ):
        call(client(root))


@pytest.mark.parametrize(
    "request_",
    [
        Request([{"role": "user", "content": "2 + 2?"}], "claude-1"),
        Request(
            [
                {"role": "system", "content": "Be exact."},
                {"role": "user", "content": "2 + 2?"},
                {"role": "assistant", "content": "5"},
                {"role": "user", "content": "Again."},
            ],
            "claude-1", temperature=0.7, top_p=0.9, seed=3, stop=("END",), max_tokens=4096,
            response_schema={"type": "object", "properties": {"answer": {"type": "string"}}},
            extra={**THINKING, "top_k": 20, "serviceTier": {"type": "flex"}},
        ),
    ],
)  # fmt: skip
def test_bodies_are_those_of_the_services_description(request_: Request) -> None:
    sent = orjson.loads(body(request_, OPEN))
    shape = client("http://localhost").meta.service_model.operation_model("Converse").input_shape
    assert sent.keys() <= shape.members.keys()  # unknown names are no error to the validation
    assert sent["inferenceConfig"].keys() <= shape.members["inferenceConfig"].members.keys()
    validate_parameters({"modelId": request_.model, **sent}, shape)


def test_the_body_keeps_what_the_request_says() -> None:
    messages = [{"role": "system", "content": "Be exact."}, {"role": "user", "content": "2 + 2?"}]
    request = Request(
        messages, "claude-1", temperature=0.7, top_p=0.9, stop=("END",), max_tokens=900, seed=4,
        extra={"additionalModelRequestFields": {"top_k": 20}, "effort": "low", "outputConfig": {"effort": "low"}},
        response_schema={"type": "object"},
    )  # fmt: skip
    form = {
        "type": "json_schema",
        "structure": {"jsonSchema": {"name": "answer", "schema": '{"type":"object"}'}},
    }
    assert orjson.loads(body(request, OPEN)) == {
        "messages": [{"role": "user", "content": [{"text": "2 + 2?"}]}],
        "system": [{"text": "Be exact."}],
        "inferenceConfig": {"maxTokens": 900, "temperature": 0.7, "topP": 0.9, "stopSequences": ["END"]},
        "additionalModelRequestFields": {"top_k": 20, "effort": "low"},
        "outputConfig": {"effort": "low", "textFormat": form},
    }
    without = replace(OPEN, without=frozenset(["temperature", "top_p", "stop", "response_format", "seed"]))
    less = orjson.loads(body(request, without))
    assert (less["inferenceConfig"], less["outputConfig"]) == ({"maxTokens": 900}, {"effort": "low"})
    budgets = [
        orjson.loads(body(Request(messages, "m", max_tokens=most, extra=THINKING), OPEN))
        .get("additionalModelRequestFields", {})
        .get("thinking", {})
        .get("budget_tokens")
        for most in (9000, 2000, 1024)
    ]
    assert budgets == [4000, 1999, None]
    assert path(PROFILE).count("/") == 3


def test_a_guardrail_filters_and_a_malformed_answer_is_retried(ledger: Ledger) -> None:
    api = BedrockApi()
    with serving(api.app) as root:
        completions, _ = run(
            ledger, endpoint("bedrock", root), asked("bedrock", "a guarded question", "fine")
        )
        assert [done.kind for done in completions] == [Failure.CONTENT_FILTER, None]
        (done,), _ = run(ledger, endpoint("bedrock", root), asked("bedrock", "a garbled question"))
    assert done.kind is Failure.MALFORMED
    assert len(api.bodies) == 2 + 3


def test_a_model_without_system_texts_is_learnt(ledger: Ledger) -> None:
    api = BedrockApi()
    with serving(api.app) as root:
        end = Endpoint("teacher", "titan-1", [root], api="bedrock", api_key=SecretStr(KEY))
        messages = [{"role": "system", "content": "Be exact."}, {"role": "user", "content": "2 + 2?"}]
        (done,), stats = run(ledger, end, [Request(messages, "titan-1")])
    assert done.text == "answer to Be exact.\n\n2 + 2?"
    assert "system texts put before the user's" in stats.dialect


def test_the_format_is_recognised_by_one_refused_call(ledger: Ledger) -> None:
    api = BedrockApi()
    with serving(api.app) as root:
        plain = Endpoint("teacher", "claude-1", [root], api_key=SecretStr(KEY))
        assert plain.api == CHAT
        requests = [
            Request([{"role": "user", "content": f"question {number}"}], "claude-1") for number in range(20)
        ]
        with Engine(plain, ledger, QUICK) as engine:
            assert engine.check() == []
            assert all(done.text for done in engine.run(requests))
            assert "sent in the wire format bedrock" in engine.stats().dialect


@pytest.mark.parametrize(
    "data",
    [
        {"output": {}, "stopReason": None},
        {"output": {"message": {"content": "text"}}, "stopReason": "end_turn"},
        {"output": {"message": {"content": [3, {"text": 4}, {"toolUse": {}}]}}, "stopReason": 7, "usage": []},
        {
            "output": {"message": {"content": [{"reasoningContent": {"reasoningText": []}}]}},
            "stopReason": "end_turn",
        },
        {"output": {"message": {"content": []}}, "stopReason": "end_turn", "usage": {"inputTokens": "many"}},
    ],
)
def test_hostile_responses_have_an_outcome(data: dict[str, Any]) -> None:
    request = Request([{"role": "user", "content": "2 + 2?"}], "m")
    assert read(request, request.key(), 200, orjson.dumps(data)).outcome in (
        CallOutcome.EMPTY,
        CallOutcome.MALFORMED,
    )


def test_a_full_context_window_is_a_truncation() -> None:
    raw = {
        "output": {"message": {"content": [{"text": "So"}]}},
        "stopReason": "model_context_window_exceeded",
    }
    request = Request([{"role": "user", "content": "2 + 2?"}], "m")
    assert read(request, request.key(), 200, orjson.dumps(raw)).completion.finish_reason == "length"
