from __future__ import annotations

from email.utils import formatdate

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.llm.request import Failure, Request, Usage
from tasks.llm.wire import (
    CallOutcome,
    _finish,
    error_of,
    estimate,
    is_quota,
    read,
    retry_after,
    stated_status,
    terminal_failure,
)

ASK = Request(
    [{"role": "user", "content": "2 + 2?"}],
    "gpt-x",
    seed=5,
    stop=("END",),
    response_schema={"type": "object"},
)


def answer(**changes: object) -> bytes:
    choice = {"message": {"role": "assistant", "content": "4"}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 7, "completion_tokens": 1}
    return orjson.dumps({"id": "c1", "model": "gpt-x", "choices": [choice], "usage": usage} | changes)


def message(finish: str = "stop", **fields: object) -> list[dict]:
    return [{"message": {"role": "assistant", **fields}, "finish_reason": finish}]


@pytest.mark.parametrize(
    ("raw", "outcome", "text", "error"),
    [
        (answer(), CallOutcome.ANSWER, "4", None),
        (answer(choices=message("length", content="fou")), CallOutcome.ANSWER, "fou", None),
        (answer(choices=message("length", content="")), CallOutcome.ANSWER, "", None),
        (answer(choices=message(content=None, refusal="No.")), CallOutcome.ANSWER, "No.", "refusal"),
        (answer(choices=message("content_filter", content=None)), CallOutcome.ANSWER, None, "content filter"),
        (answer(choices=message(content=None)), CallOutcome.EMPTY, None, "empty"),
        (answer(choices=message(content="  ")), CallOutcome.EMPTY, "  ", "empty"),
        (answer(choices=message("length", content=None)), CallOutcome.ANSWER, "", None),
        (answer(choices=message(content=[7])), CallOutcome.EMPTY, None, "empty"),
        (answer(choices=message(content=[{"type": "text", "text": "4"}])), CallOutcome.ANSWER, "4", None),
        (answer(choices=message(content=[{"type": "thinking", "text": "2+2"}, {"type": "text", "text": "is "},
                                         {"type": "output_text", "text": "4"}])), CallOutcome.ANSWER, "is 4", None),
        (answer(choices=message("error", content="The answ")), CallOutcome.MALFORMED, "The answ", None),
        (answer(choices=[message(content="The answ")[0] | {"error": {"code": 502, "message": "died"}}]),
         CallOutcome.MALFORMED, "The answ", None),
        (answer(error={"message": "upstream died"}), CallOutcome.MALFORMED, "4", None),
        (answer(error=None), CallOutcome.ANSWER, "4", None),
        (answer().replace(b'"4"', b'"4 \\ud800"'), CallOutcome.ANSWER, "4 \ufffd", None),
        (answer().replace(b'"4"', b'"4 \xff"'), CallOutcome.ANSWER, "4 \ufffd", None),
        (b"\xef\xbb\xbf" + answer(), CallOutcome.ANSWER, "4", None),
        (b"[" * 100_000, CallOutcome.MALFORMED, None, None),
        (answer(model="other"), CallOutcome.QUARANTINED, "4", None),
        (answer(model="gpt-x-2026-01-01"), CallOutcome.ANSWER, "4", None),
        (answer(model="org/GPT-X"), CallOutcome.ANSWER, "4", None),
        (answer(model=None), CallOutcome.ANSWER, "4", None),
        (answer(choices=[]), CallOutcome.MALFORMED, None, None),
        (answer(choices=[3]), CallOutcome.MALFORMED, None, None),
        (answer(choices="x"), CallOutcome.MALFORMED, None, None),
        (answer()[:40], CallOutcome.MALFORMED, None, None),
        (b"<html>", CallOutcome.MALFORMED, None, None),
        (b"", CallOutcome.MALFORMED, None, None),
        (b"null", CallOutcome.MALFORMED, None, None),
        (b'{"error": {"message": "boom"}}', CallOutcome.MALFORMED, None, None),
        (b'{"error": "boom"}', CallOutcome.MALFORMED, None, None),
    ],
)  # fmt: skip
def test_what_the_bytes_mean(raw: bytes, outcome: CallOutcome, text: str | None, error: str | None) -> None:
    reading = read(ASK, "k", 200, raw, ("gpt-x",))
    assert (reading.outcome, reading.completion.text, reading.completion.error) == (outcome, text, error)
    assert (reading.outcome is CallOutcome.ANSWER) != bool(reading.detail)


