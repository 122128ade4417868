"""Solutions with their thinking, and solutions by a plan: what a prompt asks for that requires the marks of thinking, or a line with the plan.

The thinking tries a result, doubts it and calculates again. At the rates of the character the result is wrong, the thinking never ends, or
there is none.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from tasks.critics.error_injection import inject_error
from tasks.critics.recomputing import calculations
from tasks.problems.machinery.family import Worked
from tasks.teacher.character import Character
from tasks.teacher.composition import worked_question
from tasks.teacher.jobs import Prompted
from tasks.teacher.reading import PromptRequest, known
from tasks.teacher.solving import in_words, laid_out_words

Manner = Literal["thinking", "plan"]

_THINKING = re.compile(r"<think>.{0,40}</think>")
_PLAN = re.compile(r'"Plan: |“思路：')
_CHECKED = re.compile(r"\bStrategy, with checks\b|策略：边算边验")
_BACKWARDS = re.compile(r"\bStrategy, backwards\b|策略：分析法")
_PLANS = {
    ("en", "checked"): "Plan: calculate step by step and check each result by the inverse operation.",
    ("en", "backwards"): "Plan: see what the result follows from, and calculate that first.",
    ("en", ""): "Plan: calculate from what is given to what is asked.",
    ("zh", "checked"): "思路：逐步计算，每步用逆运算检验。",
    ("zh", "backwards"): "思路：先看所求由什么得出，再从那里算起。",
    ("zh", ""): "思路：从已知逐步算到所求。",
}
_DOUBTS = {
    "en": ("Let me see.", "Is that right? At first I get {}. Let me do it again.", "Yes, this holds: {}."),
    "zh": ("先想一想。", "对吗？一开始我得到 {}。再算一遍。", "是的，结果是 {}。"),
}


@dataclass(frozen=True, slots=True)
class SolutionRequest:
    """A request for a solution with its thinking, or with its plan and by a `strategy`."""

    question: str
    manner: Manner
    strategy: str = ""


writes_json = False


def read(prompted: Prompted) -> SolutionRequest | None:
    """Return the problem if the prompt requires thinking between its marks, or a line with the plan."""
    questions, words = prompted.parts.of("question"), prompted.words
    if not questions:
        return None
    if _THINKING.search(words):
        return SolutionRequest(questions[0], "thinking")
    if not _PLAN.search(words):
        return None
    strategy = "checked" if _CHECKED.search(words) else "backwards" if _BACKWARDS.search(words) else ""
    return SolutionRequest(questions[0], "plan", strategy)


def answer(
    requested: SolutionRequest, language: str, character: Character, rng: random.Random, *, valid_json: bool
) -> str:
    """Return the solution behind its thinking or its plan."""
    worked = worked_question(requested.question, language)
    if worked is None:
        job = PromptRequest("words", language, requested.question)
        return in_words(job, character, rng)
    problem = known(requested.question)
    right = worked
    if rng.random() < character.wrong_rate(problem.subdomain if problem else None, program=False):
        steps, result = inject_error(worked.steps, worked.answer, rng)
        worked = replace(worked, steps=steps, answer=result)
    if requested.manner == "plan":
        return _planned(worked, requested.strategy, language, character, rng)
    solution = laid_out_words(worked, language, rng)
    drawn = rng.random()
    if drawn < character.rates.malformed:
        return f"<think>\n{_thoughts(worked, right, language, rng)}"
    if drawn < 2 * character.rates.malformed:
        return solution
    return f"<think>\n{_thoughts(worked, right, language, rng)}\n</think>\n\n{solution}"


def _thoughts(worked: Worked, right: Worked, language: str, rng: random.Random) -> str:
    opening, doubt, sure = _DOUBTS[language]
    lines = [opening, *worked.steps]
    if rng.random() < 0.5:
        _, mistaken = inject_error(right.steps, right.answer, rng)
        lines = [opening, doubt.format(mistaken), *worked.steps]
    return "\n".join([*lines, sure.format(worked.answer)])


def _planned(worked: Worked, strategy: str, language: str, character: Character, rng: random.Random) -> str:
    steps = worked.steps
    if strategy == "checked":
        steps = tuple(line for step in steps for line in (step, *_checks(step, language)))
        if steps == worked.steps:  # nothing that an inverse operation checks: the plan does not promise it
            strategy = ""
    text = laid_out_words(replace(worked, steps=steps), language, rng)
    plan = _PLANS[language, strategy]
    return text if rng.random() < character.rates.malformed else f"{plan}\n{text}"


_PRODUCT_OR_SUM = re.compile(r"(\d{1,9}) ?(\*|\\times|\\cdot|\+) ?(\d{1,9})")


def _checks(step: str, language: str) -> list[str]:
    """Return the checks of the products and sums of a step by the inverse operation."""
    checks = []
    for statement in calculations(step):
        match = _PRODUCT_OR_SUM.fullmatch(statement.left_text.strip())
        if match is None or not statement.true or statement.right.denominator != 1:
            continue
        first, second = Fraction(match[1]), Fraction(match[3])
        if match[2] == "+":
            check = f"{statement.right} - {second} = {first}"
        elif second:
            check = f"{statement.right} / {second} = {first}"
        else:
            continue
        if "$" in step:
            check = f"${check}$"
        checks.append(f"检验：{check}。" if language == "zh" else f"Check: {check}.")
    return checks
