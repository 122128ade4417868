"""Flaws of the embedded teacher: wrong solutions of questions that are put together from others are corrected, and explanations have no heads of
steps."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import orjson
import pytest

import prompts
from prompts.schemas import chinese_keys
from tasks.answers import extract
from tasks.critics.error_injection import inject_error
from tasks.critics.recomputing import calculations
from tasks.problems.machinery.family import families, make
from tasks.seeding import rng_of
from tasks.teacher.character import PERFECT, Character
from tasks.teacher.comparing import same_answer
from tasks.teacher.composition import joined, worked_question
from tasks.teacher.jobs import Prompted, flaw
from tasks.teacher.quoting import quoted
from tasks.teacher.solving import MANNERS, laid_out_words

FAMILIES = ("shopping_change", "linear_equation")


def corrected(question: str, solution: str, answer: str, language: str) -> dict[str, object]:
    """Return the teacher's reply to the request to correct a wrong solution."""
    user = prompts.load("nearly_right", language).messages(
        question=question, lines=solution.split("\n"), reference=answer, suspect=None
    )[1]["content"]
    parts = quoted(user)
    requested = flaw.read(Prompted("", parts.rest, parts, language))
    assert requested is not None
    text = flaw.answer(requested, language, Character("x", PERFECT), random.Random(1), valid_json=True)
    reply: dict[str, object] = orjson.loads(text)
    return reply


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("manner", range(MANNERS))
def test_wrong_solutions_of_compound_questions_are_corrected(language: str, manner: int) -> None:
    keys = [
        name if language == "en" else chinese_keys()[name]
        for name in ("first_wrong_line", "corrected", "explanation")
    ]
    first, second = (
        make(families()[name], rng_of(name, manner, language), 1, language).question for name in FAMILIES
    )
    question = joined(first, second, "parallel", language, rng_of(manner))
    worked = worked_question(question, language)
    assert worked is not None
    steps, wrong = inject_error(worked.steps, worked.answer, rng_of("error", manner))
    drawn = rng_of("layout", manner)
    solution = laid_out_words(replace(worked, steps=steps, answer=wrong), language, drawn)
    reply = corrected(question, solution, worked.answer, language)
    place, text, why = (reply[key] for key in keys)
    assert isinstance(place, int), reply
    stated = extract(str(text), language)
    assert stated is not None
    assert same_answer(stated.answer, worked.answer)
    assert not re.search(
        r"“(?:First|Next|Then|After that|Finally|Step \d+):|“(?:首先|接着|然后|随后|最后)，", str(why)
    )


INSERTED = {
    "en": "Ann packs 14 boxes with 12 pens and 9 boxes with 7 pens, and sells 31 pens. How many are left?",
    "zh": "小明装了 14 盒，每盒 12 支笔，又装了 9 盒，每盒 7 支笔，卖掉 31 支。还剩多少支？",
}
RIGHT = {
    "en": ["The first boxes hold 14 * 12 = 168 pens.", "The others hold 9 * 7 = 63 pens.", "Together: 168 + 63 = 231.", "Left: 231 - 31 = 200.", r"\boxed{200}"],
    "zh": ["前面的盒子装 14 * 12 = 168 支。", "其余的装 9 * 7 = 63 支。", "一共：168 + 63 = 231。", "还剩：231 - 31 = 200。", r"\boxed{200}"],
}  # fmt: skip


def inserted(kind: str, line: int, language: str) -> dict[str, object]:
    """Return the teacher's reply to the request to put a flaw of a kind into a right solution, with English keys."""
    user = prompts.load("nearly_right_inserted", language).messages(
        question=INSERTED[language], lines=RIGHT[language], line=line, flaw=kind
    )[1]["content"]
    parts = quoted(user)
    requested = flaw.read(Prompted("", parts.rest, parts, language))
    assert requested is not None
    text = flaw.answer(requested, language, Character("x", PERFECT), random.Random(1), valid_json=True)
    english = {chinese: key for key, chinese in chinese_keys().items()}
    return {english.get(key, key): value for key, value in orjson.loads(text).items()}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    ("kind", "named"),
    [
        ("arithmetic", ("arithmetic", "计算错误")),
        ("formula", ("formula", "公式错误")),
        ("reading", ("reading", "审题错误")),
        ("logic", ("arithmetic", "计算错误")),
    ],
)
def test_a_flaw_of_the_kind_that_is_asked_for_is_inserted(
    kind: str, named: tuple[str, str], language: str
) -> None:
    reply = inserted(kind, 3, language)
    assert reply["flaw_kind"] in named
    place = reply["first_wrong_line"]
    assert isinstance(place, int)
    wrong = str(reply["flawed"]).splitlines()[0]
    assert wrong != RIGHT[language][place - 1]
    stated, right = extract(str(reply["flawed"]), language), extract(str(reply["corrected"]), language)
    assert stated is not None
    assert right is not None
    assert right.answer == "200" != stated.answer
    # a wrong calculation is false as it stands; a condition that was misread, or a wrong rule, is calculated rightly
    true = all(one.true for one in calculations(wrong))
    assert true == (kind in {"formula", "reading"})