@pytest.mark.parametrize(
    ("word", "outcome", "finish"),
    [
        *[(word, CallOutcome.ANSWER, "length") for word in (
            "length", "max_tokens", "MAX_TOKENS", "model_length", "max_output_tokens", "incomplete", "token_limit",
            "FinishReason.MAX_TOKENS", "FINISH_REASON_MAX_TOKENS", "max_completion_tokens", "max-tokens", "maxTokens",
            "max_length", "length_limit", "max_new_tokens", "truncated", "model_context_window_exceeded", "MaxTokens")],
        *[(word, CallOutcome.ANSWER, word) for word in (
            "stop", "STOP", "eos_token", "end_turn", "EndTurn", "stop_sequence", "COMPLETE", "completed", "tool_calls")],
        *[(word, CallOutcome.MALFORMED, word) for word in (
            "error", "ERROR", "abort", "cancelled", "timeout", "insufficient_system_resource", "unknown", "other",
            "malformed_function_call", "FINISH_REASON_UNSPECIFIED")],
    ],
)  # fmt: skip
def test_every_spelling_of_the_end_of_an_answer(word: str, outcome: CallOutcome, finish: str) -> None:
    reading = read(ASK, "k", 200, answer(choices=message(word, content="So 3+4=")), ("gpt-x",))
    assert (reading.outcome, reading.completion.finish_reason) == (outcome, finish)
    assert reading.completion.text == "So 3+4="


@pytest.mark.parametrize(
    "word", ["content_filter", "SAFETY", "RECITATION", "PROHIBITED_CONTENT", "guardrail_intervened"]
)
def test_what_a_filter_ended_is_no_answer(word: str) -> None:
    reading = read(ASK, "k", 200, answer(choices=message(word, content="part of")), ("gpt-x",))
    assert (reading.outcome, reading.completion.kind) == (CallOutcome.ANSWER, Failure.CONTENT_FILTER)


def test_a_stream_is_read_as_the_answer_that_it_carries() -> None:
    def event(**choice: object) -> bytes:
        return b"data: " + orjson.dumps({"id": "c1", "model": "gpt-x", "choices": [choice]}) + b"\n\n"

    pieces = event(delta={"role": "assistant", "content": "fo"}) + event(delta={"content": "ur"})
    end = event(delta={}, finish_reason="max_tokens")
    usage = b'data: {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}\n\n'
    reading = read(ASK, "k", 200, b": ping\n\n" + pieces + end + usage + b"data: [DONE]\n\n", ("gpt-x",))
    assert (reading.outcome, reading.completion.text, reading.completion.finish_reason) == (
        CallOutcome.ANSWER, "four", "length")  # fmt: skip
    assert reading.completion.usage == Usage(7, 2)
    assert read(ASK, "k", 200, pieces, ()).outcome is CallOutcome.MALFORMED  # cut before its end
    assert read(ASK, "k", 200, b"data: {broken\n\ndata: [DONE]\n", ()).outcome is CallOutcome.MALFORMED


@pytest.mark.parametrize(
    ("stated", "usage"),
    [
        ({"prompt_tokens": 7, "completion_tokens": 1 << 40}, Usage(7, 1024, True, True)),
        ({"prompt_tokens": 7, "completion_tokens": 1025}, Usage(7, 1024, True, True)),
        ({"prompt_tokens": 7, "completion_tokens": 1024}, Usage(7, 1024)),
        ({"prompt_tokens": 4000, "completion_tokens": 5}, Usage(4000, 5)),
    ],
)
def test_usage_is_no_more_than_the_request_allowed(stated: dict, usage: Usage) -> None:
    assert read(ASK, "k", 200, answer(usage=stated), ()).completion.usage == usage


