"""The reasoning channel: no thinking is lost, none is taken for the solution, and re-reading asks for nothing.

Every dialect in which servers send thinking is tried whole, cut off while thinking, and streamed.
"""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tasks.llm.request import Failure, Request
from tasks.llm.wire import CallOutcome, read
from tasks.replies.solutions import read as parts_of

ASK = Request([{"role": "user", "content": "2 + 2?"}], "thinker", max_tokens=50)
THOUGHT, SOLUTION = "2 + 2 is the sum. It is 4, surely 5? No.", "The sum is 4.\n\\boxed{4}"

# name -> (message of a whole answer, message of one that was cut off while thinking)
DIALECTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "reasoning_content": (
        {"content": SOLUTION, "reasoning_content": THOUGHT},
        {"content": None, "reasoning_content": THOUGHT},
    ),
    "reasoning": (
        {"content": SOLUTION, "reasoning": THOUGHT},
        {"content": "", "reasoning": THOUGHT},
    ),
    "both names at once": (
        {"content": SOLUTION, "reasoning": THOUGHT, "reasoning_content": THOUGHT},
        {"content": "", "reasoning": THOUGHT, "reasoning_content": THOUGHT},
    ),
    "reasoning_details": (
        {"content": SOLUTION, "reasoning_details": [{"type": "reasoning.text", "text": THOUGHT}]},
        {"content": "", "reasoning_details": [{"type": "reasoning.summary", "summary": THOUGHT}]},
    ),
    "thinking parts": (
        {"content": [{"type": "thinking", "thinking": THOUGHT, "signature": "x"}, {"type": "text", "text": SOLUTION}]},
        {"content": [{"type": "thinking", "thinking": THOUGHT}]},
    ),
    "nested thinking parts": (
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": THOUGHT}]},
                {"type": "text", "text": SOLUTION},
            ]
        },
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": THOUGHT}]}]},
    ),
    "think tags": (
        {"content": f"<think>\n{THOUGHT}\n</think>\n\n{SOLUTION}"},
        {"content": f"<think>\n{THOUGHT}"},
    ),
    "only the closing tag": (
        {"content": f"{THOUGHT}\n</think>\n\n{SOLUTION}"},
        # nothing tells thinking from a solution here; what tells is that it was cut
        {"content": f"<think>{THOUGHT}"},
    ),
    "harmony": (
        {
            "content": f"<|channel|>analysis<|message|>{THOUGHT}<|end|><|start|>assistant"
            f"<|channel|>final<|message|>{SOLUTION}<|return|>"
        },
        {"content": f"<|channel|>analysis<|message|>{THOUGHT}"},
    ),
}  # fmt: skip


def whole(message: dict[str, Any], finish: str) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    usage = {"prompt_tokens": 9, "completion_tokens": 31}
    return orjson.dumps({"id": "r1", "model": "thinker", "choices": [choice], "usage": usage})


def streamed(message: dict[str, Any], finish: str) -> bytes:
    """The message in events: texts of fields in pieces of seven characters, parts one by one."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    for name in sorted(message, key=lambda name: name == "content"):
        value = message[name]
        if isinstance(value, str):
            deltas += [{name: value[start : start + 7]} for start in range(0, len(value), 7)]
        elif value is not None:
            deltas += [{name: [part]} for part in value]
    if "reasoning_content" in message and "reasoning" in message:  # both in each event, as vLLM sends them
        pieces = [delta["reasoning"] for delta in deltas if "reasoning" in delta]
        deltas = [delta for delta in deltas if "reasoning" not in delta and "reasoning_content" not in delta]
        deltas[1:1] = [{"reasoning": piece, "reasoning_content": piece} for piece in pieces]
    events = [{"id": "r1", "model": "thinker", "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    events.append({"model": "thinker", "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    events.append({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 31}})
    lines = [b"data: " + orjson.dumps(event) for event in events]
    return b"\n\n".join([*lines, b"data: [DONE]"]) + b"\n\n"


@pytest.mark.parametrize("send", [whole, streamed])
@pytest.mark.parametrize("name", DIALECTS)
def test_thinking_of_a_whole_answer_is_kept_apart(name: str, send: Any) -> None:
    reading = read(ASK, "k", 200, send(DIALECTS[name][0], "stop"), ["thinker"])
    completion = reading.completion
    assert reading.outcome is CallOutcome.ANSWER
    assert completion.error is None
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (9, 31)
    reply = parts_of(completion.text or "", completion.reasoning)
    assert reply.thinking == THOUGHT
    assert reply.solution == SOLUTION
    assert not reply.unfinished


@pytest.mark.parametrize("send", [whole, streamed])
@pytest.mark.parametrize("name", DIALECTS)
def test_a_reply_cut_while_thinking_is_never_empty_and_has_no_solution(name: str, send: Any) -> None:
    reading = read(ASK, "k", 200, send(DIALECTS[name][1], "length"), ["thinker"])
    completion = reading.completion
    assert (
        reading.outcome is CallOutcome.ANSWER
    )  # so that the larger cap is tried, and nothing is asked again
    assert completion.kind is None
    assert completion.finish_reason == "length"
    assert completion.usage.completion_tokens == 31
    reply = parts_of(completion.text or "", completion.reasoning)
    assert reply.thinking == THOUGHT
    assert reply.solution == ""


def test_a_whole_answer_that_only_thinks_is_empty_and_keeps_its_thinking() -> None:
    reading = read(ASK, "k", 200, whole({"content": None, "reasoning": THOUGHT}, "stop"), ["thinker"])
    assert reading.outcome is CallOutcome.EMPTY
    assert reading.completion.kind is Failure.EMPTY
    assert reading.completion.reasoning == THOUGHT


def test_tokens_of_thinking_are_estimated_where_the_server_counts_none() -> None:
    raw = orjson.dumps(orjson.loads(whole({"content": "4", "reasoning": "x" * 80}, "stop")) | {"usage": None})
    assert read(ASK, "k", 200, raw, ["thinker"]).completion.usage.completion_tokens == 21


@pytest.mark.parametrize(
    "reasoning",
    [7, {"a": 1}, [[[[[[["deep"]]]]]]], [{"type": "reasoning.encrypted", "data": "gAAA"}], [None, 3]],
)
def test_fields_that_hold_no_text_give_no_thinking(reasoning: Any) -> None:
    reading = read(ASK, "k", 200, whole({"content": "4", "reasoning_details": reasoning}, "stop"))
    assert (reading.completion.text, reading.completion.reasoning) == ("4", "")


def test_thinking_is_cleaned_as_solutions_are() -> None:
    reply = parts_of("<think>and inside</think>\\boxed{4}", "\n\u200b<|im_start|>from the server<|im_end|>\n")
    assert reply.thinking == "from the server\nand inside"
    assert reply.solution == "\\boxed{4}"
    assert parts_of("4", "the same").thinking == "the same"
    assert parts_of("<think>the same</think>4", "the same").thinking == "the same"
