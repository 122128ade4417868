"""A problem and its answer as one statement that asks for the letter in it.

At the rates of the character the answer is left out of the statement, or a number of it.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from tasks.teacher.character import Character
from tasks.teacher.compound import FORMS, write
from tasks.teacher.jobs import Prompted, in_chinese, names_key, written
from tasks.teacher.writing import flawed

_LETTER = re.compile(r"\bby the letter ([a-z])\b|换成了字母 ?([a-z])")
_ANSWER = re.compile(
    r"\bits answer is known: ?(.{1,90}?)\. Write\b|答案已知是 ?(.{1,90}?)。请", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class InversionRequest:
    """A request for a problem that states `answer` and asks for the `letter` of the question."""

    question: str
    letter: str
    answer: str
    chinese_keys: bool


writes_json = True


def read(prompted: Prompted) -> InversionRequest | None:
    """Return the problem, its letter and its answer if the prompt requires a problem that asks for the letter."""
    questions = prompted.parts.of("question")
    letter, answered = _LETTER.search(prompted.words), _ANSWER.search(prompted.words)
    if not questions or not names_key(prompted.words, "inverted") or not letter or not answered:
        return None
    return InversionRequest(
        questions[0],
        letter[1] or letter[2],
        (answered[1] or answered[2]).strip(),
        in_chinese("inverted", prompted.words),
    )


def answer(
    requested: InversionRequest, language: str, character: Character, rng: random.Random, *, valid_json: bool
) -> str:
    """Return JSON with the statement."""
    stated = write(
        "stated",
        language,
        first=requested.question,
        answer=requested.answer,
        letter=requested.letter,
    )
    if rng.random() < character.rates.repeat:
        asks = FORMS["stated"][language].rpartition("{answer}")[2].format(letter=requested.letter)
        stated = requested.question + asks.lstrip(".。")
    elif rng.random() < character.rates.flawed:
        stated = flawed(stated, rng)
    zh = language == "zh"
    record = {
        "plan": "把答案作为已知的结果写出。" if zh else "The answer becomes a result that is known.",
        "inverted": stated,
        "check": "各数齐全，只求字母的值。"
        if zh
        else "All numbers are there, and only the letter is asked for.",
        "sound": True,
        "difficulty": rng.randint(2, 4),
    }
    return written(record, [record], character, rng, valid_json=valid_json, chinese=requested.chinese_keys)
