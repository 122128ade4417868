"""Conversations: they advance in step, end by themselves or by a failure of ours, and are never paid for twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from storage.reasons import Code
from tasks.answers import Judge
from tasks.conversations import WRITER, Conversation, Held, comparisons, completions, converse, executions
from tasks.llm.engine import Engine
from tasks.llm.request import Completion, Request
from tasks.sandbox import Sandbox

QUESTIONS = [f"Solve for x: {a}x + {b} = {a * 7 + b}." for a, b in ((2, 3), (3, 4), (5, 1), (7, 2))]


def asking(question: str, *turns: str) -> Request:
    roles = ("assistant", "user")
    later = [{"role": roles[place % 2], "content": text} for place, text in enumerate(turns)]
    return Request(
        [{"role": "user", "content": f"Solve: {question}"}, *later], "embedded", seed=5, tag="turns"
    )


def twice_asked(question: str) -> Conversation[list[str]]:
    """Ask, execute a program over what came, and ask again with what it printed."""
    (first,) = yield from completions([asking(question)])
    (result,) = yield from executions([f"print(len({first.text!r}))"])
    (second,) = yield from completions(
        [asking(question, first.text or "", f"{result.stdout} characters. {question}")]
    )
    (same,) = yield from comparisons([(str(result.answer), str(len(first.text or "")))])
    return [first.text or "", result.stdout.strip(), second.text or "", same]


class CountingEngine:
    """An engine that counts the requests of each run."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.endpoint = engine, engine.endpoint
        self.runs: list[int] = []

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        listed = list(requests)
        self.runs.append(len(listed))
        return self.engine.run(listed)


def held_with(
    engine: Any, sandbox: Sandbox | None, judge: Judge | None, questions: list[str]
) -> list[Held[list[str]]]:
    return converse(
        [twice_asked(question) for question in questions],
        {WRITER: engine},
        sandbox=sandbox,
        judge=judge,
        seen=lambda role, completion: None,
    )


def test_all_conversations_take_a_turn_in_one_run(
    engine: Callable[..., Engine], sandbox: Sandbox, judge: Judge
) -> None:
    counting = CountingEngine(engine())
    held = held_with(counting, sandbox, judge, QUESTIONS)
    assert counting.runs == [4, 4]
    for one in held:
        assert one.result is not None
        first, length, second, same = one.result
        assert (length, same) == (str(len(first)), "equal")
        assert second
        assert (one.calls, one.code) == (2, None)


def test_a_stored_turn_is_not_asked_for_again(
    engine: Callable[..., Engine], sandbox: Sandbox, judge: Judge
) -> None:
    half = held_with(engine(), sandbox, judge, QUESTIONS[:2])
    again = engine()
    costs: list[bool] = []
    whole = converse(
        [twice_asked(question) for question in QUESTIONS],
        {WRITER: again},
        sandbox=sandbox,
        judge=judge,
        seen=lambda role, completion: costs.append(completion.cached),
    )
    assert [one.result for one in whole[:2]] == [one.result for one in half]
    assert (costs.count(True), costs.count(False)) == (4, 4)


def test_a_failure_of_ours_ends_one_conversation_and_no_other(
    engine: Callable[..., Engine], sandbox: Sandbox, judge: Judge
) -> None:
    stored = held_with(engine(), sandbox, judge, QUESTIONS[:1])
    offline = held_with(engine(offline=True), sandbox, judge, QUESTIONS[:2])
    assert offline[0].result == stored[0].result
    assert offline[1].result is None
    assert (offline[1].code, offline[1].deferred) == (Code.CALL_FAILED, True)
    assert offline[1].values["kind"] == "offline"
    without = held_with(engine(), None, judge, QUESTIONS[:1])
    assert (without[0].code, without[0].values, without[0].deferred) == (
        Code.PROGRAM_NOT_RUN,
        {"error": "no sandbox"},
        False,
    )


def test_conversations_of_different_lengths_end_each_at_its_own_time(engine: Callable[..., Engine]) -> None:
    def turns(count: int) -> Conversation[int]:
        for number in range(count):
            yield from completions([asking(QUESTIONS[0], *["again"] * number)] * 2)
        return count

    ended: list[int] = []
    counting: Any = CountingEngine(engine())
    held = converse(
        [turns(count) for count in (3, 0, 1)],
        {WRITER: counting},
        seen=lambda role, completion: None,
        ended=lambda: ended.append(1),
    )
    assert [(one.result, one.calls) for one in held] == [(3, 6), (0, 0), (1, 2)]
    assert counting.runs == [4, 2, 2]
    assert len(ended) == 3


def test_a_tool_that_the_stage_is_not_given_is_named(engine: Callable[..., Engine]) -> None:
    def asks_student() -> Conversation[None]:
        yield from completions([asking(QUESTIONS[0])], role="student")

    with pytest.raises(TypeError, match="a conversation needs 'student'"):
        converse([asks_student()], {WRITER: engine()}, seen=lambda role, completion: None)
