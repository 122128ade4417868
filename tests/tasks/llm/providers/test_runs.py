"""Whole runs through the fakes of Gemini and Bedrock: faults, thinking, truncation, costs, and where the key appears."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from storage.ledger import Ledger
from tasks.llm.endpoint import Endpoint, EndpointError, EngineLimits
from tasks.llm.engine import Engine
from tasks.llm.recording import first_answer, usage_of
from tasks.llm.request import Completion, Failure, Request, request_of
from tasks.llm.sampling import Sampling
from tests.tasks.llm.providers import bedrock_api, gemini_api
from tests.tasks.llm.providers.fakes import KEY, Faults, serving

QUICK = EngineLimits(deadline=20.0, backoff=0.01, backoff_cap=0.05, breaker_cooloff=0.02, connect=2.0)
WRONG = "wrong-5f2c9b7de1-4a7d"


@dataclass(frozen=True)
class Provider:
    """A provider: its fake, the path of its base URL, a model that thinks with `thinking` in EXTRA, and the tokens of a
    prompt, of the thinking and of an answer."""

    api: Any
    base: str
    model: str
    thinking: dict[str, Any]
    prompt: int
    thoughts: int = 30
    answer: int = 20


PROVIDERS = {
    "gemini": Provider(
        gemini_api.GeminiApi, "/v1beta", "gemini-new", {"thinkingConfig": {"includeThoughts": True}}, gemini_api.PROMPT
    ),
    "bedrock": Provider(
        bedrock_api.BedrockApi, "", bedrock_api.PROFILE, {"thinking": {"type": "enabled", "budget_tokens": 4000}},
        bedrock_api.PROMPT + bedrock_api.CACHED,
    ),
}  # fmt: skip


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite") as opened:
        yield opened


@pytest.fixture(params=PROVIDERS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def endpoint(name: str, root: str, *, key: str = KEY, **more: Any) -> Endpoint:
    provider = PROVIDERS[name]
    more = {"price_in": 3.0, "price_out": 15.0} | more
    return Endpoint(
        "teacher", provider.model, [root + provider.base], api=name, api_key=SecretStr(key), **more
    )


def asked(name: str, *texts: str, **more: Any) -> list[Request]:
    system = {"role": "system", "content": "Be exact."}
    settings: dict[str, Any] = {
        "temperature": 0.7,
        "seed": 2**40 + 3,
        "stop": ("END",),
        "max_tokens": 8000,
    } | more
    messages = [[system, {"role": "user", "content": text}] for text in texts]
    return [Request(message, PROVIDERS[name].model, tag="test", **settings) for message in messages]


def run(ledger: Ledger, end: Endpoint, requests: list[Request]) -> tuple[list[Completion], Any]:
    with Engine(end, ledger, QUICK) as engine:
        return list(engine.run([end.sampling.applied(request) for request in requests])), engine.stats()


@pytest.mark.slow
def test_faults_cost_no_answer_and_a_rerun_asks_nothing(name: str, ledger: Ledger) -> None:
    provider = PROVIDERS[name]
    api = provider.api(Faults(0.1))
    texts = [f"question {number}" for number in range(200)]
    with serving(api.app) as root:
        end = endpoint(name, root, sampling=Sampling(extra=provider.thinking))
        first, stats = run(ledger, end, asked(name, *texts))
        assert [(done.text, done.error) for done in first] == [(f"answer to {text}", None) for text in texts]
        assert [done.reasoning for done in first] == [f"thought on {text}" for text in texts]
        received = provider.thoughts + provider.answer
        assert {(done.usage.prompt_tokens, done.usage.completion_tokens) for done in first} == {
            (provider.prompt, received)
        }
        assert not any(done.usage.estimated for done in first)
        cost = (provider.prompt * 3 + received * 15) / 1e6
        assert [done.cost for done in first] == pytest.approx([cost] * len(texts))
        assert set(api.faults.met) == {"429", "529", "500", "broken", "cut"}
        # further retries are the calls that a temperature was refused to
        assert stats.retries >= sum(api.faults.met.values()) >= 10
        assert f"sent in the wire format {name}" in stats.dialect
        ledger.flush()
        stored = [item for item in ledger.every() if item.call.status == 200]
        assert len(stored) == api.faults.started == 200 + api.faults.met["broken"] + api.faults.met["cut"]
        before = len(api.bodies)
        again, stats = run(ledger, end, asked(name, *texts))
        assert (len(api.bodies), stats.calls) == (before, 0)
        assert [(done.text, done.reasoning, done.cached, done.cost) for done in again] == [
            (done.text, done.reasoning, True, done.cost) for done in first
        ]


def test_stored_bytes_are_read_without_knowing_the_format(name: str, ledger: Ledger) -> None:
    provider = PROVIDERS[name]
    with serving(provider.api().app) as root:
        end = endpoint(name, root, sampling=Sampling(extra=provider.thinking))
        (done,), _ = run(ledger, end, asked(name, "why?"))
    ledger.flush()
    (item,) = [item for item in ledger.every() if item.call.status == 200]
    assert b'"choices"' not in item.call.raw  # the provider's own bytes
    request = request_of(item.call.request)
    assert item.call.key == request.key()  # which depends on no format
    read_again = first_answer([item], request, item.call.key, end.names)
    assert read_again is not None
    assert (
        (read_again.text, read_again.reasoning)
        == (done.text, done.reasoning)
        == ("answer to why?", "thought on why?")
    )
    assert usage_of(item).completion_tokens == provider.thoughts + provider.answer


@pytest.mark.parametrize("most", [15, 40])
def test_a_truncated_answer_is_asked_once_more_with_its_longer_limit(
    most: int, name: str, ledger: Ledger
) -> None:
    """15 tokens end in the answer, and with thinking 40 do too; 15 with thinking end before there is any text."""
    provider = PROVIDERS[name]
    thinks = name == "gemini"  # the smallest thinking budget of Bedrock's model is greater than either limit
    api = provider.api()
    limits = [most, 4000] if thinks else [most // 3, 4000]
    request = asked(
        name, "why?", max_tokens=limits[0], longer=4000, extra=provider.thinking if thinks else {}
    )
    with serving(api.app) as root:
        (done,), _ = run(ledger, endpoint(name, root), request)
        again, stats = run(ledger, endpoint(name, root), request)
    sent = [body.get("generationConfig") or body.get("inferenceConfig") for body in api.bodies]
    if thinks and most == 15:
        limits[1] = (
            8192  # a model that was still thinking gets more than `longer`, here all that it can write
        )
    assert [config.get("maxOutputTokens") or config.get("maxTokens") for config in sent] == limits
    assert (done.text, done.reasoning != "", done.error) == ("answer to why?", thinks, None)
    assert done.truncated_tokens == limits[0]
    assert (again[0].text, again[0].cached, stats.calls) == (done.text, True, 0)


def test_the_most_that_the_model_writes_is_learnt(name: str, ledger: Ledger) -> None:
    provider = PROVIDERS[name]
    api = provider.api()
    with serving(api.app) as root:
        requests = asked(name, *(f"question {number}" for number in range(40)), max_tokens=32768)
        completions, stats = run(ledger, endpoint(name, root), requests)
    assert {done.error for done in completions} == {None}
    assert any(note.startswith("at most 819") for note in stats.dialect)
    assert [done.key for done in completions] == [request.key() for request in requests]


def test_a_prompt_that_is_too_long_is_an_answer(name: str, ledger: Ledger) -> None:
    with serving(PROVIDERS[name].api().app) as root:
        for cached in (False, True):
            (done,), _ = run(ledger, endpoint(name, root), asked(name, "a long context"))
            assert (done.kind, done.cached) == (Failure.CONTEXT_LENGTH, cached)


def test_a_refused_field_is_named_with_its_setting(name: str, ledger: Ledger) -> None:
    with serving(PROVIDERS[name].api().app) as root:
        end = endpoint(name, root, sampling=Sampling(extra={"reasoning_effort": "high"}))
        with pytest.raises(EndpointError, match=r"'reasoning_effort' of MATHMILL_TEACHER__EXTRA.*Fix: "):
            run(ledger, end, asked(name, *(f"question {number}" for number in range(30))))


def test_a_wrong_key_stops_the_run_and_is_in_no_message_log_or_ledger(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    errors = []
    with serving(PROVIDERS[name].api().app) as root, Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        end = endpoint(name, root, key=WRONG)
        with Engine(end, ledger, QUICK) as engine:
            for call in (engine.check, lambda: list(engine.run(asked(name, "why?")))):
                try:
                    call()
                except EndpointError as error:
                    errors.append(str(error))
    assert "MATHMILL_TEACHER__API_KEY" in errors[-1]
    if name == "gemini":  # Bedrock lists its models at another host
        assert len(errors) == 2
    on_disk = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for start in range(len(WRONG) - 7):
        part = WRONG[start : start + 8]
        assert part not in " ".join(errors) + caplog.text + repr(end)
        assert part.encode() not in on_disk


def test_a_key_in_an_answer_is_removed_and_the_answer_kept(name: str, ledger: Ledger) -> None:
    with serving(PROVIDERS[name].api().app) as root:
        question = "is {} the key that you were given for all of these questions of mine?"
        (done,), _ = run(ledger, endpoint(name, root), asked(name, question.format(KEY)))
    assert done.text == "answer to " + question.format("***")
    ledger.flush()
    assert all(KEY.encode() not in item.call.raw for item in ledger.every())
