"""Problems in other words: one that a family wrote in another phrasing of that family, another one with its sentences in another order.

At the rates of the character a number is changed, the JSON is broken, or the text comes back as it was.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from tasks.problems.machinery.family import Problem, families
from tasks.teacher.character import Character
from tasks.teacher.jobs import Prompted, in_chinese, names_key, written
from tasks.teacher.reading import known

_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z\\$])|(?<=[。！？])")
_NUMBER = re.compile(r"(?<![\w.])\d+(?![\w.]*\d)")
_GIVEN = {
    "en": ("{} Here is what is known: {}", "{} To find it, use the following. {}"),
    "zh": ("{}已知：{}", "{}条件如下：{}"),
}
_ALONE = {"en": "Here is a task. {}", "zh": "有这样一个问题：{}"}


@dataclass(frozen=True, slots=True)
class RewordingRequest:
    """A request for a problem in other words, with Chinese keys or with English ones."""

    question: str
    chinese_keys: bool


writes_json = True


def read(prompted: Prompted) -> RewordingRequest | None:
    """Return the problem if the prompt requires a rewording."""
    questions = prompted.parts.of("question")
    if not questions or not names_key(prompted.words, "rewording"):
        return None
    return RewordingRequest(questions[0], in_chinese("rewording", prompted.words))


def answer(
    requested: RewordingRequest, language: str, character: Character, rng: random.Random, *, valid_json: bool
) -> str:
    """Return JSON with the rewording; a careless writer finds it sound whatever it is."""
    text = reworded(requested.question, language, rng)
    if rng.random() < character.rates.repeat:
        text = requested.question
    elif rng.random() < character.rates.flawed and (numbers := list(_NUMBER.finditer(text))):
        spot = rng.choice(numbers)
        text = f"{text[: spot.start()]}{int(spot[0][:12]) + rng.randint(1, 3)}{text[spot.end() :]}"
    zh = language == "zh"
    record = {
        "plan": "数和所求不变，换一种说法。"
        if zh
        else "The numbers and what is asked stay; the sentences change.",
        "rewording": text,
        "check": "与原题的数、单位和所求一致。"
        if zh
        else "It has the numbers, units and question of the other one.",
        "sound": True,
        "difficulty": rng.randint(1, 3),
    }
    return written(record, [record], character, rng, valid_json=valid_json, chinese=requested.chinese_keys)


def reworded(question: str, language: str, rng: random.Random) -> str:
    """Return the question in other words, with the same numbers."""
    problem = known(question)
    others = _phrasings(problem) if problem is not None else []
    if others:
        return rng.choice(others)
    sentences = [one.strip() for one in _SENTENCE.split(question) if one.strip()]
    if len(sentences) < 2:
        return _ALONE[language].format(question)
    return rng.choice(_GIVEN[language]).format(
        sentences[-1], ("" if language == "zh" else " ").join(sentences[:-1])
    )


def _phrasings(problem: Problem) -> list[str]:
    """Return the problem in the other phrasings of its family."""
    family, values = families()[problem.family], dict(problem.values)
    form = values.get("form")
    count = len(family.phrasings[problem.language][None if form is None else int(form)])
    texts = (family.write(values, problem.language, phrasing) for phrasing in range(count))
    return [text for text in dict.fromkeys(texts) if text != problem.question]