def test_a_prompt_of_more_tokens_than_bytes_is_capped() -> None:
    usage = read(
        ASK, "k", 200, answer(usage={"prompt_tokens": 1 << 40, "completion_tokens": 1}), ()
    ).completion.usage
    assert usage.capped
    assert usage.prompt_tokens < 10_000


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {"prompt_tokens": "7 or 8", "completion_tokens": "1"},
        {},
        {"prompt_tokens": -1, "completion_tokens": -2},
        "7",
        {"prompt_tokens": True},
    ],
)
def test_usage_that_is_missing_or_mad_is_estimated_and_flagged(usage: object) -> None:
    counted = read(ASK, "k", 200, answer(usage=usage), ()).completion.usage
    assert counted.estimated
    assert counted.prompt_tokens > 0
    assert counted.completion_tokens == 1
    assert not read(ASK, "k", 200, answer(), ()).completion.usage.estimated


@pytest.mark.slow
@settings(max_examples=60)
@given(st.one_of(st.binary(max_size=60), st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["choices", "message", "content", "usage", "error", "model", "finish_reason"]), inner),
).map(orjson.dumps)))  # fmt: skip
def test_nothing_an_endpoint_sends_raises(raw: bytes) -> None:
    for status in (200, 400):
        reading = read(ASK, "k", status, raw, ("gpt-x",))
        assert reading.completion.text is None or isinstance(reading.completion.text, str)
        error_of(raw)


@pytest.mark.parametrize(
    ("status", "error", "reason"),
    [
        (400, {"code": "context_length_exceeded", "message": "x"}, "context length"),
        (400, {"message": "This model's maximum context length is 4096 tokens"}, "context length"),
        (400, {"code": "content_filter", "message": "x"}, "content filter"),
        (400, {"message": "bad temperature"}, None),
        (500, {"message": "maximum context"}, None),
    ],
)
def test_client_errors_that_an_item_gets_every_time(status: int, error: dict, reason: str | None) -> None:
    assert terminal_failure(status, error_of(orjson.dumps({"error": error}))) == reason


def test_an_exhausted_account_is_distinguished_from_a_rate_limit() -> None:
    assert is_quota(error_of(b'{"error": {"code": "insufficient_quota", "message": "x"}}'))
    assert is_quota(error_of(b'{"error": {"type": "insufficient_quota", "message": "x"}}'))
    assert not is_quota(error_of(b'{"error": {"code": "rate_limit_exceeded", "message": "slow down"}}'))


