"""Diagnoses of the embedded teacher: the concepts of the failed problem, if it knows the problem, else a skill of the prompt's list.

At the rate of the character it names a skill that has nothing to do with the problem, or breaks the JSON.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from tasks.problems.machinery.family import families
from tasks.teacher.character import Character
from tasks.teacher.jobs import Prompted, in_chinese, names_key, written
from tasks.teacher.reading import known
from tasks.teacher.topics import concept_names

MOST = 2  # skills that it names
_LISTED = re.compile(r"(?:this list where they fit:|列表中选取：)\s*([^\n]+?)(?:\. Where|。都不)")
_CAUSE = {
    "en": "The result does not follow from the data; {} is not under control.",
    "zh": "结果与条件不符，{}掌握得不牢。",
}


@dataclass(frozen=True, slots=True)
class DiagnosisRequest:
    """A request to diagnose a failed problem. listed: the skills that the prompt lists."""

    question: str
    listed: tuple[str, ...]
    chinese_keys: bool


writes_json = True


def read(prompted: Prompted) -> DiagnosisRequest | None:
    """Return the failed problem if the prompt requires a list of skills."""
    questions = prompted.parts.of("question")
    if not questions or not names_key(prompted.words, "skills"):
        return None
    match = _LISTED.search(prompted.words)
    listed = [name.strip() for name in re.split("[;；]", match[1])] if match else []
    return DiagnosisRequest(
        questions[0], tuple(name for name in listed if name), in_chinese("skills", prompted.words)
    )


def answer(
    requested: DiagnosisRequest, language: str, character: Character, rng: random.Random, *, valid_json: bool
) -> str:
    """Return JSON with one or two skills."""
    problem = known(requested.question)
    names = list(requested.listed) or [language]
    if problem is not None and rng.random() >= character.wrong_rate(None, program=False):
        names = [
            concept_names([one.lower()], zh=language == "zh") for one in families()[problem.family].concepts
        ]
    else:
        rng.shuffle(names)
    skills = names[:MOST]
    record = {"cause": _CAUSE[language].format(skills[0]), "skills": skills}
    return written(record, [record], character, rng, valid_json=valid_json, chinese=requested.chinese_keys)
