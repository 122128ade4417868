"""Gemini's format: the fake by Google's own client library, bodies by its types, and what candidates mean."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from google.ai import generativelanguage as google
from google.ai.generativelanguage_v1beta.services.generative_service.transports import (
    GenerativeServiceRestTransport,
)
from google.api_core.exceptions import BadRequest, NotFound, TooManyRequests
from google.auth.credentials import AnonymousCredentials
from google.protobuf import json_format
from pydantic import SecretStr

from storage.ledger import Ledger
from tasks.llm.endpoint import Endpoint, EndpointError
from tasks.llm.engine import Engine
from tasks.llm.providers import dialect_of
from tasks.llm.providers.gemini import as_chat, body, path, stated_status
from tasks.llm.request import Failure, Request
from tasks.llm.wire import CallOutcome, read
from tests.tasks.llm.providers.fakes import KEY, Faults, serving
from tests.tasks.llm.providers.gemini_api import GeminiApi
from tests.tasks.llm.providers.test_runs import QUICK, asked, endpoint, run

OPEN = dialect_of("gemini")
THINKING = {"thinkingConfig": {"includeThoughts": True, "thinkingBudget": 1024}}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite") as opened:
        yield opened


def client(root: str) -> Any:
    host = root.removeprefix("http://")
    transport = GenerativeServiceRestTransport(
        host=host, url_scheme="http", credentials=AnonymousCredentials()
    )
    return google.GenerativeServiceClient(transport=transport)


def call(library: Any, model: str = "gemini-new", text: str = "why?", **config: Any) -> Any:
    request = google.GenerateContentRequest(
        model=f"models/{model}",
        contents=[{"role": "user", "parts": [{"text": text}]}],
        system_instruction={"parts": [{"text": "Be exact."}]},
        generation_config=config,
    )
    return library.generate_content(request, metadata=[("x-goog-api-key", KEY)], retry=None)


def test_the_client_library_reads_the_fake() -> None:
    with serving(GeminiApi().app) as root:
        library = client(root)
        response = call(library, max_output_tokens=500, thinking_config={"include_thoughts": True})
        (candidate,) = response.candidates
        assert [(part.text, part.thought) for part in candidate.content.parts] == [
            ("thought on why?", True), ("answer ", False), ("to why?", False),
        ]  # fmt: skip
        assert candidate.finish_reason.name == "STOP"
        usage = response.usage_metadata
        assert (usage.prompt_token_count, usage.candidates_token_count, usage.thoughts_token_count) == (
            11,
            20,
            30,
        )
        assert usage.total_token_count == 61
        assert call(library, max_output_tokens=5).candidates[0].finish_reason.name == "MAX_TOKENS"
        blocked = call(library, text="a forbidden question")
        assert blocked.prompt_feedback.block_reason.name == "PROHIBITED_CONTENT"
        assert not blocked.candidates
        for text, finish in (("recite", "RECITATION"), ("unsafe", "SAFETY"), ("other", "OTHER")):
            assert call(library, text=text).candidates[0].finish_reason.name == finish
        with pytest.raises(BadRequest, match="supported range is from 1"):
            call(library, max_output_tokens=9000)
        with pytest.raises(NotFound, match="models/none is not found"):
            call(library, model="none")
    with serving(GeminiApi(Faults(1.0, ("429",))).app) as root, pytest.raises(TooManyRequests):
        call(client(root))


@pytest.mark.parametrize(
    "request_",
    [
        Request([{"role": "user", "content": "2 + 2?"}], "gemini-new"),
        Request(
            [
                {"role": "system", "content": "Be exact."},
                {"role": "user", "content": "2 + 2?"},
                {"role": "assistant", "content": "5"},
                {"role": "user", "content": "Again."},
            ],
            "gemini-new", temperature=1.7, top_p=0.9, seed=2**40, stop=("END", "\n"), max_tokens=4096,
            response_schema={"type": "object", "properties": {"answer": {"type": "string"}}},
            extra={**THINKING, "topK": 20, "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}]},
        ),
    ],
)  # fmt: skip
def test_bodies_are_those_of_the_published_types(request_: Request) -> None:
    """Every field is one of the API's protocol buffers, with a value of its type."""
    sent = orjson.loads(body(request_, OPEN))
    json_format.ParseDict(sent, google.GenerateContentRequest.pb(google.GenerateContentRequest()))


def test_the_body_keeps_what_the_request_says() -> None:
    messages = [{"role": "system", "content": "Be exact."}, {"role": "user", "content": "2 + 2?"}]
    request = Request(
        messages, "gemini-new", temperature=1.7, top_p=0.9, stop=("END",), max_tokens=900, seed=4,
        extra={"generationConfig": THINKING, "topK": 20, "serviceTier": "flex"}, response_schema={"type": "object"},
    )  # fmt: skip
    assert orjson.loads(body(request, OPEN)) == {
        "contents": [{"role": "user", "parts": [{"text": "2 + 2?"}]}],
        "systemInstruction": {"parts": [{"text": "Be exact."}]},
        "serviceTier": "flex",
        "generationConfig": {
            "maxOutputTokens": 900, "temperature": 1.7, "topP": 0.9, "topK": 20, "seed": 4, "stopSequences": ["END"],
            "responseMimeType": "application/json", "responseJsonSchema": {"type": "object"}, **THINKING,
        },
    }  # fmt: skip
    assert path("gemini-new") == path("models/gemini-new") == "/models/gemini-new:generateContent"
    assert path("tunedModels/mine") == "/tunedModels/mine:generateContent"


