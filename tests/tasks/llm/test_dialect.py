"""Fields that are left out, renamed or changed after a refusal, whatever its wording."""

from __future__ import annotations

import orjson
import pytest

from tasks.llm.dialect import Dialect, adapted, names_in, refused_extra
from tasks.llm.providers.chat import body
from tasks.llm.request import Request
from tasks.llm.token_limits import TokenLimit
from tasks.llm.wire import error_of

MESSAGES = [{"role": "system", "content": "Be exact."}, {"role": "user", "content": "2 + 2?"}]
ASK = Request(
    MESSAGES, "gpt-x", temperature=0.7, seed=5, stop=("END",), response_schema={"type": "object"}, max_tokens=64
)  # fmt: skip
PLAIN = Dialect()
GREEDY = Request(MESSAGES, "gpt-x", temperature=0.0)


def fields(request: Request, dialect: Dialect) -> dict:
    sent: dict = orjson.loads(body(request, dialect))
    return sent


def after(
    message: object, status: int = 400, request: Request = ASK, dialect: Dialect = PLAIN
) -> Dialect | None:
    return adapted(dialect, request, status, error_of(orjson.dumps({"error": message})))


def test_everything_is_sent_to_an_endpoint_that_refused_nothing() -> None:
    assert set(fields(ASK, Dialect())) == {
        "model", "messages", "max_tokens", "temperature", "top_p", "seed", "stop", "response_format",
    }  # fmt: skip
    assert Dialect().notes() == ()


@pytest.mark.parametrize(
    ("status", "message", "gone"),
    [
        (400, "response_format json_schema is not supported", "response_format"),
        (400, "Structured outputs are not supported for this model", "response_format"),
        (400, "failed to parse grammar", "response_format"),
        (400, "JSON mode is not supported", "response_format"),
        (422, "guided decoding backend is not available", "response_format"),
        (400, "Invalid schema for response: additionalProperties is required", "response_format"),
        (500, "xgrammar: unsupported keyword in json schema", "response_format"),
        (501, "Not Implemented", "response_format"),
        (400, "'temperature' does not support 0.7 with this model", "temperature"),
        (400, "`temperature` is deprecated for this model.", "temperature"),
        (400, "temperature must be strictly positive", "temperature"),
        (400, "`temperature` and `top_p` cannot both be specified for this model. Please use only one.", "top_p"),
        (422, "You should specify either temperature or top_p, but not both", "top_p"),
        (422, "top_p must be in (0, 1), got 1.0", "top_p"),
        (400, "`top_p` must be > 0.0 and < 1.0", "top_p"),
        (400, "Unrecognized request argument: seed", "seed"),
        (400, {"message": "Unsupported parameter", "param": "seed"}, "seed"),
        (422, [{"loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}], "seed"),
        (400, "unknown field: stop", "stop"),
        (400, "stop sequences are not supported by this model", "stop"),
        (400, "Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value is supported.", "temperature"),
        (400, "invalid temperature: only 1 is allowed for this model", "temperature"),
        (400, "Unsupported parameter: 'top_p' is not supported with this model.", "top_p"),
        (400, "Unsupported parameter: 'stop' is not supported with this model.", "stop"),
        (400, "Model grok-4 does not support parameter stop.", "stop"),
        (400, "Argument not supported on this model: stop", "stop"),
        (400, "This response_format type is unavailable now", "response_format"),
        (400, "deepseek-reasoner does not support Json Output.", "response_format"),
        (422, [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}], "seed"),
        (400, "This model doesn't support the topP field. Remove topP and try again.", "top_p"),
        (400, "This model doesn't support the stopSequences field. Remove stopSequences and try again.", "stop"),
        (400, "Unknown name \"responseJsonSchema\" at 'generation_config': Cannot find field.", "response_format"),
        (400, "This model has beta-limitations: top_p is fixed at 1", "top_p"),
    ],
)  # fmt: skip
def test_what_a_refusal_names_is_left_out(status: int, message: object, gone: str) -> None:
    new = after(message, status)
    assert new is not None
    assert set(fields(ASK, Dialect())) - set(fields(ASK, new)) == {gone}
    assert new.notes() == (f"{gone} left out",)


def test_a_refused_cap_is_renamed() -> None:
    for message in (
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        "Unrecognized request argument supplied: max_tokens",
    ):
        new = after(message)
        assert new is not None
        sent = fields(ASK, new)
        assert sent["max_completion_tokens"] == 64
        assert "max_tokens" not in sent
        assert after(message, dialect=new) is None
    assert after("max_tokens is too large: 64. This model takes at most 32") is None


@pytest.mark.parametrize(
    "message",
    [
        "System role not supported",
        "Conversation roles must alternate user/assistant/user/assistant/...",
        "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
        "Only user and assistant roles are supported!",
        "Developer instruction is not enabled for models/gemma",
        "unexpected role: system. Allowed roles: user, assistant",
    ],
)
def test_a_refused_system_role_is_put_before_the_user_text(message: str) -> None:
    new: Dialect | None = after(message)
    while new is not None and new.system:
        new = after(message, dialect=new)
    assert new is not None
    assert fields(ASK, new)["messages"] == [{"role": "user", "content": "Be exact.\n\n2 + 2?"}]
    assert after(message, dialect=new) is None
    alone = Request([{"role": "user", "content": "2 + 2?"}], "gpt-x")
    assert after(message, request=alone) is None


def test_the_developer_role_is_used_where_it_is_named() -> None:
    new = after("Unsupported value: 'system'. Use the 'developer' role for instructions instead.")
    assert new is not None
    assert [m["role"] for m in fields(ASK, new)["messages"]] == ["developer", "user"]


def test_a_greedy_temperature_is_nudged_where_it_must_be_positive() -> None:
    new = after("`temperature` must be strictly positive", request=GREEDY)
    assert new is not None
    assert fields(GREEDY, new)["temperature"] == 0.01
    assert fields(ASK, new)["temperature"] == 0.7
    gone = after("`temperature` must be strictly positive", request=GREEDY, dialect=new)
    assert gone is not None
    assert "temperature" not in fields(GREEDY, gone)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "messages must not be empty"),
        (400, "bad request"),
        (500, "boom"),
        (503, "overloaded"),
        (401, "temperature is not supported"),
        (429, "seed is not supported"),
    ],
)
def test_other_refusals_change_nothing(status: int, message: str) -> None:
    assert after(message, status) is None


