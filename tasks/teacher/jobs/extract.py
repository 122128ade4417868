"""Question-answer pairs that the embedded teacher extracts from a passage: calculations that it states, and problems that it
knows.

A pair rests on a sentence of the passage, which is its quotation. At the rates of the character a solution is wrong, a quotation
differs from the passage, or the JSON is broken.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tasks.critics.error_injection import inject_error
from tasks.critics.recomputing import calculations
from tasks.problems.machinery.family import Worked
from tasks.teacher.character import Character
from tasks.teacher.equations import worked_text
from tasks.teacher.jobs import Prompted, in_chinese, names_key, written
from tasks.teacher.reading import known
from tasks.teacher.topics import count_in

LONGEST_QUOTE = 300  # characters
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])\s*|\n\s*\n")
_OPERATION = re.compile(r"\d\s*(?:[-+*/×÷·^!]|\\(?:times|cdot|div))|\\[dt]?frac|\\sqrt|\d[!]")
_ASKS = {
    "en": ("Calculate ${}$.", "Evaluate ${}$.", "What is the value of ${}$?"),
    "zh": ("计算 ${}$。", "求 ${}$ 的值。", "${}$ 等于多少？"),
}


@dataclass(frozen=True, slots=True)
class PairsRequest:
    """A request for at most `count` pairs out of a passage, with Chinese keys or with English ones."""

    passage: str
    count: int
    chinese_keys: bool


writes_json = True


def read(prompted: Prompted) -> PairsRequest | None:
    """Return the passage and the number of pairs if the prompt requires a list of pairs."""
    passages = prompted.parts.of("other")
    if not passages or not names_key(prompted.words, "pairs"):
        return None
    return PairsRequest(passages[0], count_in(prompted.words), in_chinese("pairs", prompted.words))


def answer(
    requested: PairsRequest, language: str, character: Character, rng: random.Random, *, valid_json: bool
) -> str:
    """Return JSON, with an empty list if the passage has nothing that the teacher can work."""
    items: list[dict[str, Any]] = []
    for sentence, question, worked in _worked(requested.passage, language, rng):
        if len(items) == requested.count:
            break
        steps, answer = worked.steps, worked.answer
        if rng.random() < character.wrong_rate(None, program=False):
            steps, answer = inject_error(steps, answer, rng)
        quote = _misquoted(sentence, rng) if rng.random() < character.rates.flawed else sentence
        solution = "\n".join([*steps, rf"\boxed{{{answer}}}"])
        items.append({"quote": quote, "question": question, "solution": solution, "answer": answer})
    return written(
        {"pairs": items}, items, character, rng, valid_json=valid_json, chinese=requested.chinese_keys
    )


def _worked(passage: str, language: str, rng: random.Random) -> Iterator[tuple[str, str, Worked]]:
    """Yield (sentence, question, worked answer) for each sentence that holds a known problem, or states a calculation that is
    true."""
    asked: set[str] = set()
    for sentence in _sentences(passage):
        problem = known(sentence)
        if problem is not None and sentence not in asked:
            asked.add(sentence)
            yield sentence, sentence, problem.worked
            continue
        # the bracket of \( would be read as one of the calculation
        for statement in calculations(sentence.replace("\\(", " $").replace("\\)", "$ ")):
            left = statement.left_text.strip()
            if not statement.true or not _OPERATION.search(left) or left in asked:
                continue
            question = rng.choice(_ASKS[language]).format(left)
            worked = worked_text(question, language)
            if worked is not None:
                asked.add(left)
                yield sentence, question, worked


def _sentences(passage: str) -> Iterator[str]:
    for sentence in _SENTENCE_END.split(passage):
        text = sentence.strip()
        if text and not text.startswith("#"):
            yield text if len(text) <= LONGEST_QUOTE else text[:LONGEST_QUOTE].rsplit(" ", 1)[0]


def _misquoted(sentence: str, rng: random.Random) -> str:
    """Return the sentence as a careless reader remembers it: without one of its words, or with a number changed."""
    numbers = list(re.finditer(r"\d+", sentence))
    words = sentence.split(" ")
    if numbers and (len(words) < 4 or rng.random() < 0.5):
        spot = rng.choice(numbers)
        return sentence[: spot.start()] + str(int(spot[0][:12]) + 1) + sentence[spot.end() :]
    if len(words) < 4:
        return sentence[1:] + sentence[:1]
    place = rng.randrange(1, len(words) - 1)
    return " ".join([*words[:place], *words[place + 1 :]])
