"""Continuations of the embedded teacher: the rest of a solution, one step per line, with a check behind each calculation.

A beginning that is its own is gone on with rightly, or with an error at the rates of the character; one that has an error is carried on to a
wrong answer. A check is right about the step that it stands behind unless the error is in the calculation itself.
"""

from __future__ import annotations

import ast
import random
import re
from dataclasses import dataclass

from tasks.critics.error_injection import inject_error
from tasks.critics.recomputing import calculations
from tasks.problems.machinery.family import Problem
from tasks.teacher.character import Character
from tasks.teacher.equations import as_python, worked_text
from tasks.teacher.jobs import Prompted
from tasks.teacher.reading import PromptRequest, known, undressed
from tasks.teacher.solving import in_words

_REQUIRES_CHECKS = re.compile(r"#\s*(?:check:|检查：)")
_NUMBERED = re.compile(r"^\s*\[\d{1,6}\] ?")
_MORE_ERRORS = 3  # times as many as in a single solution: the temperature of a search is high
_MARK = {"en": "# check: ", "zh": "# 检查："}
_ARITHMETIC = (ast.Expression, ast.BinOp, ast.UnaryOp, ast.Constant, ast.operator, ast.unaryop)


@dataclass(frozen=True, slots=True)
class ContinuationRequest:
    """A request for the steps that follow `steps`."""

    question: str
    problem: Problem | None
    steps: tuple[str, ...]


writes_json = False


def read(prompted: Prompted) -> ContinuationRequest | None:
    """Return the problem and the steps so far if the prompt requires checks behind steps."""
    questions = prompted.parts.of("question")
    if not questions or not _REQUIRES_CHECKS.search(prompted.words):
        return None
    shown = prompted.parts.of("solution")
    steps = tuple(_NUMBERED.sub("", line) for line in shown[-1].split("\n")) if shown else ()
    problem = next((one for text in undressed(questions[0]) if (one := known(text)) is not None), None)
    return ContinuationRequest(questions[0], problem, steps)


def answer(
    requested: ContinuationRequest,
    language: str,
    character: Character,
    rng: random.Random,
    *,
    valid_json: bool,
) -> str:
    """Return the steps that are missing, and the answer."""
    worked = requested.problem.worked if requested.problem else worked_text(requested.question, language)
    subdomain = requested.problem.subdomain if requested.problem else None
    if worked is None:
        job = PromptRequest("words", language, requested.question, None, subdomain=subdomain)
        return in_words(job, character, rng)
    steps, value = worked.steps, worked.answer
    place = len(requested.steps)
    wrong = min(0.6, _MORE_ERRORS * character.wrong_rate(subdomain, program=False))
    if requested.steps != steps[:place] or rng.random() < wrong:
        steps, value = inject_error(steps, value, rng)
    lines = [f"{step}{_check(step, language)}" for step in steps[place:]]
    return "\n".join([*lines, rf"\boxed{{{value}}}"])


def _check(step: str, language: str) -> str:
    """Return the check behind a step: its first calculation with numbers alone, empty if it has none."""
    for statement in calculations(step):
        sides = [_python(text) for text in (statement.left_text, statement.right_text)]
        if all(sides) and re.search(r"\d\D+\d", statement.left_text):
            return f"  {_MARK[language]}abs(({sides[0]}) - ({sides[1]})) < 1e-9"
    return ""


def _python(text: str) -> str | None:
    """Return a text as an arithmetic expression of Python, None if it is none."""
    code = as_python(text.strip())
    try:
        tree = ast.parse(code, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return code if all(isinstance(node, _ARITHMETIC) for node in ast.walk(tree)) else None