@pytest.mark.parametrize("name", ["temperature", "top_p", "seed", "stop", "response_format"])
def test_a_refused_field_is_left_out(name: str) -> None:
    from dataclasses import replace

    request = Request(
        [{"role": "user", "content": "2 + 2?"}],
        "m",
        seed=1,
        stop=("END",),
        response_schema={"type": "object"},
    )
    whole = orjson.loads(body(request, OPEN))["generationConfig"]
    less = orjson.loads(body(request, replace(OPEN, without=frozenset([name]))))["generationConfig"]
    gone = {
        "temperature": {"temperature"}, "top_p": {"topP"}, "seed": {"seed"}, "stop": {"stopSequences"},
        "response_format": {"responseMimeType", "responseJsonSchema"},
    }  # fmt: skip
    assert whole.keys() - less.keys() == gone[name]


def test_blocked_and_filtered_answers_are_the_models(ledger: Ledger) -> None:
    api = GeminiApi()
    with serving(api.app) as root:
        texts = ["a forbidden question", "recite it", "unsafe", "fine"]
        completions, stats = run(ledger, endpoint("gemini", root), asked("gemini", *texts))
        assert [done.kind for done in completions] == [Failure.CONTENT_FILTER] * 3 + [None]
        assert completions[0].usage.prompt_tokens == 11
        assert stats.calls == 4
        (done,), _ = run(ledger, endpoint("gemini", root), asked("gemini", "some other end"))
    assert done.kind is Failure.MALFORMED  # OTHER is an error of the endpoint, which is retried
    assert len(api.bodies) == 4 + 3


def test_models_are_listed_with_and_without_their_folder(ledger: Ledger) -> None:
    with serving(GeminiApi().app) as root:
        for model in ("gemini-new", "models/gemini-new"):
            end = Endpoint("teacher", model, [f"{root}/v1beta"], api="gemini", api_key=SecretStr(KEY))
            with Engine(end, ledger, QUICK) as engine:
                assert "gemini-old" in engine.check()
                assert (
                    next(iter(engine.run([Request([{"role": "user", "content": "why?"}], model)]))).text
                    == "answer to why?"
                )
        end = Endpoint("teacher", "gemini-none", [f"{root}/v1beta"], api="gemini", api_key=SecretStr(KEY))
        with (
            Engine(end, ledger, QUICK) as engine,
            pytest.raises(EndpointError, match="does not serve gemini-none"),
        ):
            engine.check()


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"promptTokenCount": 10, "candidatesTokenCount": 5, "thoughtsTokenCount": 7}, (10, 12, False)),
        ({"promptTokenCount": 10, "totalTokenCount": 10}, (10, 0, False)),
        ({"promptTokenCount": 10, "totalTokenCount": 25}, (10, 15, False)),
        ({"promptTokenCount": 10, "toolUsePromptTokenCount": 3, "candidatesTokenCount": 5}, (13, 5, False)),
        ({"candidatesTokenCount": 5}, None),
        ({"promptTokenCount": "many"}, None),
    ],
)
def test_usage_includes_the_thinking(usage: dict[str, Any], tokens: tuple[int, int, bool] | None) -> None:
    raw = {
        "candidates": [{"content": {"parts": [{"text": "4"}]}, "finishReason": "STOP"}],
        "usageMetadata": usage,
    }
    request = Request([{"role": "user", "content": "2 + 2?"}], "m")
    stated = read(request, request.key(), 200, orjson.dumps(raw)).completion.usage
    if tokens is None:
        assert stated.estimated
    else:
        assert (stated.prompt_tokens, stated.completion_tokens, stated.estimated) == tokens


@pytest.mark.parametrize(
    "data",
    [
        {"candidates": []},
        {"candidates": {}, "promptFeedback": {}},
        {"candidates": [None]},
        {"candidates": [{"content": "text", "finishReason": 7}]},
        {"candidates": [{"content": {"parts": [3, {"text": 4}, {"functionCall": {}}]}}], "usageMetadata": []},
        {"candidates": [{"content": {"parts": [{"text": "so", "thought": True}]}, "finishReason": "STOP"}]},
    ],
)
def test_hostile_responses_have_an_outcome(data: dict[str, Any]) -> None:
    request = Request([{"role": "user", "content": "2 + 2?"}], "m")
    assert read(request, request.key(), 200, orjson.dumps(data)).outcome in (
        CallOutcome.EMPTY,
        CallOutcome.MALFORMED,
    )


def test_only_a_wrong_key_has_another_status() -> None:
    assert stated_status({"error": {"code": 400, "details": [{"reason": "API_KEY_INVALID"}]}}) == 401
    for error in ("no", {"code": 400}, {"details": "no"}, {"details": [3, {"reason": "OTHER"}]}):
        assert stated_status({"error": error}) is None
    assert as_chat({"error": {"code": 400}}) is None
