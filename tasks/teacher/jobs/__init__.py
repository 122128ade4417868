"""The jobs that the embedded teacher does besides solving, judging and writing problems: one module per job, found by its name.

A module recognises its job in the prompt's own words and does it by rule, with errors at the rates of the character. A user may
word a prompt differently, so that a job is recognised by what the prompt requires of the reply (the name of a JSON key, a mark such as
`==Main Body==`), never by the quoted material, which is not among the words. `extract` is the example to copy.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

import orjson

from prompts.schemas import chinese_keys
from tasks.plugins import module, names
from tasks.teacher.character import Character
from tasks.teacher.quoting import Quoted
from tasks.teacher.writing import broken

JOBS: Final = "tasks.teacher.jobs"


@dataclass(frozen=True, slots=True)
class Prompted:
    """A prompt that has been taken apart.

    system: the system message. words: the user message without its quoted material. parts: the quoted material. language: of the words.
    turns: the messages of the conversation as (role, text), the last request among them.
    """

    system: str
    words: str
    parts: Quoted
    language: str
    turns: tuple[tuple[str, str], ...] = ()


class TeacherJob(Protocol):
    """What every module of this folder has."""

    writes_json: bool
    """Whether the reply is JSON. Other replies are put into a requested schema by tasks/teacher/forcing.py."""

    def read(self, prompted: Prompted) -> Any | None:
        """Return what the prompt requests, a hashable value that is given to `answer`; None if it is not this job."""
        ...

    def answer(
        self, requested: Any, language: str, character: Character, rng: random.Random, *, valid_json: bool
    ) -> str:
        """Return the reply. `valid_json`: the reply has to be JSON that parses, without a fence."""
        ...


def job(name: str) -> TeacherJob:
    """Return the job `name`. Raises UnknownName if there is none."""
    return cast(TeacherJob, module(JOBS, name))


def recognised(prompted: Prompted) -> tuple[str, Any] | None:
    """Return (name, what is requested) of the job that a prompt requests; None if it is none of this folder."""
    for name in names(JOBS):
        requested = job(name).read(prompted)
        if requested is not None:
            return name, requested
    return None


def in_chinese(key: str, words: str) -> bool:
    """Return whether a prompt's words show a key of a reply in Chinese."""
    return key in chinese_keys() and f'"{chinese_keys()[key]}"' in words


def names_key(words: str, *keys: str) -> bool:
    """Return whether the form of the reply that a prompt's words show has one of the keys, in English or in Chinese."""
    shown = [shown for key in keys for shown in (key, chinese_keys().get(key)) if shown]
    return re.search(rf'"(?:{"|".join(map(re.escape, shown))})"\s*[:：]', words) is not None


def written(
    record: Mapping[str, Any],
    items: list[dict[str, Any]],
    character: Character,
    rng: random.Random,
    *,
    valid_json: bool,
    chinese: bool,
) -> str:
    """Return a record as the model writes it: JSON, at times in a fence, and broken at the rate of the character.

    record: with English keys. items: the objects of its list, or the record itself as the only one. chinese: whether Chinese keys are
    written (prompts.schemas.CHINESE).
    """
    text = orjson.dumps(_translated(record) if chinese else record).decode()
    if not valid_json and rng.random() < character.rates.malformed:
        return broken(text, items, rng)
    return f"```json\n{text}\n```" if not valid_json and rng.random() < 0.2 else text


def _translated(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {chinese_keys().get(key, key): _translated(inner) for key, inner in value.items()}
    return [_translated(inner) for inner in value] if isinstance(value, list) else value
