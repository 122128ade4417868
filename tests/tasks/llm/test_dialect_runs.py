"""Whole runs through endpoints that refuse a limit, only stream, or refuse a further field, and through Azure's."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import openai
import orjson
import pytest
from pydantic import SecretStr

from storage.ledger import Ledger
from tasks.llm.endpoint import Endpoint, EndpointError
from tasks.llm.engine import Engine
from tasks.llm.request import Failure, Request
from tasks.llm.sampling import Sampling
from tasks.llm.transport import AsgiTransport
from tests.tasks.llm.test_endpoints import (
    END,
    KEY,
    QUICK,
    Answer,
    Server,
    good,
    ledger,
    questions,
    refused,
    run,
)

__all__ = ["ledger"]  # a fixture


def test_the_most_that_a_model_writes_is_learnt_once(ledger: Ledger) -> None:
    def policy(asked: dict[str, Any], _: int) -> Answer:
        if asked["max_tokens"] > 16384:
            sent = asked["max_tokens"]
            return refused(
                f"max_tokens is too large: {sent}. This model supports at most 16384 completion tokens, whereas you "
                f"provided {sent}."
            )
        return good()

    server, requests = Server(policy), questions(60, max_tokens=32768)
    completions, stats = run(server, ledger, requests)
    assert {(c.text, c.error) for c in completions} == {("10", None)}
    assert [c.key for c in completions] == [request.key() for request in requests]
    assert stats.dialect == ("at most 16384 tokens per answer",)
    assert {asked["max_tokens"] for asked in server.sent} == {32768, 16384}
    assert stats.calls == 60
    assert len(server.sent) <= 60 + 16
    again, stats = run(server, ledger, requests)
    assert all(c.cached for c in again)
    assert stats.calls == 0


def vllm(window: int, *, exact: bool) -> Server:
    """A server whose context window holds `window` tokens, one per character of the prompt."""

    def policy(asked: dict[str, Any], _: int) -> Answer:
        prompt, sent = sum(len(message["content"]) for message in asked["messages"]), asked["max_tokens"]
        if prompt + sent <= window:
            return good(usage={"prompt_tokens": prompt, "completion_tokens": 5})
        if exact:
            return refused(
                f"'max_tokens' or 'max_completion_tokens' is too large: {sent}. This model's maximum context length is "
                f"{window} tokens and your request has {prompt} input tokens ({sent} > {window} - {prompt}). None"
            )
        counted = window - sent + 1 if prompt < window else window + 1
        shown = sent if prompt < window else 0
        return refused(
            f"This model's maximum context length is {window} tokens. However, you requested {shown} output tokens and your "
            f"prompt contains at least {counted} input tokens, for a total of at least {window + 1} tokens. Please reduce "
            "the length of the input prompt or the number of requested output tokens."
        )

    return Server(policy)


@pytest.mark.parametrize("exact", [True, False])
def test_an_answer_gets_what_the_prompt_leaves_and_a_prompt_without_room_fails(
    exact: bool, ledger: Ledger
) -> None:
    server = vllm(4096, exact=exact)
    # text without spaces has more tokens than are estimated
    requests = [
        Request([{"role": "user", "content": "x" * length}], "m", max_tokens=4000)
        for length in range(100, 4000, 300)
    ]
    too_long = Request([{"role": "user", "content": "x" * 5000}], "m", max_tokens=4000)
    completions, stats = run(server, ledger, [*requests, too_long])
    assert {(c.text, c.error) for c in completions[:-1]} == {("10", None)}
    assert completions[-1].kind is Failure.CONTEXT_LENGTH
    assert "context window of 4096 tokens" in stats.dialect
    if exact:
        assert len(server.sent) <= 3 * len(requests)
    sent = len(server.sent)
    again, _ = run(server, ledger, [*requests, too_long])
    assert all(c.cached for c in again)
    assert again[-1].kind is Failure.CONTEXT_LENGTH
    assert len(server.sent) == sent


def test_an_answer_that_did_not_begin_before_its_limit_is_cut_off_and_no_refusal(ledger: Ledger) -> None:
    def policy(asked: dict[str, Any], _: int) -> Answer:
        if asked["max_tokens"] < 4000:
            return refused(
                "Could not finish the message because max_tokens or model output limit was reached. Please try again with "
                "higher max_tokens."
            )
        return good()

    server = Server(policy)
    longer, short = questions(20, max_tokens=1000, longer=4000), questions(30, max_tokens=1000)[20:]
    completions, stats = run(server, ledger, [*longer, *short])
    assert {(c.text, c.finish_reason, c.error) for c in completions[:20]} == {("10", "stop", None)}
    # what was lost is charged: the thinking that the error does not state
    assert {c.truncated_tokens for c in completions[:20]} == {1000}
    assert {(c.text, c.finish_reason, c.error) for c in completions[20:]} == {("", "length", None)}
    assert all(c.usage.estimated and c.usage.completion_tokens == 1000 for c in completions[20:])
    assert (len(server.sent), stats.calls, stats.failed, stats.dialect) == (50, 50, 0, ())
    again, stats = run(server, ledger, [*longer, *short])
    assert (len(server.sent), stats.calls) == (50, 0)
    assert [(c.text, c.finish_reason) for c in again] == [(c.text, c.finish_reason) for c in completions]


def events(*pieces: str, finish: str | None = "stop", usage: bool = True, done: bool = True) -> bytes:
    def chunk(**fields: Any) -> bytes:
        return b"data: " + orjson.dumps({"id": "x", "model": "m", **fields}) + b"\n\n"

    lines = [chunk(choices=[{"index": 0, "delta": {"role": "assistant", "content": ""}}])]
    lines += [chunk(choices=[{"index": 0, "delta": {"reasoning_content": "Let me see. "}}])]
    lines += [chunk(choices=[{"index": 0, "delta": {"content": piece}}]) for piece in pieces]
    lines += [chunk(choices=[{"index": 0, "delta": {}, "finish_reason": finish}])] if finish else []
    lines += [chunk(choices=[], usage={"prompt_tokens": 10, "completion_tokens": 5})] if usage else []
    return b"".join([*lines, b"data: [DONE]\n\n" if done else b""])


def streaming(answer: bytes, *, options: bool, first: bytes | None = None) -> Server:
    def policy(asked: dict[str, Any], times: int) -> Answer:
        if not asked.get("stream"):
            return refused(
                "This model only support stream mode, please enable the stream parameter to access the model."
            )
        if "stream_options" in asked and not options:
            return refused("Unrecognized request argument supplied: stream_options")
        return 200, first if first is not None and times == 0 else answer

    return Server(policy)


@pytest.mark.parametrize("options", [True, False])
def test_a_server_that_only_streams_is_answered_like_any_other(options: bool, ledger: Ledger) -> None:
    # a line separator inside JSON ends no line of a stream
    server = streaming(events("The answer", "\u2028 is ", "10", usage=options), options=options)
    completions, stats = run(server, ledger, questions(30))
    assert {(c.text, c.reasoning, c.error) for c in completions} == {
        ("The answer\u2028 is 10", "Let me see. ", None)
    }
    assert {c.usage.estimated for c in completions} == {not options}
    assert "answers streamed" in stats.dialect
    assert stats.calls == 30
    again, _ = run(server, ledger, questions(30))
    assert [(c.text, c.reasoning, c.cached) for c in again] == [
        (c.text, c.reasoning, True) for c in completions
    ]


WHOLE = events("The answer is ", "10")


@pytest.mark.parametrize(
    "cut",
    [
        events("The answer", finish=None, usage=False, done=False),
        WHOLE[: WHOLE.index(b"is ")],
        events("The answer", finish=None, usage=False, done=False)
        + b'data: {"error": {"message": "overloaded"}}\n\n',
    ],
)
def test_a_stream_that_was_cut_is_retried_and_charged(cut: bytes, ledger: Ledger) -> None:
    server = streaming(WHOLE, options=True, first=cut)
    completions, stats = run(server, ledger, questions(10, max_tokens=32768))
    assert {(c.text, c.finish_reason) for c in completions} == {("The answer is 10", "stop")}
    assert stats.calls == 20
    # what came of it is charged by its text, not by the bytes of its events
    assert 10 * 5 < stats.completion_tokens < 10 * (5 + 20)


def test_an_error_at_the_start_of_a_stream_is_the_error_that_it_states(ledger: Ledger) -> None:
    limited = b'data: {"error": {"message": "Rate limit reached", "code": 429}}\n\ndata: [DONE]\n\n'
    server = streaming(WHOLE, options=True, first=limited)
    completions, stats = run(server, ledger, questions(5))
    assert {c.text for c in completions} == {"The answer is 10"}
    assert stats.calls == 5


def with_extra(extra: dict[str, Any]) -> Endpoint:
    return Endpoint("critic", "m", sampling=Sampling(extra=extra))


def test_a_refused_further_field_is_named_with_its_setting(ledger: Ledger) -> None:
    server = Server(
        lambda asked, _: (
            refused("Unrecognized request argument supplied: top_k") if "top_k" in asked else good()
        )
    )
    endpoint = with_extra({"min_p": 0.1, "top_k": 20})
    requests = [endpoint.sampling.applied(request) for request in questions(50)]
    with pytest.raises(EndpointError, match=r"'top_k' of MATHMILL_CRITIC__EXTRA.*Unrecognized.*Fix: "):
        run(server, ledger, requests, endpoint)
    assert len(server.sent) <= 16
    assert all("top_k" in asked for asked in server.sent)


def test_a_field_that_was_accepted_before_is_not_blamed(ledger: Ledger) -> None:
    last = "question 19"

    def policy(asked: dict[str, Any], _: int) -> Answer:
        return refused("the user must not ask this") if asked["messages"][-1]["content"] == last else good()

    endpoint = with_extra({"user": "me"})
    requests = [endpoint.sampling.applied(request) for request in questions(20, seed=None, stop=())]
    assert [c.text for c in run(Server(policy), ledger, requests[:19], endpoint)[0]] == ["10"] * 19
    with Engine(endpoint, ledger, QUICK, transports=[AsgiTransport(Server(policy))]) as engine:
        first = list(engine.run([endpoint.sampling.applied(questions(30)[25])]))
        completions = list(engine.run(requests))
    assert first[0].text == "10"
    assert [c.kind for c in completions] == [None] * 19 + [Failure.HTTP]


AZURE = "https://unit.openai.azure.com"


class Azure:
    """Azure OpenAI: one deployment, its key in the header `api-key`, an API version in the query or the path /openai/v1."""

    def __init__(self) -> None:
        self.paths: set[str] = set()
        self.echoed: list[str] = []

    async def __call__(self, scope, receive, send) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        raw = (await receive())["body"]
        self.paths.add(scope["path"])
        if headers.get("api-key") != KEY or "authorization" in headers:
            status, content = (
                401,
                {"error": {"code": "401", "message": f"Access denied: {headers.get('authorization')}"}},
            )
        elif scope["path"].endswith("/models"):
            status, content = 200, {"data": [{"id": "gpt-4o-2024-11-20"}]}
        else:
            question = orjson.loads(raw)["messages"][-1]["content"]
            # a gateway that echoes the headers of a call in its answer
            status, content = good(
                f"{question} with {headers['api-key']}", prompt_filter_results=[], model="deployed-2026"
            )
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(b"content-type", b"application/json")],
            }
        )
        await send({"type": "http.response.body", "body": orjson.dumps(content)})


@pytest.mark.parametrize(
    ("url", "path"),
    [
        (
            f"{AZURE}/openai/deployments/deployed?api-version=2024-10-21",
            "/openai/deployments/deployed/chat/completions",
        ),
        (f"{AZURE}/openai/v1", "/openai/v1/chat/completions"),
    ],
)
def test_azure_takes_its_key_in_its_own_header_and_it_is_stored_nowhere(
    url: str, path: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint = Endpoint("teacher", "deployed", [url], api_key=SecretStr(KEY + "\n"))
    server = Azure()
    with (
        Ledger.open(tmp_path / "ledger.sqlite") as opened,
        Engine(endpoint, opened, QUICK, transports=[AsgiTransport(server, url)]) as engine,
    ):
        assert engine.check() == []  # it lists models, but a call names a deployment
        completions = list(engine.run([Request([{"role": "user", "content": "2 + 2?"}], "deployed")]))
        opened.flush()
        stored = b"".join(item.call.raw for item in opened.every())
    assert completions[0].text == "2 + 2? with ***"
    assert server.paths == {path, path.replace("/chat/completions", "/models")}
    on_disk = b"".join(item.read_bytes() for item in tmp_path.iterdir())
    assert b"2 + 2? with ***" in stored
    for start in range(len(KEY) - 7):
        part = KEY[start : start + 8]
        assert part.encode() not in stored + on_disk
        assert part not in caplog.text + repr(endpoint) + repr(completions)


async def _by_client(server: Azure) -> str | None:
    import httpx

    transport = httpx.ASGITransport(app=server)
    async with openai.AsyncAzureOpenAI(
        azure_endpoint=AZURE,
        api_key=KEY,
        api_version="2024-10-21",
        http_client=httpx.AsyncClient(transport=transport),
    ) as client:
        answer = await client.chat.completions.create(
            model="deployed", messages=[{"role": "user", "content": "2 + 2?"}]
        )
    return answer.choices[0].message.content


def test_the_fake_of_azure_is_one_to_azures_own_client() -> None:
    server = Azure()
    assert (asyncio.run(_by_client(server)) or "").startswith("2 + 2?")
    assert server.paths == {"/openai/deployments/deployed/chat/completions"}


def test_a_deployment_without_an_api_version_is_an_error_that_says_so() -> None:
    with pytest.raises(EndpointError, match=r"MATHMILL_TEACHER__BASE_URL.*Fix: .*api-version"):
        Endpoint("teacher", "d", [f"{AZURE}/openai/deployments/d"])


def test_other_hosts_get_the_key_as_before() -> None:
    assert END.request_headers()["Authorization"] == f"Bearer {KEY}"
    assert "api-key" not in END.request_headers()
