"""Interleaved solutions of the embedded teacher: a plan in words and a program, then what the program's output means.

Some programs come in two halves, of which the second uses the names of the first, and some stop with an error, which the teacher
sees in the output and corrects. The answer is what the programs print: the teacher does not compute it in another way, so that
a program with a bug leads to a wrong answer.
"""

from __future__ import annotations

import ast
import random
import re
from dataclasses import dataclass

from tasks.problems.machinery.family import Problem
from tasks.teacher.character import Character
from tasks.teacher.comparing import same_answer
from tasks.teacher.equations import worked_text
from tasks.teacher.jobs import Prompted
from tasks.teacher.quoting import quoted
from tasks.teacher.reading import PromptRequest, known, language_of_prompt, undressed
from tasks.teacher.solving import fault_of, in_program

_OUTPUT = re.compile(r"\A\s*`{3,}output[ \t]*\n(.*?)\n?`{3,}\s*\Z", re.DOTALL)
_ASKED = re.compile(r"```output")
_ERROR = re.compile(r"^\w*Error\b", re.MULTILINE)
_FORMULA = re.compile(r"[\\^_{]")  # of a value that words have between dollar signs
_SPLIT, _CORRECTED = 0.25, 0.15  # shares of solutions in two programs, and with a program that is corrected

_PLAN = {
    "en": ("From what is given: {}", "We begin with this. {}", "We set it up in words first. {}"),
    "zh": ("由已知条件：{}", "先列出关系：{}", "先用文字列式：{}"),
}
_COMPUTE = {
    "en": ("The computation is left to a program.", "A short program does the rest.", "We compute it."),
    "zh": ("其余的计算交给程序。", "下面用一小段程序来算。", "用程序计算如下。"),
}
_HALF = {
    "en": "The first part gives {}. The next program goes on from it.",
    "zh": "第一步得到 {}，接着往下算。",
}
_CORRECTION = {
    "en": "The program stopped with an error ({}), so nothing was computed. We correct it.",
    "zh": "程序报错（{}），没有得到结果，改正如下。",
}
_MEANING = {
    "en": ("The program prints {}, which is what is asked for.", "So the value asked for is {}."),
    "zh": ("程序输出 {}，这就是所求。", "所以所求的值是 {}。"),
}
_NOTHING = {
    "en": "The program did not give a value, so no answer can be stated.",
    "zh": "程序没有给出结果，无法写出答案。",
}


@dataclass(frozen=True, slots=True)
class InterleavedRequest:
    """A request for the next turn of an interleaved solution. `programs` are those written so far, `outputs` what they printed."""

    question: str
    problem: Problem | None
    language: str
    programs: tuple[str, ...]
    outputs: tuple[str, ...]


writes_json = False


def read(prompted: Prompted) -> InterleavedRequest | None:
    """Return the question and the turns so far if the first message says that outputs are shown in blocks of their own."""
    task = next((text for role, text in prompted.turns if role == "user"), "")
    parts = quoted(task)
    if not _ASKED.search(parts.rest) or not parts.of("question"):
        return None
    question = parts.of("question")[0]
    problem = next((one for text in undressed(question) if (one := known(text)) is not None), None)
    outputs = tuple(
        match[1] for role, text in prompted.turns if role == "user" and (match := _OUTPUT.match(text))
    )
    programs = tuple(
        block for role, text in prompted.turns if role == "assistant" for _, block in quoted(text).blocks[-1:]
    )
    language = problem.language if problem is not None else language_of_prompt(task, parts)
    return InterleavedRequest(question, problem, language, programs, outputs)


def answer(
    requested: InterleavedRequest,
    language: str,
    character: Character,
    rng: random.Random,
    *,
    valid_json: bool,
) -> str:
    """Return the next turn: a program behind words, or the meaning of the last output with the answer in a box."""
    language = requested.language
    worked = requested.problem.worked if requested.problem else worked_text(requested.question, language)
    request = PromptRequest(
        "program",
        language,
        requested.question,
        requested.problem,
        subdomain=requested.problem.subdomain if requested.problem else None,
    )
    if not requested.outputs:
        if worked is None:
            return in_program(request, character, rng)
        words = f"{rng.choice(_PLAN[language]).format(worked.steps[0])}\n{rng.choice(_COMPUTE[language])}"
        drawn = rng.random()
        halves = _halves(worked.program)
        if halves and drawn < _SPLIT:
            return f"{words}\n\n{_block(halves[0])}"
        if _SPLIT <= drawn < _SPLIT + _CORRECTED:
            return f"{words}\n\n{_block(_stopping(worked.program))}"
        return f"{words}\n\n{in_program(request, character, rng)}"
    last = requested.outputs[-1].strip()
    if _ERROR.search(last) and worked is not None and len(requested.outputs) < 3:
        error = last.splitlines()[-1]
        return f"{_CORRECTION[language].format(error)}\n\n{_block(worked.program.strip())}"
    halves = _halves(worked.program) if worked is not None else None
    if halves and requested.programs and requested.programs[-1].strip() == halves[0]:
        return f"{_HALF[language].format(last)}\n\n{_block(halves[1])}"
    if not last or _ERROR.search(last):
        return _NOTHING[language]
    return _stated(last.splitlines()[-1], worked.answer if worked else "", language, character, rng)


def _stated(printed: str, expected: str, language: str, character: Character, rng: random.Random) -> str:
    """Return the meaning of an output and the answer, as the teacher writes it where it knows it, else as it is printed."""
    value = expected if expected and same_answer(printed, expected) else printed
    shown = f"${value}$" if _FORMULA.search(value) else value
    text = rng.choice(_MEANING[language]).format(shown)
    fault = fault_of(character, None, rng, program=True)
    return text if fault == "malformed" and rng.random() < 0.5 else f"{text}\n\\boxed{{{value}}}"


def _block(program: str) -> str:
    return f"```python\n{program}\n```"


def _halves(program: str) -> tuple[str, str] | None:
    """Return a program in two, the first of which prints what it assigned last; None if it has no such place."""
    statements = ast.parse(program).body
    lines = program.strip().split("\n")
    for place in range(len(statements) - 2, 0, -1):
        one = statements[place]
        end = one.end_lineno or 1
        target = one.targets[0] if isinstance(one, ast.Assign) else None
        if isinstance(target, ast.Name) and "symbols(" not in lines[end - 1]:
            return "\n".join([*lines[:end], f"print({target.id})"]), "\n".join(lines[end:])
    return None


def _stopping(program: str) -> str:
    """Return the program without an import that it needs, or with a name that is not defined."""
    lines = program.strip().split("\n")
    kept = [line for line in lines if not line.startswith(("from ", "import "))]
    if len(kept) < len(lines) and kept:
        return "\n".join(kept)
    return "\n".join([*lines[:-1], "print(value_asked_for)"])
