"""Which token limit is sent after a refusal, in the words of providers and servers."""

from __future__ import annotations

import pytest

from tasks.llm.request import ErrorObject
from tasks.llm.token_limits import TokenLimit, refused_limit

PROMPT = 500  # tokens, estimated


def limit(message: str, sent: int, status: int = 400) -> TokenLimit | None:
    return refused_limit(sent, PROMPT, status, ErrorObject(message, "", ""))


OF_MODEL = [
    ("max_tokens is too large: 32768. This model supports at most 16384 completion tokens, whereas you provided 32768.", 16384),
    ("Param Incorrect max_tokens is too large: 32768. This model supports at most 16,384 completion tokens", 16384),
    ("Invalid 'max_tokens': integer above maximum value. Expected a value <= 16384, but got 32768 instead.", 16384),
    ("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", 8192),
    ("<400> InternalError.Algo.InvalidParameter: Range of max_tokens should be [1, 2000]", 2000),
    ("`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens` is less than the "
     "`context_window` for this model", 8192),
    ("max_tokens: 32768 > 8192, which is the maximum allowed number of output tokens for claude-3-5-sonnet-20240620", 8192),
    ("The maximum tokens you requested exceeds the model limit of 8192. Try again with a maximum tokens value that is "
     "lower than 8192.", 8192),
    ("Unable to submit request because it has a maxOutputTokens value of 32768 but the supported range is from 1 "
     "(inclusive) to 8193 (exclusive). Update the value and try again.", 8192),
    ("too many tokens: max tokens must be less than or equal to 4096, the maximum output for this model - received "
     "32768.", 4096),
    ("The parameter `max_completion_tokens` specified in the request are not valid: integer above maximum value, "
     "expected a value <= 12288, but got 32768 instead. Request id: 0217752964393142fa50", 12288),
    ("Malformed input request: #/max_tokens: 32768 is not less or equal to 4096, please reformat your input and try "
     "again.", 4096),
    ("max_completion_tokens is limited for this model", 16384),  # no number: half
    ("max_tokens is too large", 16384),
]  # fmt: skip

OF_CONTEXT = [
    ("'max_tokens' or 'max_completion_tokens' is too large: 4096. This model's maximum context length is 4096 tokens and "
     "your request has 28 input tokens (4096 > 4096 - 28). None", 4096, TokenLimit(4068, False, 4096, 28)),
    ("This model's maximum context length is 8192 tokens. However, you requested 8256 tokens (64 in the messages, 8192 in "
     "the completion). Please reduce the length of the messages or completion.", 8192, TokenLimit(8128, False, 8192, 64)),
    ("This model's maximum context length is 4097 tokens, however you requested 4352 tokens (4000 in your prompt; 352 for "
     "the completion). Please reduce your prompt; or completion length.", 352, TokenLimit(97, False, 4097, 4000)),
    ("Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 1000 `inputs` tokens and 4000 "
     "`max_new_tokens`", 4000, TokenLimit(3096, False, 4096, 1000)),
    ("Requested token count exceeds the model's maximum context length of 32768 tokens. You requested a total of 40000 "
     "tokens: 7232 tokens from the input messages and 32768 tokens for the completion.", 32768,
     TokenLimit(25536, False, 32768, 7232)),
    ("input length and `max_tokens` exceed context limit: 190000 + 32000 > 200000, decrease input length or `max_tokens` "
     "and try again", 32000, TokenLimit(10000, False, 200000, 190000)),
    ("This endpoint's maximum context length is 8192 tokens. However, you requested about 40000 tokens (7000 of text input, "
     "33000 in the output). Please reduce the length of either one", 33000, TokenLimit(1192, False, 8192, 7000)),
    ("Invalid request: Your request exceeded model token limit: 8192 (requested: 9000)", 8000,
     TokenLimit(7192, False, 8192, 1000)),
    ("max_total_tokens (40000) must be less than or equal to max_seq_len (32768)", 32000,
     TokenLimit(24768, False, 32768, 8000)),
    # the length of the prompt is not stated: the estimate, with room for a chat template
    ("max_tokens=32768 cannot be greater than max_model_len=max_total_tokens=4096. Please request fewer output tokens.",
     32768, TokenLimit(3532, False, 4096, 0)),
    # vLLM counts no further than it must; the estimate would leave more than was refused, so half is sent
    ("This model's maximum context length is 32768 tokens. However, you requested 32000 output tokens and your prompt "
     "contains at least 769 input tokens, for a total of at least 32769 tokens. Please reduce the length of the input "
     "prompt or the number of requested output tokens.", 32000, TokenLimit(16000, False, 32768, 0)),
    ("The sum of prompt tokens and max_tokens exceeds the limit of this model", 32768, TokenLimit(16384, False)),
]  # fmt: skip


@pytest.mark.parametrize(("message", "most"), OF_MODEL)
def test_the_limit_of_a_model_holds_for_all_requests(message: str, most: int) -> None:
    assert limit(message, 32768) == TokenLimit(most, True)


@pytest.mark.parametrize(("message", "sent", "expected"), OF_CONTEXT)
def test_the_rest_of_the_context_window_holds_for_one_request(
    message: str, sent: int, expected: TokenLimit
) -> None:
    assert limit(message, sent) == expected


@pytest.mark.parametrize(
    "message",
    [
        # the prompt alone is too long
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 130000 tokens.",
        "This model's maximum context length is 4096 tokens. However, you requested 8296 tokens (5000 in the messages, "
        "3296 in the completion). Please reduce the length of the messages or completion.",
        "This model's maximum context length is 4097 tokens, however you requested 7362 tokens (4066 in your prompt; 3296 "
        "for the completion). Please reduce your prompt; or completion length.",
        "This model's maximum context length is 32768 tokens. However, you requested 0 output tokens and your prompt "
        "contains at least 32769 input tokens, for a total of at least 32769 tokens.",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
        "Range of input length should be [1, 30720]",
        "max_tokens must be at least 1, got -904",
        # a greater limit is asked for, or another name
        "`max_tokens` must be greater than `thinking.budget_tokens`",
        "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got 5 instead.",
        "Could not finish the message because max_tokens or model output limit was reached. Please try again with "
        "higher max_tokens.",
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        "temperature must be at most 2",
    ],
)
def test_other_refusals_are_no_matter_of_the_limit(message: str) -> None:
    assert limit(message, 3296) is None


@pytest.mark.parametrize(
    "message", [message for message, _ in OF_MODEL] + [message for message, _, _ in OF_CONTEXT]
)
def test_a_chain_of_refusals_ends(message: str) -> None:
    sent, steps = 1_000_000, 0
    while (new := limit(message, sent)) is not None:
        assert new.most < sent
        sent, steps = new.most, steps + 1
    assert steps <= 20


@pytest.mark.parametrize("status", [200, 401, 404, 429, 500, 503])
def test_only_client_errors_are_about_the_limit(status: int) -> None:
    assert (
        limit("max_tokens is too large: 64. This model supports at most 32 completion tokens", 64, status)
        is None
    )
