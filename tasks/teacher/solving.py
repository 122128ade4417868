"""Solutions of the embedded teacher: in words or as a program, in several layouts, with seeded errors."""

from __future__ import annotations

import ast
import functools
import random
import re
from fractions import Fraction

from tasks.critics.error_injection import inject_error
from tasks.problems.machinery.family import Problem, Worked
from tasks.teacher.character import Character
from tasks.teacher.composition import worked_compound
from tasks.teacher.equations import worked_text
from tasks.teacher.named_results import worked_named
from tasks.teacher.reading import PromptRequest
from tasks.text.arithmetic import number

MANNERS = 5  # ways to lay out a solution in words
LAYOUTS = 4  # ways to lay out a program


def in_words(job: PromptRequest, character: Character, rng: random.Random) -> str:
    """Return steps and a boxed answer; wrong, without a box, or "I do not know" at the rates of the character."""
    worked = solution_of(job)
    if worked is None:
        return _unknown_in_words(job, character, rng)
    fault = fault_of(character, job.subdomain, rng, program=False)
    steps, answer = worked.steps, worked.answer
    if fault == "wrong":
        steps, answer = inject_error(steps, answer, rng)
    return _laid_out(steps, answer, job.language, rng, boxed=fault != "malformed")


def in_program(job: PromptRequest, character: Character, rng: random.Random) -> str:
    """Return one fenced program; with a bug or without its fence at the rates of the character."""
    worked = solution_of(job)
    if worked is None:
        return _unknown_in_program(job, character, rng)
    fault = fault_of(character, job.subdomain, rng, program=True)
    code = laid_out_program(worked.program, rng.randrange(LAYOUTS))
    if fault == "wrong":
        code = with_bug(code, rng)
    return _fenced(code, job.language, rng, closed=fault != "malformed")


def fault_of(character: Character, subdomain: str | None, rng: random.Random, *, program: bool) -> str | None:
    """Return "wrong", "malformed" or None, at the rates of the character."""
    drawn = rng.random()
    wrong = character.wrong_rate(subdomain, program=program)
    if drawn < wrong:
        return "wrong"
    return "malformed" if drawn < wrong + (1 - wrong) * character.rates.malformed else None


_OPENINGS = {
    "en": ("Let us work through this.", "We solve it step by step.", "Start from what is given."),
    "zh": ("我们一步一步来。", "先看已知条件。", "下面逐步求解。"),
}
_CLOSINGS = {
    "en": ("The answer is:", "Therefore:", "So we get:"),
    "zh": ("因此答案是：", "所以：", "综上："),
}
_ORDER = {
    "en": ("First", "Next", "Then", "After that", "Finally"),
    "zh": ("首先", "接着", "然后", "随后", "最后"),
}


def laid_out_words(worked: Worked, language: str, rng: random.Random) -> str:
    """Return a worked solution in words, with its answer in a box, in one of MANNERS layouts."""
    return _laid_out(worked.steps, worked.answer, language, rng, boxed=True)


def _laid_out(steps: tuple[str, ...], answer: str, language: str, rng: random.Random, *, boxed: bool) -> str:
    manner = rng.randrange(MANNERS)
    zh = language == "zh"
    lines = list(steps)
    if manner == 0:
        lines = [f"第 {i} 步：{step}" if zh else f"Step {i}: {step}" for i, step in enumerate(steps, 1)]
    elif manner == 1:
        lines = [rng.choice(_OPENINGS[language]), *steps]
    elif manner == 2:
        lines = [f"{i}. {step}" for i, step in enumerate(steps, 1)]
    elif manner == 3:
        lines = [ordered(i, len(steps), step, language) for i, step in enumerate(steps)]
    if rng.random() < 0.4:
        lines.append(closing_line(language, rng))
    if boxed:
        lines.append(rf"\boxed{{{answer}}}")
    elif rng.random() < 0.5:
        lines.append(f"答案：{answer}" if zh else f"Answer: {answer}")
    else:
        lines.append(rf"\boxed{{{answer}")
    return "\n".join(lines)


def closing_line(language: str, rng: random.Random) -> str:
    """Return a line that leads to the answer."""
    return rng.choice(_CLOSINGS[language])


def ordered(index: int, count: int, step: str, language: str) -> str:
    """Return step `index` of `count`, from 0, behind a word of order."""
    first, *between, last = _ORDER[language]
    word = first if not index else last if index == count - 1 else between[(index - 1) % len(between)]
    return f"{word}，{step}" if language == "zh" else f"{word}: {step}"


@functools.lru_cache(maxsize=4096)
def laid_out_program(code: str, layout: int) -> str:
    """Return the program in one of LAYOUTS layouts: unchanged, with a name for the answer, with a comment, or in a function."""
    body = re.sub(r"\n{3,}", "\n\n", code.strip()) if layout == 3 else code.strip()
    head, _, last = body.rpartition("\n")
    shown = _printed(last)
    if layout == 0 or shown is None:
        return body
    if layout == 1:
        return "\n".join(filter(None, [head, f"answer = {shown}", "print(answer)"]))
    if layout == 2:
        return "\n".join(filter(None, [head, "# the answer", last]))
    lines = head.split("\n") if head else []
    imports = [line for line in lines if line.startswith(("from ", "import "))]
    inner = [line for line in lines if line not in imports]
    while inner and not inner[0]:
        inner.pop(0)
    indented = [f"    {line}" if line else line for line in [*inner, f"return {shown}"]]
    return "\n".join([*imports, "", "", "def solve_it():", *indented, "", "", "print(solve_it())"]).lstrip(
        "\n"
    )


