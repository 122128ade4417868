"""Published prices, what settings make of them, and what calls cost by them."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import SecretStr

from flows.runner.night_inputs import unpriced
from flows.settings import Role, Settings
from storage.ledger import Ledger
from tasks.llm import prices
from tasks.llm.endpoint import Endpoint
from tasks.llm.engine import Engine
from tasks.llm.prices import TokenPrices, published
from tasks.llm.recording import usage_of
from tasks.llm.request import Request, Usage
from tasks.llm.wire import read
from tests.tasks.llm.providers.anthropic_api import AnthropicApi
from tests.tasks.llm.providers.fakes import KEY, serving

REQUEST = Request([{"role": "user", "content": "2 + 2?"}], "m", max_tokens=5000)
USAGE = Usage(1_000_000, 100_000, cached_tokens=600_000, written_tokens=300_000)


def test_every_entry_of_the_file_is_a_price() -> None:
    groups = tomllib.loads(prices.FILE.read_text())
    assert date.fromisoformat(groups.pop("date")) <= date.today()
    names = [entry["name"] for group in groups.values() for entry in group["models"]]
    assert len(names) == len(set(names)) > 50
    for group in groups.values():
        assert group["source"].startswith("https://")
        assert 0 < group.get("batch", 0.5) < 1
        for entry in group["models"]:
            assert entry.keys() <= {"name", "in", "out", "read", "write"}
            assert 0 < entry.get("read", 0.001) < entry["in"] < entry["out"]
            assert entry["in"] < entry.get("write", entry["in"] + 1) <= 2 * entry["in"] + 1


@pytest.mark.parametrize(
    ("model", "url", "prompt"),
    [
        ("claude-opus-5", "https://api.anthropic.com/v1", 5),
        ("claude-sonnet-4-5-20250929", "https://api.anthropic.com/v1", 3),
        ("anthropic/claude-opus-5", "https://openrouter.ai/api/v1", 5),
        ("gpt-5-mini-2025-08-07", "https://api.openai.com/v1", 0.25),
        ("gpt-5-mini", "https://unit.openai.azure.com/openai/v1", 0.25),
        ("models/gemini-2.5-flash", "https://generativelanguage.googleapis.com/v1beta", 0.3),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "https://bedrock-runtime.us-east-1.amazonaws.com", 1.1),
        ("global.anthropic.claude-haiku-4-5-20251001-v1:0", "https://bedrock-runtime.us-east-1.amazonaws.com", 1),
        ("deepseek-v4-pro", "https://api.deepseek.com/v1", 0.435),
        ("deepseek-v4-pro", "http://gpu-7:8000/v1", None),  # one's own server
        ("gpt-5-mini-of-mine", "https://api.openai.com/v1", None),
        ("gpt", "https://api.openai.com/v1", None),
    ],
)  # fmt: skip
def test_a_model_is_found_by_its_name(model: str, url: str, prompt: float | None) -> None:
    price = published(model, (url,))
    assert (price.prompt if price else None) == prompt


def test_cached_tokens_have_prices_of_their_own() -> None:
    price = TokenPrices(5.0, 25.0, cached=0.5, written=6.25)
    assert price.cost(USAGE) == pytest.approx(0.1 * 5 + 0.6 * 0.5 + 0.3 * 6.25 + 0.1 * 25)
    assert price.batched().cost(USAGE) == pytest.approx(price.cost(USAGE) / 2)
    assert TokenPrices(5.0, 25.0).cost(USAGE) == pytest.approx(5 + 2.5)
    # what is held against a budget is enough whatever is cached
    assert price.most(1_000_000, 100_000) == pytest.approx(6.25 + 2.5)
    assert price.most(1_000_000, 100_000) > price.cost(USAGE)


def endpoint(model: str, **more: Any) -> Endpoint:
    return Endpoint("teacher", model, ["https://api.anthropic.com/v1"], api="anthropic", **more)


def test_settings_replace_published_prices_one_by_one() -> None:
    assert endpoint("claude-opus-5").price == TokenPrices(5, 25, 0.5, 6.25)
    # those of cached tokens stay in proportion
    assert endpoint("claude-opus-5", price_in=2.5).price == TokenPrices(2.5, 25, 0.25, 3.125)
    assert endpoint("claude-opus-5", price_cached=1, price_cache_write=2).price == TokenPrices(5, 25, 1, 2)
    assert endpoint("claude-opus-5", price_in=0, price_out=0).price == TokenPrices(0, 0, 0, 0)
    assert endpoint("unknown").price == TokenPrices()
    assert endpoint("unknown", price_in=3, price_out=4, price_cached=0.3).price == TokenPrices(3, 4, 0.3)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        # OpenAI: chat completions and Responses; cached tokens are among those of the prompt
        (
            {"prompt_tokens": 100, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 64}},
            (100, 9, 64, 0),
        ),
        (
            {"input_tokens": 100, "output_tokens": 9, "input_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 20}},
            (100, 9, 64, 20),
        ),
        # DeepSeek, Moonshot
        (
            {"prompt_tokens": 100, "completion_tokens": 9, "prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36},
            (100, 9, 64, 0),
        ),
        ({"prompt_tokens": 100, "completion_tokens": 9, "cached_tokens": 64}, (100, 9, 64, 0)),
        # the thinking is part of the completion, which xAI states apart
        (
            {"prompt_tokens": 100, "completion_tokens": 409, "total_tokens": 509, "completion_tokens_details": {"reasoning_tokens": 400}},
            (100, 409, 0, 0),
        ),
        (
            {"prompt_tokens": 100, "completion_tokens": 9, "total_tokens": 509, "completion_tokens_details": {"reasoning_tokens": 400}},
            (100, 409, 0, 0),
        ),
        # nonsense costs no more than the prompt
        ({"prompt_tokens": 100, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 640, "cache_write_tokens": 5}}, (100, 9, 100, 0)),
        ({"prompt_tokens": 100, "completion_tokens": 9, "prompt_tokens_details": [64]}, (100, 9, 0, 0)),
    ],
)  # fmt: skip
def test_usage_of_chat_completions(usage: dict[str, Any], expected: tuple[int, ...]) -> None:
    answer = {"choices": [{"message": {"content": "4"}, "finish_reason": "stop"}], "usage": usage}
    read_usage = read(REQUEST, "key", 200, orjson.dumps(answer)).completion.usage
    assert (
        read_usage.prompt_tokens,
        read_usage.completion_tokens,
        read_usage.cached_tokens,
        read_usage.written_tokens,
    ) == expected
    assert not read_usage.estimated


ANSWERS = {
    "anthropic": (
        {"type": "message", "model": "m", "content": [{"type": "text", "text": "4"}], "stop_reason": "end_turn",
         "usage": {"input_tokens": 10, "cache_creation_input_tokens": 30, "cache_read_input_tokens": 60, "output_tokens": 9}},
        (100, 9, 60, 30),
    ),
    "gemini": (
        {"candidates": [{"content": {"parts": [{"text": "4"}]}, "finishReason": "STOP"}],
         "usageMetadata": {"promptTokenCount": 100, "cachedContentTokenCount": 60, "candidatesTokenCount": 9,
                           "thoughtsTokenCount": 400, "totalTokenCount": 509}},
        (100, 409, 60, 0),
    ),
    "bedrock": (
        {"output": {"message": {"content": [{"text": "4"}]}}, "stopReason": "end_turn",
         "usage": {"inputTokens": 10, "cacheReadInputTokens": 60, "cacheWriteInputTokens": 30, "outputTokens": 9}},
        (100, 9, 60, 30),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_usage_of_other_formats(name: str) -> None:
    answer, expected = ANSWERS[name]
    usage = read(REQUEST, "key", 200, orjson.dumps(answer)).completion.usage
    assert (
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.cached_tokens,
        usage.written_tokens,
    ) == expected


def test_the_ledger_has_the_cost_of_cached_tokens(tmp_path: Path) -> None:
    api = AnthropicApi()  # of 10 prompt tokens, 4 are read from the cache and 3 written to it
    prices_ = {"price_in": 3.0, "price_out": 15.0, "price_cached": 0.3, "price_cache_write": 3.75}
    with serving(api.app) as root, Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        end = Endpoint(
            "teacher", "claude-old-1", [f"{root}/v1"], api="anthropic", api_key=SecretStr(KEY), **prices_
        )
        request = Request([{"role": "user", "content": "why?"}], "claude-old-1")
        with Engine(end, ledger) as engine:
            (done,) = engine.run([request])
            (again,) = engine.run([request])
        ledger.flush()
        (item,) = [item for item in ledger.every() if item.call.status == 200]
    cost = (3 * 3 + 4 * 0.3 + 3 * 3.75 + 20 * 15) / 1e6
    assert (done.usage.cached_tokens, done.usage.written_tokens) == (4, 3)
    assert done.cost == again.cost == item.cost == pytest.approx(cost)
    # a process that was killed before it read the answer leaves it to the next one
    assert usage_of(replace(item, outcome=None), (), end.price).cost == pytest.approx(cost)
    # and one that has no settings for the model has the published proportions
    unread = replace(item, outcome=None, call=replace(item.call, model="claude-sonnet-4-6"))
    assert usage_of(unread).cost == pytest.approx(cost)


def settings(**roles: Role) -> Settings:
    return Settings(_env_file=None, **roles)


def test_an_unknown_price_is_said_once_with_its_fix() -> None:
    there = {"base_url": ("https://gateway.example.org/v1",)}
    text = unpriced(["teacher", "reasoner"], settings(teacher=Role(model="new-model", **there)))
    assert text.startswith("No price is known for new-model, the teacher")
    assert "Fix: set MATHMILL_TEACHER__PRICE_IN and MATHMILL_TEACHER__PRICE_OUT" in text
    assert "\n" not in text
    both = unpriced(
        ["teacher", "critic"],
        settings(teacher=Role(model="new-model", **there), critic=Role(model="newer", **there)),
    )
    assert both.count("Fix: ") == 2


@pytest.mark.parametrize(
    "role",
    [
        Role(),  # the embedded teacher
        Role(model="claude-opus-5", base_url=("https://api.anthropic.com/v1",), api="anthropic"),
        Role(model="new-model", base_url=("https://gateway.example.org/v1",), price_in=0, price_out=0),
        Role(model="qwen", base_url=("http://127.0.0.1:8000/v1",)),
        Role(model="qwen", base_url=("http://10.0.0.7:8000/v1", "http://gpu-8:8000/v1")),
    ],
)
def test_known_prices_and_own_machines_are_no_matter(role: Role) -> None:
    assert unpriced(["teacher", "reasoner"], settings(teacher=role)) == ""
