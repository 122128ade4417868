"""Tool-integrated reasoning (ToRA, Gou et al. 2023, arXiv:2309.17452): solutions in words and programs, which are executed in turn.

`interleaved` is the conversation in which a model writes one: words and a program, then it is shown what the program printed, and
so on until it states the answer. `executed` carries out the programs of finished solutions again, so that `tasks.stages.verify`
can compare what they print with what is written there. Both see a program's output in the same way, `output_of`.

A program sees the names that the programs before it have defined, as in a notebook. It is executed together with these, whose
output is hidden, since no process of the sandbox outlives a program. One that was stopped by a limit is left out from then on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from prompts import Prompt
from storage.interleaved import HANDOVER, InterleavedPart, parts_of, written
from storage.reasons import Code
from tasks.answers import extract
from tasks.answers.extraction import with_closed_box
from tasks.conversations import Conversation, completions, executions, request_of_prompt
from tasks.llm.request import Completion
from tasks.replies.programs import ends_in_value, may_change, program
from tasks.replies.solutions import read
from tasks.sandbox import Result, Sandbox, Status

MOST_PROGRAMS: Final = 4  # of a solution; a model that has not stated its answer by then does not get there
CALLS: Final = 2.3  # of a solution, on average (docs/log.md)
MOST_OUTPUT: Final = 1_000  # characters of a program's output that are shown and stored, from its end
CONTINUES: Final = frozenset[Status](
    {"ok", "error", "no_answer"}
)  # how a program ends that later ones build on
# what a program that was stopped is taken to have printed; the same in every run, whatever the limit was
_STOPPED: Final[Mapping[Status, str]] = {
    "time": "TimeoutError: the time limit was reached",
    "memory": "MemoryError: the memory limit was reached",
    "output": "RuntimeError: the program printed too much",
    "denied": "PermissionError: the program tried something that is not allowed",
    "signal": "RuntimeError: the program was ended by a signal",
}
_EARLIER: Final = """\
import contextlib as _contextlib, io as _io
for _earlier in {earlier!r}:
    try:
        with _contextlib.redirect_stdout(_io.StringIO()):
            exec(compile(_earlier, "<earlier>", "exec"), globals())
    except (Exception, SystemExit):
        pass
