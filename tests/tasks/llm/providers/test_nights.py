"""Small nights through the wire format of each provider, with faults: rows are published, nothing is paid for twice, and the
key is stored nowhere. The model behind each fake is the embedded teacher. tests/e2e/test_providers.py runs whole flows."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest
from pydantic import SecretStr

from storage.ledger import Ledger
from storage.rows import column
from tasks.answers import Judge
from tasks.llm.endpoint import Endpoint, EngineLimits
from tasks.llm.engine import Engine
from tasks.sandbox import Sandbox
from tests import nights
from tests.tasks.llm.providers.anthropic_api import AnthropicApi
from tests.tasks.llm.providers.bedrock_api import PROFILE, BedrockApi
from tests.tasks.llm.providers.chat_api import DEPLOYMENT, ChatApi
from tests.tasks.llm.providers.fakes import KEY, Faults, embedded_teacher, serving
from tests.tasks.llm.providers.gemini_api import GeminiApi
from tests.tasks.llm.providers.responses_api import ResponsesApi

QUICK = EngineLimits(deadline=20.0, backoff=0.01, backoff_cap=0.05, breaker_cooloff=0.02, connect=2.0)
PRICE_IN, PRICE_OUT = 3.0, 15.0


@dataclass(frozen=True)
class Provider:
    """A provider: how its fake is made, the path of its base URL, the wire format, and the name of a model."""

    api: Callable[[Faults], Any]
    base: str
    form: str
    model: str


def taught(api: Callable[..., Any], **more: Any) -> Callable[[Faults], Any]:
    return lambda faults: api(faults, brain=embedded_teacher, **more)


PROVIDERS = {
    "anthropic": Provider(taught(AnthropicApi), "/v1", "anthropic", "claude-old-1"),
    "responses": Provider(taught(ResponsesApi), "/v1", "responses", "gpt-think"),
    "gemini": Provider(taught(GeminiApi), "/v1beta", "gemini", "gemini-new"),
    "bedrock": Provider(taught(BedrockApi), "", "bedrock", PROFILE),
    "azure": Provider(taught(ChatApi, azure=True), f"{DEPLOYMENT}?api-version=2024-10-21", "azure", "deployed"),
    "streaming": Provider(taught(ChatApi, streams=True), "/v1", "chat", "deployed"),
}  # fmt: skip


def endpoint(provider: Provider, root: str, role: str = "teacher", key: str = KEY) -> Endpoint:
    return Endpoint(
        role, provider.model, [root + provider.base], api=provider.form, api_key=SecretStr(key),
        price_in=PRICE_IN, price_out=PRICE_OUT,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", PROVIDERS)
def test_a_night_through_faults_publishes_rows_and_its_rerun_asks_nothing(
    name: str,
    sandbox: Sandbox,
    judge: Judge,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    provider = PROVIDERS[name]
    api = provider.api(Faults(0.1))
    runs = []
    with serving(api.app) as root:
        for number in range(2):
            with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
                engines = {
                    role: Engine(endpoint(provider, root, role), ledger, QUICK)
                    for role in ("teacher", "reasoner", "critic")
                }
                night = nights.night(
                    tmp_path / f"home-{number}",
                    engine=lambda role="reasoner": engines[role],  # noqa: B023
                    sandbox=sandbox,
                    judge=judge,
                    seed=3,
                )
                for engine in engines.values():
                    engine.close()
                ledger.flush()
                runs.append((night, [engine.stats() for engine in engines.values()], list(ledger.every())))
    (night, stats, stored), (again, after, kept) = runs

    assert night.published.num_rows >= 10
    assert set(column(night.published, "model")) == {provider.model}
    assert sum(api.faults.met.values()) >= 1
    # every answer that began is in the ledger, and is charged as stated, or by its length where nothing was stated
    answers = [item for item in stored if item.call.status == 200]
    assert len(answers) == api.faults.started
    stated = [item for item in answers if not item.estimated]
    assert sum(item.prompt_tokens for item in stated) == api.faults.sent
    assert sum(item.completion_tokens for item in stated) == api.faults.received
    for item in answers:
        cost = (item.prompt_tokens * PRICE_IN + item.completion_tokens * PRICE_OUT) / 1e6
        assert item.cost == pytest.approx(cost)
    assert sum(one.cost_usd for one in stats) == pytest.approx(sum(item.cost for item in stored))

    assert again.version.digest == night.version.digest
    assert [one.calls for one in after] == [0, 0, 0]
    assert len(kept) == len(stored)

    printed = capfd.readouterr()
    texts = [caplog.text, printed.out, printed.err, *(str(engine.endpoint) for engine in engines.values())]
    texts += [path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file()]
    texts += [item.call.raw.decode("latin-1") + item.call.request.decode("latin-1") for item in stored]
    for start in range(len(KEY) - 7):
        assert not [text[:80] for text in texts if KEY[start : start + 8] in text]


def test_the_client_library_reads_the_fake_of_chat_completions() -> None:
    turns: Any = [{"role": "user", "content": "What is 2 + 2?"}]
    with serving(ChatApi(streams=True).app) as root:
        client = openai.OpenAI(base_url=f"{root}/v1", api_key=KEY, max_retries=0)
        with pytest.raises(openai.BadRequestError, match="stream mode"):
            client.chat.completions.create(model="m", messages=turns)
        events = client.chat.completions.create(
            model="m", messages=turns, stream=True, stream_options={"include_usage": True}
        )
        pieces = list(events)
        streamed = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
        assert pieces[-1].usage is not None
    with serving(ChatApi(azure=True).app) as root:
        azure = openai.AzureOpenAI(
            azure_endpoint=root,
            api_key=KEY,
            api_version="2024-10-21",
            max_retries=0,
            azure_deployment="deployed",
        )
        assert azure.chat.completions.create(model="m", messages=turns).choices[0].message.content == streamed
        wrong = azure.with_options(api_key="another")
        with pytest.raises(openai.AuthenticationError):
            wrong.chat.completions.create(model="m", messages=turns)
