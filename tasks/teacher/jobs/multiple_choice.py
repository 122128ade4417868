"""Wrong options for a question: what comes out if one calculation of its solution goes wrong.

At the rates of the character an option is the right answer, or one that is there already.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Any

from tasks.critics.error_injection import inject_error
from tasks.problems.machinery.family import Worked
from tasks.teacher.character import Character
from tasks.teacher.composition import worked_question
from tasks.teacher.jobs import Prompted, in_chinese, names_key, written
from tasks.teacher.topics import count_in

TRIES = 12  # errors that are tried per option


@dataclass(frozen=True, slots=True)
class OptionsRequest:
    """A request for `count` wrong options of a question with a known answer; `taken` are there already."""

    question: str
    answer: str
    taken: tuple[str, ...]
    count: int
    chinese_keys: bool


writes_json = True


def read(prompted: Prompted) -> OptionsRequest | None:
    """Return the question, its answer and the options that are there if the prompt requires wrong options."""
    parts = prompted.parts
    questions, answers = parts.of("question"), parts.of("reference")
    if not questions or not answers or not names_key(prompted.words, "wrong_options"):
        return None
    taken = tuple(line for text in parts.of("other") for line in text.split("\n") if line.strip())
    return OptionsRequest(
        questions[0],
        answers[0].strip(),
        taken,
        count_in(prompted.words),
        in_chinese("wrong_options", prompted.words),
    )


def answer(
    requested: OptionsRequest, language: str, character: Character, rng: random.Random, *, valid_json: bool
) -> str:
    """Return JSON with the wrong options, fewer where no more errors lead to another result."""
    worked = worked_question(requested.question, language)
    taken = {requested.answer, *requested.taken}
    items: list[dict[str, Any]] = []
    for _ in range(requested.count):
        if rng.random() < character.rates.flawed:
            items.append({"mistake": "?", "option": rng.choice(sorted(taken))})
            continue
        wrong = next((one for one in _errors(requested, worked, rng) if one[1] not in taken), None)
        if wrong is not None:
            taken.add(wrong[1])
            items.append({"mistake": wrong[0], "option": wrong[1]})
    return written(
        {"wrong_options": items}, items, character, rng, valid_json=valid_json, chinese=requested.chinese_keys
    )


def _errors(requested: OptionsRequest, worked: Worked | None, rng: random.Random) -> list[tuple[str, str]]:
    """Return (the step that went wrong, the result) of several errors."""
    steps = worked.steps if worked is not None else ()
    right = worked.answer if worked is not None else requested.answer
    errors = []
    for _ in range(TRIES):
        changed, result = inject_error(steps, right, rng)
        line = next((new for old, new in zip(steps, changed, strict=True) if old != new), result)
        errors.append((line, re.sub(r"\s+", " ", result)))
    return errors