"""


@dataclass(frozen=True, slots=True)
class Interleaving:
    """An interleaved solution, or with a `code` why there is none; `values` are those of the code's text.

    solution: its canonical text (storage/interleaved.py). reasoning: the thinking of all turns. completions: the keys of its
    calls. programs: how many it executes.
    """

    solution: str = ""
    answer: str | None = None
    reasoning: str | None = None
    code: Code | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    completions: tuple[str, ...] = ()
    programs: int = 0


def interleaved(
    prompt: Prompt,
    variables: Mapping[str, Any],
    *,
    model: str,
    seed: int,
    tag: str,
    sample_index: int = 0,
) -> Conversation[Interleaving]:
    """Return the conversation in which a model writes an interleaved solution to the question of the prompt."""
    parts: list[InterleavedPart] = []
    ran: list[tuple[str, Result]] = []
    turns: list[dict[str, str]] = []
    thoughts: list[str] = []
    keys: list[str] = []

    def ended(code: Code | None = None, **values: Any) -> Interleaving:
        thinking = "\n\n".join(thoughts) or None
        return Interleaving(written(parts), None, thinking, code, values, tuple(keys), len(ran))

    while True:
        request = request_of_prompt(
            prompt,
            variables,
            model=model,
            seed=seed,
            tag=tag,
            turns=turns,
            sample_index=sample_index,
            stop=(HANDOVER,),
        )
        (completion,) = yield from completions([request])
        keys.append(completion.key)
        if completion.error is not None:
            return ended(Code.CALL_FAILED, error=completion.error, kind=str(completion.kind))
        thinking, turn, lack = turn_of(completion)
        thoughts += [thinking] if thinking else []
        parts += turn
        if lack is not None:
            return ended(lack)
        if not turn or turn[-1].kind != "program":
            break
        if len(ran) == MOST_PROGRAMS:
            return ended(Code.TOO_MANY_PROGRAMS, most=str(MOST_PROGRAMS))
        text = turn[-1].text
        (result,) = yield from executions([program_of(text, ran)], twice=may_change(text))
        if result.deterministic is False:
            return ended(Code.PROGRAM_CHANGING)
        ran.append((text, result))
        parts.append(InterleavedPart("output", output_of(text, result)))
        turns += [
            {"role": "assistant", "content": written(turn)},
            {"role": "user", "content": written(parts[-1:])},
        ]
    if not ran:
        return ended(Code.NO_PROGRAM)
    last = with_closed_box(parts[-1].text)
    extraction = extract(last, prompt.language) if parts[-1].kind == "words" else None
    if extraction is None:
        return ended(Code.NO_ANSWER)
    parts[-1] = InterleavedPart("words", last)
    whole = ended()
    return Interleaving(
        whole.solution, extraction.answer, whole.reasoning, None, {}, whole.completions, whole.programs
    )


def turn_of(completion: Completion) -> tuple[str | None, list[InterleavedPart], Code | None]:
    """Return the thinking of a turn, its parts up to its first program, and what it lacks, None if nothing.

    What a model writes after its first program is left out: it invents what the program prints.
    """
    reply = read(completion.text or "", completion.reasoning)
    cut = completion.finish_reason == "length" and not reply.ended
    parts = [part for part in parts_of(reply.solution) if part.kind != "output"]
    first = next((place for place, part in enumerate(parts) if part.kind == "program"), None)
    if first is None and (unnamed := _unnamed(reply.solution, cut)) is not None:
        return reply.thinking, unnamed, None
    if first is None:
        lack = Code.UNFINISHED_THINKING if not parts and (reply.unfinished or reply.thinking) else None
        return reply.thinking, parts, Code.TRUNCATED if cut and lack is None else lack
    block = parts[first]
    if not block.text.strip():
        return reply.thinking, parts[:first], Code.NO_PROGRAM
    if cut and not block.closed:
        return reply.thinking, parts[:first], Code.TRUNCATED
    return reply.thinking, [*parts[:first], InterleavedPart("program", block.text.rstrip())], None


def _unnamed(text: str, cut: bool) -> list[InterleavedPart] | None:
    """Return the words and the program of a turn whose program stands in a block of another kind; None if it has none, or states
    an answer."""
    code = None if "\\boxed" in text else program(text, cut=cut, unfenced=False)
    if code is None:
        return None
    words = re.split(r"^[ \t]*(?:`{3}|~{3}|<|\[)", text, maxsplit=1, flags=re.MULTILINE)[0].strip()
    return [InterleavedPart("words", words)] * bool(words) + [InterleavedPart("program", code.rstrip())]


def program_of(text: str, ran: Sequence[tuple[str, Result]]) -> str:
    """Return the text that executes a program after those that `ran`, of which the output is hidden."""
    earlier = [before for before, result in ran if result.verdict in CONTINUES]
    return f"{_EARLIER.format(earlier=earlier)}{text}" if earlier else text


def output_of(text: str, result: Result) -> str:
    """Return what the program `text` shows: what it prints, or else the value of its last line, and the error that ended it."""
    if result.verdict in _STOPPED:
        return _STOPPED[result.verdict]
    shown = result.stdout.strip("\n")
    if not shown and result.answer and ends_in_value(text):
        shown = result.answer
    if result.verdict == "error":
        shown = f"{shown}\n{result.error}" if shown else result.error or "Error"
    return shown if len(shown) <= MOST_OUTPUT else f"…{shown[-MOST_OUTPUT:]}"


def executed(solutions: Sequence[Sequence[str]], sandbox: Sandbox) -> list[list[Result]]:
    """Return the results of the programs of each solution, up to the first that the sandbox could not run.

    The first programs of all solutions are executed together, then the second ones, and so on. A program whose output may change
    is executed twice, as tasks.sandbox.Sandbox.run does it.
    """
    ran: list[list[tuple[str, Result]]] = [[] for _ in solutions]
    for number in range(max(map(len, solutions), default=0)):
        for twice in (False, True):
            due = [
                i
                for i, programs in enumerate(solutions)
                if number < len(programs)
                and len(ran[i]) == number
                and may_change(programs[number]) == twice
                and not (ran[i] and ran[i][-1][1].verdict == "infra")
            ]
            texts = [program_of(solutions[i][number], ran[i]) for i in due]
            for i, result in zip(due, sandbox.run(texts, twice=twice) if texts else [], strict=True):
                ran[i].append((solutions[i][number], result))
    return [[result for _, result in one] for one in ran]
