"""Every wire format fulfils the contract, and an answer is recognised by one format only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from pydantic import SecretStr

from flows.settings import Role, Settings
from prompts.schemas import json_schema, keys_of
from tasks.llm import providers
from tasks.llm.dialect import OPTIONAL, adapted
from tasks.llm.endpoint import Endpoint, EndpointError
from tasks.llm.request import ErrorObject, Request
from tasks.llm.wire import is_name
from tests.tasks.llm.providers.anthropic_api import AnthropicApi
from tests.tasks.llm.providers.bedrock_api import BedrockApi
from tests.tasks.llm.providers.gemini_api import GeminiApi
from tests.tasks.llm.providers.responses_api import ResponsesApi

REQUEST = Request(
    [{"role": "system", "content": "Be exact."}, {"role": "user", "content": "2 + 2?"}], "m", max_tokens=300,
    temperature=0.5, top_p=0.9, seed=3, stop=("END",), response_schema={"type": "object"},
)  # fmt: skip
ANSWERS: dict[str, dict[str, Any]] = {
    "chat": {"choices": [{"message": {"content": "4"}, "finish_reason": "stop"}]},
    "anthropic": AnthropicApi().answer({"model": "m", "messages": REQUEST.messages, "max_tokens": 300}),
    "responses": ResponsesApi().answer({"model": "m", "input": REQUEST.messages, "max_output_tokens": 300}),
    "azure": {"choices": [{"message": {"content": "4"}, "finish_reason": "stop"}]},
    "bedrock": BedrockApi().answer(orjson.loads(providers.wire_format("bedrock").body(REQUEST, providers.dialect_of("bedrock")))),
    "gemini": GeminiApi().answer("m", orjson.loads(providers.wire_format("gemini").body(REQUEST, providers.dialect_of("gemini")))),
}  # fmt: skip


@pytest.mark.parametrize("name", providers.known())
def test_a_format_fulfils_the_contract(name: str) -> None:
    form = providers.wire_format(name)
    dialect = providers.dialect_of(name)
    assert form.path("m").startswith("/")
    assert form.MODELS.startswith("/")
    assert frozenset(OPTIONAL) >= form.FIELDS
    assert dialect.without == frozenset(OPTIONAL) - form.FIELDS
    sent = form.body(REQUEST, dialect)
    assert sent == form.body(REQUEST, dialect)
    assert orjson.loads(sent)
    assert "secret-key" in str(form.headers("secret-key"))
    assert "Bearer" not in str(form.headers(""))
    for problem in ({"error": {"message": "no"}}, {"error": "no"}, {}, {"detail": "Not Found"}):
        assert form.as_chat(problem) is None
        assert form.stated_status(problem) is None
        assert not form.recognised(404, problem)
        assert not form.ordinary(orjson.dumps(problem))


@pytest.mark.parametrize("name", providers.known())
def test_an_answer_is_recognised_by_its_shape_alone(name: str) -> None:
    answer = ANSWERS[name]
    own = providers.CHAT if name == "azure" else name  # whose answers are chat completions
    assert [other for other in providers.known() if providers.wire_format(other).as_chat(answer)] == [own]
    assert providers.ordinary(orjson.dumps(answer))
    assert "choices" in providers.as_chat(answer)


def test_settings_name_the_format() -> None:
    with pytest.raises(ValueError, match=r"unknown wire format 'antropic', the nearest is 'anthropic'"):
        Role(model="m", api="antropic")
    settings = Settings(
        teacher=Role(model="m", api="anthropic", base_url=("https://host/v1",)), _env_file=None
    )
    assert settings.endpoint("critic").api == "anthropic"
    without = Settings(teacher=Role(model="m", api="anthropic"), _env_file=None)
    with pytest.raises(
        ValueError, match=r"MATHMILL_TEACHER__BASE_URL, for example https://api.anthropic.com/v1"
    ):
        without.endpoint("teacher")


def test_the_embedded_teacher_has_no_other_format() -> None:
    with pytest.raises(EndpointError, match=r"MATHMILL_TEACHER__API is 'anthropic' but no address is set"):
        Endpoint("teacher", "embedded", api="anthropic")


def test_headers_of_the_settings_replace_all_but_the_key() -> None:
    end = Endpoint(
        "teacher", "m", ["https://host/v1"], api="anthropic", api_key=SecretStr("sk-ant-0123456789"),
        headers={"Anthropic-Version": "2026-10-21", "X-Api-Key": "another", "X-Team": "maths"},
    )  # fmt: skip
    assert end.request_headers() == {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "Anthropic-Version": "2026-10-21",
        "X-Team": "maths",
        "x-api-key": "sk-ant-0123456789",
    }
    azure = Endpoint(
        "teacher", "m", ["https://name.openai.azure.com/openai/v1"], api_key=SecretStr("sk-0123456789")
    )
    assert azure.request_headers()["api-key"] == "sk-0123456789"
    assert "Authorization" not in azure.request_headers()


def test_a_listed_model_may_carry_the_date_behind_its_alias() -> None:
    assert is_name("claude-old-1-20260801", ["claude-old-1"])
    assert is_name("gpt-x-2026-08-01", ["gpt-x"])
    assert is_name("gpt-x", ["gpt-x"])
    assert not is_name("gpt-x-mini", ["gpt-x"])
    assert not is_name("gpt-x-mini-2026-08-01", ["gpt-x"])


def test_streams_are_asked_for_where_they_can_be_read() -> None:
    error = ErrorObject("This model only supports streaming", "", "")
    streamed = {name: adapted(providers.dialect_of(name), REQUEST, 400, error) for name in providers.known()}
    assert [name for name, dialect in streamed.items() if dialect is not None and dialect.stream] == [
        "anthropic",
        "azure",
        "chat",
        "responses",
    ]


@pytest.mark.parametrize("name", providers.known())
def test_reasons_are_generated_before_scores(name: str) -> None:
    """A server generates the fields of a schema in the order in which its properties are sent."""
    form, dialect = providers.wire_format(name), providers.dialect_of(name)
    if "response_format" in dialect.without:
        pytest.skip(f"{name} takes no schema")
    for schema_name in ("Assessment", "PlannedProblems"):
        for language in ("en", "zh"):
            schema = json_schema(schema_name, language)
            assert schema is not None
            # a request that is read back from its canonical form has sorted keys
            for one in (schema, orjson.loads(orjson.dumps(schema, option=orjson.OPT_SORT_KEYS))):
                sent = form.body(replace(REQUEST, response_schema=one), dialect).decode()
                keys = list(keys_of("Assessment", language).values())
                if schema_name == "PlannedProblems":
                    keys = list(schema["$defs"]["PlannedItem"]["properties"])
                body = (
                    sent[sent.index("properties") :]
                    if schema_name == "Assessment"
                    else sent[sent.index("PlannedItem") :]
                )
                places = [body.index(f'{key}\\":' if name == "bedrock" else f'"{key}":') for key in keys]
                assert places == sorted(places)