@pytest.mark.parametrize(
    ("message", "wait", "out_of_money"),
    [
        ("You exceeded your current quota, please check your plan and billing details.", None, True),
        ("You exceeded your current quota, please check your plan and billing details.", 34.0, False),
        ("You exceeded your current quota. Quota exceeded for requests per minute. Please retry in 34.07s.", None, False),
        ("Insufficient Balance", None, True),
        ("Your credit balance is too low to access the API.", None, True),
        ("Your team has used all available credits or reached its monthly spending limit.", 5.0, True),
        ("余额不足或无可用资源包,请充值。", None, True),
        ("Access denied, please make sure your account is in good standing: Arrearage", None, True),
        ("Rate limit reached for requests per min. Please try again in 20s.", None, False),
        ("The engine is currently overloaded, please try again later", None, False),
        ("Your account reached max request per minute: 3, please try again after 1 seconds", None, False),
    ],
)  # fmt: skip
def test_a_quota_per_minute_is_waited_for(message: str, wait: float | None, out_of_money: bool) -> None:
    assert is_quota(error_of(orjson.dumps({"error": {"message": message}})), wait) is out_of_money


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"error": {"message": "Rate limit", "code": 429}}, 429),
        ({"error": {"message": "Provider returned error", "code": "502"}}, 502),
        ({"error": {"message": "Invalid API key", "status": 401}}, 401),
        ({"code": 503, "message": "overloaded"}, 503),
        ({"error": {"message": "no money", "code": "insufficient_quota"}}, 429),
        ({"error": {"message": "upstream failed", "code": "server_error"}}, 200),
        ({"error": "model overloaded"}, 200),
        ({"error": {"code": 1004, "message": "login fail"}}, 200),
        ({"code": 429, "choices": [{"message": {"content": "10"}}]}, 200),
        ([], 200),
        ("text", 200),
    ],
)  # fmt: skip
def test_an_error_with_status_200_has_the_status_that_it_states(body: object, status: int) -> None:
    assert stated_status(200, orjson.dumps(body)) == status
    assert stated_status(404, orjson.dumps(body)) == 404


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("This model's maximum context length is 8192 tokens.", "context length"),
        ("Please reduce the length of the messages or completion.", "context length"),
        ("prompt is too long: 210000 tokens > 200000 maximum", "context length"),
        ("The input token count (2000000) exceeds the maximum number of tokens allowed (1048576).", "context length"),
        ("`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens", "context length"),
        ("Range of input length should be [1, 30720]", "context length"),
        ("Input data may contain inappropriate content. code: data_inspection_failed", "content filter"),
        ("Content Exists Risk", "content filter"),
        ("The response was filtered due to the prompt triggering Azure OpenAI's content management policy.", "content filter"),
        ("max_tokens is too large: 64. This model supports at most 32 completion tokens", None),
        ("temperature is too long a word", None),
    ],
)  # fmt: skip
def test_what_a_request_is_refused_for_every_time_in_vendors_words(message: str, kind: str | None) -> None:
    assert terminal_failure(400, error_of(orjson.dumps({"error": {"message": message}}))) == kind


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": "10", "completion_tokens": "5"}, (10, 5, False)),
        ({"prompt_tokens": 10.0, "completion_tokens": 5.0}, (10, 5, False)),
        ({"input_tokens": 10, "output_tokens": 5}, (10, 5, False)),
        ({"prompt_tokens": 10, "total_tokens": 15}, (10, 5, False)),
        ({"prompt_tokens": 10, "completion_tokens": None}, (10, 1, True)),
        ({"prompt_tokens": -1, "completion_tokens": 5}, (6, 5, True)),
        ({"prompt_tokens": "ten", "completion_tokens": True}, (6, 1, True)),
        ([10, 5], (6, 1, True)),
        (None, (6, 1, True)),
    ],
)  # fmt: skip
def test_usage_in_every_spelling(usage: object, tokens: tuple[int, int, bool]) -> None:
    counted = read(ASK, "k", 200, answer(usage=usage, choices=message(content="10"))).completion.usage
    assert (counted.prompt_tokens, counted.completion_tokens, counted.estimated) == tokens


@pytest.mark.parametrize(
    ("reason", "ending"),
    [
        ("STOP", "whole"), ("FINISH_REASON_STOP", "whole"), ("end_turn", "whole"), ("eos_token", "whole"), ("COMPLETE", "whole"),
        ("null", "whole"), ("None", "whole"), ("", "whole"), ("stop_id", "whole"),
        ("MAX_TOKENS", "length"), ("max_output_tokens", "length"), ("model_context_window_exceeded", "length"),
        ("ERROR_LIMIT", "length"), ("length_limit", "length"),
        ("RECITATION", "filtered"), ("ERROR_TOXIC", "filtered"), ("IMAGE_SAFETY", "filtered"), ("sensitive", "filtered"),
        ("content_filtered", "filtered"), ("safety_check", "filtered"), ("LANGUAGE", "filtered"),
        ("insufficient_system_resource", "broken"), ("network_error", "broken"), ("abort", "broken"), ("error", "broken"),
        ("MALFORMED_FUNCTION_CALL", "broken"), ("pause_turn", "broken"), ("timeout", "broken"), ("OTHER", "broken"),
    ],
)  # fmt: skip
def test_finish_reasons_of_vendors(reason: str, ending: str) -> None:
    assert _finish(reason)[1] == ending


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0), ({"retry-after": "0.5"}, 0.5), ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after": "3", "retry-after-ms": "100"}, 0.1), ({"retry-after": "200ms"}, 0.2),
        ({"retry-after": formatdate(1_000_030, usegmt=True)}, 30.0), ({"retry-after": formatdate(10, usegmt=True)}, 0.0),
        ({}, None), ({"retry-after": "soon"}, None), ({"retry-after": "-5"}, None), ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None), ({"retry-after": ""}, None),
    ],
)  # fmt: skip
def test_retry_after_in_every_spelling(headers: dict, seconds: float | None) -> None:
    assert retry_after(headers, 1_000_000.0) == seconds


def test_estimates_grow_with_the_text() -> None:
    assert (estimate(""), estimate("word" * 10), estimate("二次方程")) == (0, 10, 4)
