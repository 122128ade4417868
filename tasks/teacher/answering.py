"""One completion of the embedded teacher: read the conversation, and answer in the character of the model."""

from __future__ import annotations

import functools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from prompts.asking_again import BEGINNINGS
from tasks.teacher.character import Character
from tasks.teacher.forcing import fill_schema
from tasks.teacher.jobs import Prompted, job, recognised
from tasks.teacher.judging import critique
from tasks.teacher.quoting import quoted
from tasks.teacher.reading import PromptRequest, language_of_prompt, read
from tasks.teacher.solving import in_program, in_words
from tasks.teacher.writing import problems


@dataclass(frozen=True, slots=True)
class Forced:
    """`response_format`: free text, any JSON object, or JSON of a schema."""

    json: bool = False
    schema: dict[str, Any] | None = None


FREE = Forced()


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A request for a job of tasks/teacher/jobs: its name, and what its `read` made of the prompt."""

    name: str
    language: str
    requested: Any


def job_of(messages: Sequence[tuple[str, str]]) -> PromptRequest | JobRequest:
    """Return the job that a conversation of (role, text) pairs requests: that of its last user message, with its system
    message. A re-ask requests the same job again."""
    return _job_of(tuple(messages))


@functools.lru_cache(maxsize=1024)  # the samples of one question follow each other
def _job_of(messages: tuple[tuple[str, str], ...]) -> PromptRequest | JobRequest:
    system = "\n".join(text for role, text in messages if role in ("system", "developer"))
    tasks = [text for role, text in messages if role == "user" and not text.startswith(BEGINNINGS)]
    user = tasks[-1] if tasks else ""
    parts = quoted(user)
    language = language_of_prompt(user, parts)
    its_job = recognised(Prompted(system, parts.rest, parts, language, messages))
    if its_job is not None:
        return JobRequest(its_job[0], language, its_job[1])
    return read(system, user)


def answer(
    request: PromptRequest | JobRequest, character: Character, rng: random.Random, forced: Forced = FREE
) -> str:
    """Return the text of the completion."""
    if isinstance(request, JobRequest):
        plugin = job(request.name)
        text = plugin.answer(request.requested, request.language, character, rng, valid_json=forced.json)
        return text if plugin.writes_json else _forced(text, forced)
    if request.kind in ("write", "similar"):
        return problems(request, character, rng, valid_json=forced.json)
    if request.kind == "judge":
        return critique(request, character, rng, valid_json=forced.json)
    return _forced(
        in_program(request, character, rng)
        if request.kind == "program"
        else in_words(request, character, rng),
        forced,
    )


def _forced(text: str, forced: Forced) -> str:
    """Return a text as the reply that `response_format` requires."""
    if not forced.json:
        return text
    if forced.schema is None:
        return orjson.dumps({"answer": text}).decode()
    return orjson.dumps(fill_schema(forced.schema, text)).decode()
