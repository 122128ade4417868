"""Conversations: work on one ask that takes several calls, each of which may depend on the answers before it.

A conversation is a generator. It yields what it needs next, calls of a model (`Calls`), programs to execute (`Programs`) or
answers to compare (`Comparisons`), and is sent the completions, results or judgements, in the same order. What it returns is its
result::

    def conversation(question: str) -> Conversation[str]:
        (completion,) = yield from completions([first_request(question)])
        (result,) = yield from executions([program_of(completion)])
        (completion,) = yield from completions([second_request(question, completion, result)])
        return completion.text or ""

`converse` carries out many conversations in step: what all of them need next is asked of the engine, and executed in the sandbox,
in one run each. A conversation may depend on nothing but what it is sent, so that a run that was killed repeats it from the ledger
up to the first call that is not stored. Equal inputs give equal results, in any order and with any number of workers.

A call that failed, unless its model is the cause, or a program that the sandbox could not run ends its conversation: that is a
failure of ours and says nothing about the answer. A refusal or an empty answer is sent to the conversation like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from prompts import Prompt
from storage.reasons import Code
from tasks.answers import Judge
from tasks.llm.engine import Engine
from tasks.llm.request import Completion, Message, Request
from tasks.sandbox import Result, Sandbox

T = TypeVar("T")

WRITER: Final = "writer"  # the role of the model that an ask is sent to


@dataclass(frozen=True, slots=True)
class Calls:
    """Requests for completions. `role`: WRITER, or another key of the engines that `converse` is given, such as "student"."""

    requests: Sequence[Request]
    role: str = WRITER


@dataclass(frozen=True, slots=True)
class Programs:
    """Programs to execute. `twice` as in tasks.sandbox.Sandbox.run."""

    programs: Sequence[str]
    twice: bool = False


@dataclass(frozen=True, slots=True)
class Comparisons:
    """Pairs of answers to compare."""

    pairs: Sequence[tuple[str, str]]


Need = Calls | Programs | Comparisons
Conversation = Generator[Need, list[Any], T]


def completions(requests: Sequence[Request], role: str = WRITER) -> Conversation[list[Completion]]:
    """Return one completion per request, to be used with `yield from`."""
    return (yield Calls(requests, role)) if requests else []


def executions(programs: Sequence[str], *, twice: bool = False) -> Conversation[list[Result]]:
    """Return one result per program, to be used with `yield from`."""
    return (yield Programs(programs, twice)) if programs else []


def comparisons(pairs: Sequence[tuple[str, str]]) -> Conversation[list[str]]:
    """Return "equal", "different" or "unknown" per pair, to be used with `yield from`."""
    return (yield Comparisons(pairs)) if pairs else []


def together(conversations: Sequence[Conversation[T]]) -> Conversation[list[T]]:
    """Return the results of several conversations that advance in step inside one, to be used with `yield from`."""
    results: dict[int, T] = {}
    needs: dict[int, Need] = {}

    def advance(number: int, sent: list[Any] | None) -> None:
        try:
            needs[number] = next(conversations[number]) if sent is None else conversations[number].send(sent)
        except StopIteration as stop:
            results[number] = stop.value
            needs.pop(number, None)

    for number in range(len(conversations)):
        advance(number, None)
    while needs:
        alike: dict[tuple[object, ...], list[tuple[int, Need]]] = {}
        for number, need in needs.items():
            alike.setdefault(_kind_of(need), []).append((number, need))
        for group in alike.values():
            answers = iter((yield _joined([need for _, need in group])))
            for number, need in group:
                advance(number, [next(answers) for _ in _inside(need)])
    return [results[number] for number in range(len(conversations))]


def _kind_of(need: Need) -> tuple[object, ...]:
    match need:
        case Calls(role=role):
            return Calls, role
        case Programs(twice=twice):
            return Programs, twice
        case _:
            return (Comparisons,)


def _inside(need: Need) -> Sequence[Any]:
    match need:
        case Calls(requests=requests):
            return requests
        case Programs(programs=programs):
            return programs
        case _:
            return need.pairs


def _joined(needs: Sequence[Need]) -> Need:
    every = [one for need in needs for one in _inside(need)]
    match needs[0]:
        case Calls(role=role):
            return Calls(every, role)
        case Programs(twice=twice):
            return Programs(every, twice)
        case _:
            return Comparisons(every)


@dataclass(slots=True)
class Held(Generic[T]):
    """What became of a conversation.

    result: None if it was interrupted. code, values: why it was, a code of storage.reasons.FAILURES and the values of its text.
    calls: how many calls of the WRITER it took. last: the last completion of the WRITER, None if it had none.
    deferred: whether it was interrupted by a call that a later run sends.
    """

    result: T | None = None
    code: Code | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    calls: int = 0
    last: Completion | None = None
    deferred: bool = False


def request_of_prompt(
    prompt: Prompt,
    variables: Mapping[str, Any],
    *,
    model: str,
    seed: int,
    tag: str,
    turns: Sequence[Message] = (),
    sample_index: int = 0,
    stop: Sequence[str] = (),
) -> Request:
    """Return the request of a prompt, with the later `turns` of its conversation.

    All turns of a conversation have the same seed and sample index, so that one model of a mix answers them all.
    """
    return Request(
        messages=[*prompt.messages(**variables), *turns],
        model=model,
        temperature=prompt.front.temperature,
        top_p=prompt.front.top_p,
        max_tokens=prompt.front.max_tokens,
        longer=prompt.front.longer,
        seed=seed,
        sample_index=sample_index,
        response_schema=prompt.response_schema,
        stop=stop,
        tag=tag,
    )


def converse(
    conversations: Sequence[Conversation[T]],
    engines: Mapping[str, Engine],
    *,
    sandbox: Sandbox | None = None,
    judge: Judge | None = None,
    seen: Callable[[str, Completion], None],
    ended: Callable[[], None] = lambda: None,
) -> list[Held[T]]:
    """Carry out the conversations, and return what became of each, in their order.

    engines: by role, WRITER among them. sandbox: None: a conversation that needs it ends, as one whose program could not be run.
    seen: is called with the role and the completion of every call, for the costs. ended: is called when a conversation ends.

    Raises as Engine.run, and TypeError if a conversation needs an engine or a judge that is not given.
    """
    held: list[Held[T]] = [Held() for _ in conversations]
    needs: dict[int, Need] = {}

    def advance(number: int, sent: list[Any] | None) -> None:
        try:
            needs[number] = next(conversations[number]) if sent is None else conversations[number].send(sent)
        except StopIteration as stop:
            held[number].result = stop.value
            needs.pop(number, None)
            ended()

    def interrupt(number: int, code: Code, **values: str) -> None:
        held[number].code, held[number].values = code, values
        conversations[number].close()
        del needs[number]
        ended()

    for number in range(len(conversations)):
        advance(number, None)
    while needs:
        current = list(needs.items())
        for role in sorted({need.role for _, need in current if isinstance(need, Calls)}):
            asking = [(i, need) for i, need in current if isinstance(need, Calls) and need.role == role]
            answers = _given(engines, role).run(request for _, need in asking for request in need.requests)
            received = [(i, [next(answers) for _ in need.requests]) for i, need in asking]
            for i, batch in received:
                for completion in batch:
                    seen(role, completion)
                if role == WRITER:
                    held[i].calls += len(batch)
                    held[i].last = batch[-1]
                lost = next((one for one in batch if one.error is not None and not one.failed_by_model), None)
                if lost is None:
                    advance(i, batch)
                else:
                    held[i].deferred = any(one.deferred for one in batch)
                    interrupt(i, Code.CALL_FAILED, error=str(lost.error), kind=str(lost.kind))
        for twice in (False, True):
            running = [(i, need) for i, need in current if isinstance(need, Programs) and need.twice == twice]
            results = iter(_executed([text for _, need in running for text in need.programs], sandbox, twice))
            for i, need in running:
                ran = [next(results) for _ in need.programs]
                failed = next((one for one in ran if one.verdict == "infra"), None)
                if failed is None:
                    advance(i, ran)
                else:
                    interrupt(i, Code.PROGRAM_NOT_RUN, error=failed.error or "")
        comparing = [(i, need) for i, need in current if isinstance(need, Comparisons)]
        if comparing:
            judgements = iter(
                _given({"judge": judge}, "judge").equal([p for _, n in comparing for p in n.pairs])
            )
            for i, compared in comparing:
                advance(i, [next(judgements) for _ in compared.pairs])
    return held


G = TypeVar("G")


def _given(tools: Mapping[str, G | None], name: str) -> G:
    if (tool := tools.get(name)) is None:
        raise TypeError(f"a conversation needs {name!r}, which its stage is not given")
    return tool


def _executed(programs: Sequence[str], sandbox: Sandbox | None, twice: bool) -> list[Result]:
    if sandbox is None:
        return [Result("infra", error="no sandbox")] * len(programs)
    return sandbox.run(programs, twice=twice) if programs else []
