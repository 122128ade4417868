"""Problems of the embedded teacher with programs that search for their answers, of the field that the prompt names.

At the rates of the character the conditions leave several answers, the program cannot run, knows its answer beforehand, or the marks are
missing.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from tasks.taxonomy import SUBDOMAINS
from tasks.teacher.character import Character
from tasks.teacher.jobs import Prompted
from tasks.teacher.posed_problems import posed
from tasks.teacher.topics import subdomain_in

_POSED = re.compile(r"==(?:Posed Problem|所编题目)==")
_ORDER = re.compile(r"\bset\b.*\bproblem\b|编.*题", re.IGNORECASE)
_LEVEL = re.compile(r"(?:difficulty |难度为 5 级中的 )(\d)")
_MARKS = {
    "en": ("==Plan==", "==Posed Problem==", "==Search==", "==End=="),
    "zh": ("==构思==", "==所编题目==", "==穷举==", "==结束=="),
}
_PLAN = {
    "en": "The conditions leave one possibility in the range; the program tries all of them.",
    "zh": "这些条件在给定范围内只留下一种可能，程序把所有可能都试一遍。",
}


@dataclass(frozen=True, slots=True)
class PosingRequest:
    """A request for a problem with its search, of a difficulty from 1 to 5; of any subdomain if the prompt names none that is known."""

    level: int
    subdomain: str | None


writes_json = False


def read(prompted: Prompted) -> PosingRequest | None:
    """Return the difficulty and the field if the prompt requires a problem with a search."""
    if not _POSED.search(prompted.words):
        return None
    level = _LEVEL.search(prompted.words)
    subdomain = subdomain_in(prompted.words, _ORDER)
    return PosingRequest(int(level[1]) if level else 3, subdomain if subdomain in SUBDOMAINS else None)


def answer(
    requested: PosingRequest, language: str, character: Character, rng: random.Random, *, valid_json: bool
) -> str:
    """Return the problem and its program behind the marks."""
    careless = rng.random()
    vague = careless < character.rates.wrong_program
    drawn = posed(requested.subdomain or rng.choice(tuple(SUBDOMAINS)), requested.level, rng)
    problem, program = drawn.words(language, vague=vague), drawn.program(vague=vague)
    if character.rates.wrong_program <= careless < 1.5 * character.rates.wrong_program:
        program = program.replace("answers.append", "answer.append")
    elif 1.5 * character.rates.wrong_program <= careless < 2 * character.rates.wrong_program:
        program = f"answers = [{rng.randint(2, 90)}]\nprint(answers)"
    plan, problem_mark, search, end = _MARKS[language]
    if rng.random() < character.rates.malformed:
        return f"{problem}\n\n```python\n{program}\n```"
    return f"{plan}\n{_PLAN[language]}\n{problem_mark}\n{problem}\n{search}\n```python\n{program}\n```\n{end}"
