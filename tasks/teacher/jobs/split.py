"""Marks of the embedded teacher on a problem: its sentences as logic or computation, by the words and the numbers in them.

At the rates of the character a part is marked as the other kind, a quotation is changed, or the JSON is broken.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Any

from tasks.teacher.character import Character
from tasks.teacher.jobs import Prompted, in_chinese, names_key, written

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？；])\s*|\n+")
_FORMULA = re.compile(
    r"\d\s*[-+*/^×÷=<>]|[-+*/^×÷=<>]\s*\d|\\(?:frac|int|sum|lim|det|begin|sqrt)|%|\d{3,}|\d.*\d"
)
_RELATION = re.compile(
    r"\b(?:if|each|every|than|after|before|both|either|remaining|twice|half|older|younger|same|triangle|angle|parallel|"
    r"perpendicular|why|must|always|never|prove|show|which|at least|at most|without)\b|如果|每|比|之后|以后|以前|都|剩|倍|"
    r"同|三角形|平行|垂直|为什么|一定|证明|至少|至多|哪",
    re.IGNORECASE,
)
_GROUNDS = {
    "en": {
        "logic": "It has to become a relation first, which takes words.",
        "computation": "Once the relation stands, only numbers are worked out here.",
    },
    "zh": {"logic": "先要用文字把它变成关系式。", "computation": "关系列出之后，这里只需计算。"},
}
_NAMES = {"logic": "逻辑", "computation": "计算"}


@dataclass(frozen=True, slots=True)
class SplitRequest:
    """A request to mark the parts of a problem, with Chinese keys and words or with English ones."""

    question: str
    chinese_keys: bool


writes_json = True


def read(prompted: Prompted) -> SplitRequest | None:
    """Return the problem if the prompt requires a list of parts with their kinds."""
    questions = prompted.parts.of("question")
    if not questions or not names_key(prompted.words, "parts"):
        return None
    return SplitRequest(questions[0], in_chinese("parts", prompted.words))


def answer(
    requested: SplitRequest, language: str, character: Character, rng: random.Random, *, valid_json: bool
) -> str:
    """Return the sentences of the problem with their kinds."""
    items: list[dict[str, Any]] = []
    for sentence in (one.strip() for one in _SENTENCE_END.split(requested.question)):
        if len(sentence) < 8:
            continue
        computes, relates = len(_FORMULA.findall(sentence)), len(_RELATION.findall(sentence))
        kind = "computation" if computes > relates else "logic"
        if rng.random() < character.rates.misjudge:
            kind = "logic" if kind == "computation" else "computation"
        quote = sentence[2:] + sentence[:2] if rng.random() < character.rates.flawed else sentence
        items.append(
            {
                "quote": quote,
                "grounds": _GROUNDS[language][kind],
                "part_kind": _NAMES[kind] if requested.chinese_keys else kind,
            }
        )
    return written(
        {"parts": items}, items, character, rng, valid_json=valid_json, chinese=requested.chinese_keys
    )
