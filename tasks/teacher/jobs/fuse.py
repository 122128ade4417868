"""Problems joined into one: the first result stands in the second problem, both are added, or both are compared.

At the rates of the character one of the two is left out.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from tasks.teacher.character import Character
from tasks.teacher.composition import joined, worked_question
from tasks.teacher.jobs import Prompted, in_chinese, names_key, written

_SEQUENCE = re.compile(r"\bin sequence\b|先后。")
_PARALLEL = re.compile(r"\bin parallel\b|并列。")


@dataclass(frozen=True, slots=True)
class FusionRequest:
    """A request for a problem that joins two, in sequence, in parallel or by a condition."""

    first: str
    second: str
    manner: str
    chinese_keys: bool


writes_json = True


def read(prompted: Prompted) -> FusionRequest | None:
    """Return the two problems and the manner if the prompt requires a problem that joins them."""
    questions = prompted.parts.of("question")
    if len(questions) != 2 or not names_key(prompted.words, "fused"):
        return None
    words = prompted.words
    manner = "sequence" if _SEQUENCE.search(words) else "parallel" if _PARALLEL.search(words) else "condition"
    return FusionRequest(questions[0], questions[1], manner, in_chinese("fused", words))


def answer(
    requested: FusionRequest, language: str, character: Character, rng: random.Random, *, valid_json: bool
) -> str:
    """Return JSON with the joined problem."""
    text = (
        requested.first
        if rng.random() < character.rates.near_duplicate
        else joined(requested.first, requested.second, requested.manner, language, rng)
    )
    worked = worked_question(text, language)
    zh = language == "zh"
    record = {
        "plan": "两题的结果都要用到。"
        if zh
        else "Each of the two gives a result, and the new one needs both.",
        "fused": text,
        "check": (f"结果是 {worked.answer}。" if zh else f"The answer is {worked.answer}.")
        if worked
        else ("无法确定结果。" if zh else "No answer follows."),
        "sound": worked is not None or rng.random() < 0.5,  # a careless writer does not look again
        "difficulty": rng.randint(3, 4),
    }
    return written(record, [record], character, rng, valid_json=valid_json, chinese=requested.chinese_keys)