def laid_out_code(worked: Worked, language: str, rng: random.Random) -> str:
    """Return a worked solution as a fenced program, in one of LAYOUTS layouts."""
    return _fenced(laid_out_program(worked.program, rng.randrange(LAYOUTS)), language, rng, closed=True)


def _printed(line: str) -> str | None:
    """Return the expression that a line prints, if the line is a print of exactly one, else None."""
    try:
        body = ast.parse(line).body
    except SyntaxError:
        return None
    call = body[0].value if len(body) == 1 and isinstance(body[0], ast.Expr) else None
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "print"):
        return None
    if len(call.args) != 1 or call.keywords or isinstance(call.args[0], ast.Starred):
        return None
    return ast.get_source_segment(line, call.args[0])


def _fenced(code: str, language: str, rng: random.Random, *, closed: bool) -> str:
    if not closed:
        return code if rng.random() < 0.5 else f"```python\n{code.rsplit('print(', 1)[0]}"
    opening = ("", "The program below computes it.\n\n") if language == "en" else ("", "程序如下。\n\n")
    return f"{rng.choice(opening) if rng.random() < 0.3 else ''}```python\n{code}\n```"


_LITERAL = re.compile(r"(?<![\w.'\"])\d+(?![\w.'\"])")


def with_bug(code: str, rng: random.Random) -> str:
    """Return the program with one bug: mostly a wrong number, rarely an exception, no print, or an endless loop."""
    drawn = rng.random()
    if drawn < 0.08:
        return (
            code.replace("print(", "while True:\n    pass\nprint(", 1)
            if "\n    " not in code
            else _endless(code)
        )
    if drawn < 0.18 and "print(" in code:
        head, _, tail = code.rpartition("print(")
        return f"{head}result = ({tail}" if tail.endswith(")") else code
    if drawn < 0.32:
        return (
            code.replace("print(", "print(total + ", 1) if "total" not in code else f"import mathlib\n{code}"
        )
    body_at = max(
        (match.end() for match in re.finditer(r"^(?:from|import) .*$", code, re.MULTILINE)), default=0
    )
    spots = [match for match in _LITERAL.finditer(code) if match.start() >= body_at]
    if not spots:
        return f"import mathlib\n{code}"
    weights = [1 + 3 * (match.group(0) not in "012") for match in spots]
    spot = rng.choices(spots, weights)[0]
    wrong = str(int(spot.group(0)) + rng.choice((1, 1, 2, 10)))
    return code[: spot.start()] + wrong + code[spot.end() :]


def _endless(code: str) -> str:
    head, _, last = code.rpartition("\n")
    return f"{head}\nwhile True:\n    pass\n{last}"


_ASKS = re.compile(
    r"\\|=|\b(?:solve|find|compute|prove|evaluate|calculate|how|what|why|which|when)\b|求|解|计算|证明|多少|什么|哪|谁|几",
    re.IGNORECASE,
)
_INTRODUCTION = {
    "en": "I am a small rule-based mathematics teacher. Give me a problem to solve, a solution to judge, or a topic to write problems about.",
    "zh": "我是一个基于规则的数学老师。你可以让我解题、评判解答，或者按知识点出题。",
}


def _unknown_in_words(job: PromptRequest, character: Character, rng: random.Random) -> str:
    zh = job.language == "zh"
    numbers = _numbers(job.question)
    if not numbers and not _ASKS.search(job.question):
        return _INTRODUCTION[job.language]
    if len(numbers) < 2 or rng.random() < character.rates.give_up:
        return (
            "我不会做这道题，给不出可靠的答案。"
            if zh
            else "I do not know how to solve this problem, so I will not box an answer."
        )
    steps, value = _guess(numbers, rng)
    lines = [
        "我不确定这个方法对不对，先试一试。"
        if zh
        else "I am not sure of this approach, but here is my attempt.",
        *steps,
    ]
    return "\n".join([*lines, rf"\boxed{{{value}}}"])


def _unknown_in_program(job: PromptRequest, character: Character, rng: random.Random) -> str:
    numbers = _numbers(job.question)
    if len(numbers) < 2 or rng.random() < character.rates.give_up:
        return (
            "我不会为这道题编写程序。"
            if job.language == "zh"
            else "I do not know how to write a program for this problem."
        )
    steps, _ = _guess(numbers, rng)
    expression = re.sub(r" = .*", "", steps[0])
    code = [f"value = {expression}"] + [
        f"value = value{re.sub(r'^-?[0-9]+', '', re.sub(r' = .*', '', step))}" for step in steps[1:]
    ]
    note = "# 不确定\n" if job.language == "zh" else "# not sure of this\n"
    return f"```python\n{note}{chr(10).join(code)}\nprint(value)\n```"


def _numbers(question: str) -> list[int]:
    values = [number(text) for text in re.findall(r"(?<![\w.])\d{1,9}(?![\w.]*\d)", question)]
    return [int(value) for value in values if value is not None and value.denominator == 1]


def _guess(numbers: list[int], rng: random.Random) -> tuple[list[str], int]:
    """Return a chain of operations on the numbers of the question, with correct arithmetic, and its value."""
    total, steps = Fraction(numbers[0]), []
    for value in numbers[1:4]:
        operation = rng.choice("+-*+")
        before = total
        total = {"+": total + value, "-": total - value, "*": total * value}[operation]
        steps.append(f"{before} {operation} {value} = {total}")
    return steps, int(total)


def solution_of(job: PromptRequest) -> Worked | None:
    """Return the teacher's solution of the question without injected errors, or None if it does not know it."""
    if isinstance(job.problem, Problem):
        return job.problem.worked
    return (
        worked_compound(job.question)
        or worked_named(job.question, job.language)
        or worked_text(job.question, job.language)
    )