def test_a_chain_of_refusals_ends() -> None:
    complaint = (
        "temperature, top_p, seed, stop, response_format, max_tokens and the system role are not supported"
    )
    dialect: Dialect = PLAIN
    for _ in range(12):
        new = after(complaint, dialect=dialect)
        if new is None:
            break
        assert new != dialect
        dialect = new
    assert set(fields(ASK, dialect)) == {"model", "messages", "max_completion_tokens"}


STREAM_ONLY = [
    "This model only support stream mode, please enable the stream parameter to access the model. ",
    "parameter.enable_thinking must be set to false for non-streaming calls",
    "stream must be true",
    "Stream must be set to true",
    "This model only supports streaming",
    "Non-streaming requests are not supported",
    "`stream=false` is not supported by this model",
    "Streaming is required for this model",
]


@pytest.mark.parametrize("message", STREAM_ONLY)
def test_a_server_that_only_streams_is_asked_for_a_stream_with_its_usage(message: str) -> None:
    new = after(message)
    assert new is not None
    assert new.notes() == ("answers streamed",)
    sent = fields(ASK, new)
    assert (sent["stream"], sent["stream_options"]) == (True, {"include_usage": True})
    assert after(message, dialect=new) is None
    without = after("Unrecognized request argument supplied: stream_options", dialect=new)
    assert without is not None
    assert set(fields(ASK, new)) - set(fields(ASK, without)) == {"stream_options"}


@pytest.mark.parametrize(
    "message",
    [
        "Unsupported value: 'stream' does not support true with this model. Only the default (false) value is supported.",
        "Streaming completion is not support yet, please remove 'stream' key value in the request payload.",
        "streaming is not supported",
    ],
)
def test_a_server_that_does_not_stream_is_not_asked_to(message: str) -> None:
    new = after(message)
    assert new is None or not new.stream


def test_a_further_field_is_recognised_in_a_refusal_by_any_spelling() -> None:
    extra = {"reasoning_effort": "high", "chat_template_kwargs": {"enable_thinking": True}, "top_k": 20}
    for message, name in (
        (
            "Unsupported value: 'reasoning_effort' does not support 'high' with this model.",
            "reasoning_effort",
        ),
        ("Model grok-4-latest does not support parameter reasoningEffort.", "reasoning_effort"),
        ("enable_thinking is not supported", "enable_thinking"),
        ("body -> top_k: Extra inputs are not permitted", "top_k"),
        ("desktop_kit is not supported", None),
        ("the model is overloaded", None),
    ):
        assert refused_extra(names_in(extra), error_of(orjson.dumps({"error": message}))) == name


def test_the_limit_leaves_room_for_the_prompt() -> None:
    dialect = PLAIN.with_limit(TokenLimit(900, False, 1000, 100), prompt=80).with_limit(
        TokenLimit(512, True), 80
    )
    asked = Request(MESSAGES, "gpt-x", max_tokens=2048)
    assert dialect.notes() == ("at most 512 tokens per answer", "context window of 1000 tokens")
    assert dialect.limit(asked, prompt=80) == 512
    assert dialect.limit(asked, prompt=480) == 1000 - 600 - 64
    assert dialect.limit(asked, prompt=5000) == 512  # only the endpoint can say that the prompt is too long
    assert PLAIN.limit(asked, prompt=5000) == 2048


def test_the_key_is_that_of_the_request_whatever_is_sent() -> None:
    before = ASK.key()
    body(ASK, Dialect(without=frozenset({"seed", "top_p"}), system="", cap="max_completion_tokens"))
    assert ASK.key() == before
