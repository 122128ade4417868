"""Harder problems: one step further, under a further condition, or another problem of the field at the highest level.

At the rates of the character the problem comes back as it was or only in other words, or lacks a number.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from tasks.problems.machinery.family import families
from tasks.problems.machinery.family import make as draw
from tasks.teacher.character import Character
from tasks.teacher.composition import worked_question
from tasks.teacher.compound import write
from tasks.teacher.jobs import Prompted, in_chinese, names_key, written
from tasks.teacher.jobs.rephrase import reworded
from tasks.teacher.reading import known
from tasks.teacher.topics import choose_families, subdomain_in
from tasks.teacher.writing import flawed
from tasks.text.arithmetic import number

HARDEST = 3  # the highest level of a family
_WIDER = re.compile(r"\bwider\b|拓宽")
_CONSTRAINT = re.compile(r"\bconstraint\b|加条件")


@dataclass(frozen=True, slots=True)
class HarderRequest:
    """A request for a problem that is harder than `question`: deeper, under a constraint, or wider."""

    question: str
    strategy: str
    subdomain: str | None
    chinese_keys: bool


writes_json = True


def read(prompted: Prompted) -> HarderRequest | None:
    """Return the problem and the strategy if the prompt requires a harder one."""
    questions = prompted.parts.of("question")
    if not questions or not names_key(prompted.words, "evolved"):
        return None
    words = prompted.words
    strategy = "wider" if _WIDER.search(words) else "constraint" if _CONSTRAINT.search(words) else "deeper"
    return HarderRequest(questions[0], strategy, subdomain_in(words, _WIDER), in_chinese("evolved", words))


def answer(
    requested: HarderRequest, language: str, character: Character, rng: random.Random, *, valid_json: bool
) -> str:
    """Return JSON with the harder problem."""
    text, rates = _harder(requested, language, rng), character.rates
    careless = rng.random()
    if careless < rates.repeat:
        text = requested.question
    elif careless < rates.repeat + rates.near_duplicate / 2:
        text = reworded(requested.question, language, rng)
    elif careless < rates.repeat + rates.near_duplicate / 2 + rates.flawed:
        text = flawed(text, rng)
    worked = worked_question(text, language)
    zh = language == "zh"
    record = {
        "plan": "在原题的结果上再进一步。"
        if zh
        else "The result of the old problem is not the end of the new one.",
        "evolved": text,
        "check": _checked(worked.answer if worked else None, zh=zh),
        "sound": worked is not None or rng.random() < 0.5,  # a careless writer does not look again
        "difficulty": min(5, rng.randint(2, 3) + (requested.strategy != "constraint")),
    }
    return written(record, [record], character, rng, valid_json=valid_json, chinese=requested.chinese_keys)


def _checked(answer: str | None, *, zh: bool) -> str:
    if answer is None:
        return "题目条件不全，无法确定结果。" if zh else "Something is missing, so no answer follows."
    return f"条件齐全，唯一的结果是 {answer}。" if zh else f"All data are given; the only answer is {answer}."


def _harder(requested: HarderRequest, language: str, rng: random.Random) -> str:
    worked = worked_question(requested.question, language)
    value = number(worked.answer) if worked else None
    if requested.strategy == "wider" or (worked is not None and value is None):
        return _wider(requested, language, rng)
    if requested.strategy == "constraint" and (value is None or (value.denominator == 1 and value > 9)):
        return write("remainder", language, first=requested.question, divisor=rng.randint(3, 9))
    factor, addend = rng.randint(2, 9), rng.randint(3, 60)
    return write("further", language, first=requested.question, factor=factor, addend=addend)


def _wider(requested: HarderRequest, language: str, rng: random.Random) -> str:
    """Return a problem at the highest level, of another family of its subdomain, or of the one that the prompt names."""
    problem = known(requested.question)
    choice = choose_families(problem.subdomain if problem else requested.subdomain)
    others = [family for family in choice if problem is None or family.name != problem.family]
    return draw(rng.choice(others or list(families().values())), rng, HARDEST, language).question
