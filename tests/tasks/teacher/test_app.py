"""The protocol, through the real openai client and the in-process transport: replies, errors, streams, counts."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam
from starlette.applications import Starlette

import prompts
from tasks.teacher.app import make_app
from tasks.teacher.character import PERFECT, STRONG, Character
from tasks.teacher.wire import count_tokens

PERFECT_ONE = Character("embedded", PERFECT)
QUESTION: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is 12*7?"}]


def http_of(app: Starlette) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://embedded")


def client_of(app: Starlette, api_key: str = "any", retries: int = 0) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(
        base_url="http://embedded/v1", api_key=api_key, http_client=http_of(app), max_retries=retries
    )


@pytest.fixture
def app() -> Starlette:
    return make_app()


@pytest.fixture
async def http(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    async with http_of(app) as client:
        yield client


async def test_a_question_is_answered_with_usage(app: Starlette) -> None:
    reply = await client_of(make_app(models=[PERFECT_ONE])).chat.completions.create(
        model="embedded", messages=QUESTION
    )
    (choice,) = reply.choices
    assert choice.message.role == "assistant"
    assert choice.finish_reason == "stop"
    assert str(choice.message.content).endswith(r"\boxed{84}")
    assert reply.usage is not None
    assert reply.usage.completion_tokens == count_tokens(str(choice.message.content))
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


async def test_n_samples_are_the_samples_of_their_index(app: Starlette) -> None:
    client = client_of(app)
    many = await client.chat.completions.create(model="embedded", messages=QUESTION, n=8, seed=3)
    few = await client.chat.completions.create(model="embedded", messages=QUESTION, n=3, seed=3)
    texts = [choice.message.content for choice in many.choices]
    assert [choice.index for choice in many.choices] == list(range(8))
    assert len(set(texts)) > 3
    assert [choice.message.content for choice in few.choices] == texts[:3]
    other = await client.chat.completions.create(model="embedded", messages=QUESTION, n=8, seed=4)
    assert [choice.message.content for choice in other.choices] != texts
    greedy = await client.chat.completions.create(
        model="embedded", messages=QUESTION, n=4, seed=4, temperature=0
    )
    assert len({choice.message.content for choice in greedy.choices}) == 1


async def test_max_tokens_cuts_and_says_so(app: Starlette) -> None:
    client = client_of(app)
    whole = (await client.chat.completions.create(model="embedded", messages=QUESTION, seed=1)).choices[0]
    for name in ("max_tokens", "max_completion_tokens"):
        limits: dict[str, Any] = {name: 5}
        reply = await client.chat.completions.create(model="embedded", messages=QUESTION, seed=1, **limits)
        text = str(reply.choices[0].message.content)
        assert str(whole.message.content).startswith(text)
        assert (count_tokens(text), reply.choices[0].finish_reason) == (5, "length")
        assert reply.usage is not None
        assert reply.usage.completion_tokens == 5
    enough = count_tokens(str(whole.message.content))
    same = await client.chat.completions.create(
        model="embedded", messages=QUESTION, seed=1, max_tokens=enough
    )
    assert same.choices[0] == whole


async def test_stop_strings_end_the_text_before_them(app: Starlette) -> None:
    client = client_of(app)
    for stop in ("\\boxed", ["no such text", "\\boxed"]):
        reply = await client.chat.completions.create(model="embedded", messages=QUESTION, seed=2, stop=stop)
        assert "\\boxed" not in str(reply.choices[0].message.content)
        assert reply.choices[0].finish_reason == "stop"


async def test_a_stream_is_the_same_text_with_usage_at_its_end(app: Starlette) -> None:
    client = client_of(app)
    whole = await client.chat.completions.create(model="embedded", messages=QUESTION, seed=5, n=2)
    texts, finishes, usage = ["", ""], [None, None], None
    chunks = 0
    stream = await client.chat.completions.create(
        model="embedded", messages=QUESTION, seed=5, n=2, stream=True, stream_options={"include_usage": True}
    )
    async for chunk in stream:
        chunks += 1
        assert chunk.id == whole.id
        usage = chunk.usage or usage
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            finishes[choice.index] = choice.finish_reason or finishes[choice.index]
    assert texts == [choice.message.content for choice in whole.choices]
    assert finishes == ["stop", "stop"]
    assert usage == whole.usage
    assert chunks > 12


async def test_a_stream_ends_with_done_and_has_no_usage_unasked(http: httpx.AsyncClient) -> None:
    reply = await http.post(
        "/v1/chat/completions", json={"model": "embedded", "messages": QUESTION, "stream": True}
    )
    assert reply.headers["content-type"].startswith("text/event-stream")
    events = reply.text.strip().split("\n\n")
    assert events[-1] == "data: [DONE]"
    records = [json.loads(event.removeprefix("data: ")) for event in events[:-1]]
    assert all("usage" not in record and record["choices"] for record in records)
    assert {record["object"] for record in records} == {"chat.completion.chunk"}


async def test_models_health_and_unknown_paths(app: Starlette, http: httpx.AsyncClient) -> None:
    assert [model.id async for model in client_of(app).models.list()] == ["embedded", "embedded-small"]
    assert (await client_of(app).models.retrieve("embedded")).id == "embedded"
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        await client_of(app).models.retrieve("gpt-9")
    assert (await http.get("/health")).json() == {"status": "ok"}
    for path, status in (("/v1/nothing", 404), ("/v1/chat/completions", 405)):
        reply = await http.get(path)
        assert reply.status_code == status
        assert path in reply.json()["error"]["message"]


BAD: list[tuple[Any, str]] = [
    (b"{", "not valid JSON"),
    (b"\xff\xfe", "not valid JSON"),
    (b"[" * 100_000, "not valid JSON"),
    ([], "must be a JSON object"),
    ({"messages": QUESTION}, "model"),
    ({"model": 3, "messages": QUESTION}, "model"),
    ({"model": "embedded"}, "messages"),
    ({"model": "embedded", "messages": []}, "messages"),
    ({"model": "embedded", "messages": ["hi"]}, "messages[0]"),
    ({"model": "embedded", "messages": [{"role": "robot", "content": "hi"}]}, "messages[0]"),
    ({"model": "embedded", "messages": [{"role": "user", "content": None}]}, "messages[0].content"),
    (
        {"model": "embedded", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        "messages[0]",
    ),
    ({"model": "embedded", "messages": QUESTION, "n": 0}, "n must be"),
    ({"model": "embedded", "messages": QUESTION, "n": 1000}, "n must be"),
    ({"model": "embedded", "messages": QUESTION, "n": True}, "n must be"),
    ({"model": "embedded", "messages": QUESTION, "temperature": 3}, "temperature"),
    ({"model": "embedded", "messages": QUESTION, "temperature": "hot"}, "temperature"),
    ({"model": "embedded", "messages": QUESTION, "max_tokens": 0}, "max_tokens"),
    ({"model": "embedded", "messages": QUESTION, "seed": 1.5}, "seed"),
    ({"model": "embedded", "messages": QUESTION, "stop": [""]}, "stop"),
    ({"model": "embedded", "messages": QUESTION, "stream_options": "yes"}, "stream_options"),
    ({"model": "embedded", "messages": QUESTION, "tools": [{}]}, "tools"),
    ({"model": "embedded", "messages": QUESTION, "response_format": {"type": "xml"}}, "response_format"),
    (
        {"model": "embedded", "messages": QUESTION, "response_format": {"type": "json_schema"}},
        "response_format",
    ),
]


@pytest.mark.parametrize(("body", "words"), BAD)
async def test_bad_requests_are_refused_with_the_reason(
    http: httpx.AsyncClient, body: Any, words: str
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    reply = await http.post("/v1/chat/completions", content=content)
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert words in error["message"]
    assert error["type"] == "invalid_request_error"
    assert (await http.get("/stats")).json()["calls"] == 0


async def test_the_client_raises_what_it_should(app: Starlette) -> None:
    with pytest.raises(
        openai.NotFoundError, match="'gpt-9' does not exist; there are: embedded, embedded-small"
    ):
        await client_of(app).chat.completions.create(model="gpt-9", messages=QUESTION)
    guarded = make_app("s3cret")
    with pytest.raises(openai.AuthenticationError, match="incorrect API key"):
        await client_of(guarded, "wrong").chat.completions.create(model="embedded", messages=QUESTION)
    with pytest.raises(openai.AuthenticationError):
        await client_of(guarded, "wrong").models.list()
    right = await client_of(guarded, "s3cret").chat.completions.create(model="embedded", messages=QUESTION)
    assert right.choices
    with pytest.raises(openai.BadRequestError, match="temperature"):
        await client_of(app).chat.completions.create(model="embedded", messages=QUESTION, temperature=9)


async def test_stats_count_what_was_paid(app: Starlette, http: httpx.AsyncClient) -> None:
    client = client_of(app)
    for seed in (1, 2, 2):
        await client.chat.completions.create(model="embedded", messages=QUESTION, seed=seed, n=2)
    last = await client.chat.completions.create(model="embedded-small", messages=QUESTION)
    with pytest.raises(openai.NotFoundError):
        await client.chat.completions.create(model="other", messages=QUESTION)
    stats = (await http.get("/stats")).json()
    assert (stats["calls"], stats["samples"]) == (4, 7)
    assert stats["by_model"] == {"embedded": 3, "embedded-small": 1}
    assert (stats["distinct_requests"], stats["repeated_requests"]) == (3, 1)
    assert last.usage is not None
    assert stats["prompt_tokens"] == 4 * last.usage.prompt_tokens
    assert (await http_of(make_app()).get("/stats")).json()["calls"] == 0  # an app's counts are its own


async def test_a_busy_server_refuses_once_and_the_clients_retry_succeeds() -> None:
    app = make_app(refuse=1.0)
    with pytest.raises(openai.RateLimitError):
        await client_of(app).chat.completions.create(model="embedded", messages=QUESTION, seed=1)
    reply = await client_of(app, retries=2).chat.completions.create(
        model="embedded", messages=QUESTION, seed=2
    )
    assert reply.choices
    stats = (await http_of(app).get("/stats")).json()
    assert (stats["calls"], stats["refused_requests"]) == (1, 2)


async def test_content_may_come_in_parts_and_after_a_conversation(app: Starlette) -> None:
    client = client_of(make_app(models=[PERFECT_ONE]))
    messages: list[ChatCompletionMessageParam] = [
        {"role": "developer", "content": "You are a helpful assistant."},
        {"role": "user", "content": "What is 1 + 1?"},
        {"role": "assistant", "content": "2"},
        {
            "role": "user",
            "content": [{"type": "text", "text": "And what "}, {"type": "text", "text": "is 20 + 3?"}],
        },
    ]
    reply = await client.chat.completions.create(model="embedded", messages=messages)
    assert str(reply.choices[0].message.content).endswith(r"\boxed{23}")


async def test_forced_json_is_json_of_the_schema() -> None:
    strong = Character("embedded", PERFECT)
    client = client_of(make_app(models=[strong]))
    schema = {
        "type": "object",
        "properties": {
            "reasoning": {"type": "string"},
            "steps": {"type": "array", "items": {"type": "string"}},
            "final_answer": {"type": "integer"},
            "unit": {"enum": ["none", "cm"]},
            "inner": {"$ref": "#/$defs/Inner"},
        },
        "$defs": {
            "Inner": {
                "type": "object",
                "properties": {"sure": {"type": "boolean"}, "answer": {"type": "string"}},
            }
        },
    }
    reply = await client.chat.completions.create(
        model="embedded",
        messages=QUESTION,
        response_format={"type": "json_schema", "json_schema": {"name": "Answer", "schema": schema}},
    )
    record = json.loads(str(reply.choices[0].message.content))
    assert record["final_answer"] == 84
    assert record["steps"]
    assert record["unit"] == "none"
    assert record["inner"] == {"sure": False, "answer": "84"}
    free = await client.chat.completions.create(
        model="embedded", messages=QUESTION, response_format={"type": "json_object"}
    )
    assert "84" in json.loads(str(free.choices[0].message.content))["answer"]


async def test_forced_json_holds_for_the_factorys_own_prompts() -> None:
    client = client_of(make_app(models=[STRONG]))
    for seed in range(40):
        messages: Any = prompts.load("critique").messages(
            question="What is 2 + 2?", solution="2 + 2 = 5\n\\boxed{5}"
        )
        reply = await client.chat.completions.create(
            model="embedded", messages=messages, seed=seed, response_format={"type": "json_object"}
        )
        assert set(json.loads(str(reply.choices[0].message.content))) >= {
            "working",
            "answer_score",
            "clarity",
        }


async def test_nothing_but_the_words_matters(http: httpx.AsyncClient) -> None:
    body = {"model": "embedded", "messages": QUESTION, "seed": 1}
    plain = await http.post("/v1/chat/completions", json=body)
    decorated = await http.post(
        "/v1/chat/completions",
        json={**body, "user": "solve_pot", "metadata": {"prompt": "solve_pot"}, "answer": "85"},
        headers={"X-Prompt": "solve_pot", "User-Agent": "mathmill"},
    )
    assert plain.content == decorated.content


@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1/models/embedded", "/v1/chat/completions", "/health", "/stats", "/", "/nosuch"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "DELETE"])
async def test_a_key_is_asked_for_on_every_path(method: str, path: str) -> None:
    http = http_of(make_app("sk-right"))
    for headers in ({}, {"Authorization": "Bearer sk-wrong"}, {"Authorization": "Basic sk-right"}):
        assert (await http.request(method, path, headers=headers)).status_code == 401
    right = await http.request(method, path, headers={"Authorization": "Bearer sk-right"})
    assert right.status_code != 401
