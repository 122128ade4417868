"""Problems that the embedded teacher writes back from the steps of a computation: the data of each step, what its result is called, and the
question of the last step.

"How many boxes did Tom pack?" becomes "Let X be the number of boxes that Tom packed.", and [A] in a later step becomes X. At the rates of the
character a number is missing or two numbers change places, or the JSON is broken.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from tasks.problems.machinery.typesetting import with_prices_escaped
from tasks.teacher.character import Character
from tasks.teacher.jobs import Prompted, in_chinese, names_key, written
from tasks.teacher.named_results import NAMES, named, named_zh
from tasks.teacher.writing import flawed

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])\s*")
_RESULT = re.compile(r"\[([A-H])\]")
_NUMBER = re.compile(r"(?<![\w.\\{])\d+(?![\w.}]*\d)")


@dataclass(frozen=True, slots=True)
class CompositionRequest:
    """A request for one problem out of steps, with Chinese keys or with English ones."""

    steps: tuple[str, ...]
    chinese_keys: bool


writes_json = True


def read(prompted: Prompted) -> CompositionRequest | None:
    """Return the steps if the prompt requires a problem that is composed of them."""
    steps = tuple(text for _, text in prompted.parts.blocks)
    if len(steps) < 2 or not names_key(prompted.words, "composed"):
        return None
    return CompositionRequest(steps, in_chinese("composed", prompted.words))


def answer(
    requested: CompositionRequest,
    language: str,
    character: Character,
    rng: random.Random,
    *,
    valid_json: bool,
) -> str:
    """Return JSON with the problem."""
    zh = language == "zh"
    text = with_prices_escaped(("" if zh else " ").join(_sentences(requested.steps, zh=zh)))
    wrong = rng.random() < character.rates.flawed
    record = {
        "plan": "前一步的结果先起名字，再用到后面。"
        if zh
        else "Each result gets a name and is used in the next step.",
        "composed": (_swapped if rng.random() < 0.5 else flawed)(text, rng) if wrong else text,
        "check": "各步中的数都写到了，只问最后一步。"
        if zh
        else "Every number of the steps is stated, and only the last result is asked for.",
        "sound": True,
    }
    return written(record, [record], character, rng, valid_json=valid_json, chinese=requested.chinese_keys)


def _swapped(text: str, rng: random.Random) -> str:
    """Return the problem with two of its numbers in each other's place: it states every number, and says other relations."""
    spots = list(_NUMBER.finditer(text))
    pairs = [(one, other) for i, one in enumerate(spots) for other in spots[i + 1 :] if one[0] != other[0]]
    if not pairs:
        return text
    one, other = rng.choice(pairs)
    return text[: one.start()] + other[0] + text[one.end() : other.start()] + one[0] + text[other.end() :]


def _sentences(steps: tuple[str, ...], *, zh: bool) -> list[str]:
    sentences = []
    for place, step in enumerate(steps):
        text = " ".join(
            _RESULT.sub(lambda match: f" {NAMES[match[1]]} " if zh else NAMES[match[1]], step).split()
        )
        asks = next(part for part in reversed(_SENTENCE_END.split(text.strip())) if part)
        stated = text.strip()[: -len(asks)].strip()
        last = place + 1 == len(steps)
        condition = "" if zh else _condition(asks)
        if condition and not last:
            asks = asks[len(condition) :].lstrip(" ,")
            stated = f"{stated} {_statement(condition)}"
        if not zh:
            stated = re.sub(
                r"(?:(?<=^)|(?<=[.!] ))If ([^,.]+)\.(?= |$)", lambda match: _statement(match[0]), stated
            )
        sentences.append(stated)
        sentences.append(asks if last else (named_zh if zh else named)(asks, NAMES["ABCDEFGH"[place]]))
    return sentences


def _condition(asks: str) -> str:
    """Return the clause with "if" or "when" before a question word, empty if there is none: it is a statement about the data."""
    match = re.match(
        r"(?:If|When|Assuming|Suppose) (?P<clause>.+?)(?=,? (?:[Hh]ow (?:many|much)|[Ww]hat)\b)", asks
    )
    return match[0] if match else ""


def _statement(clause: str) -> str:
    """Return a clause with "if" as a sentence of its own."""
    text = re.sub(r"^(?:If|When|Assuming|Suppose) (?:that )?", "", clause).strip(" ,.")
    return f"{text[0].upper()}{text[1:]}." if text else ""
