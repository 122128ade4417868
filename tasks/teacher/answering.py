"""One completion of the embedded teacher: read the conversation, and answer in the character of the model."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from tasks.teacher.character import Character
from tasks.teacher.extracting import pairs
from tasks.teacher.forcing import fill_schema
from tasks.teacher.judging import critique
from tasks.teacher.likeness import compare
from tasks.teacher.reading import PromptRequest, read
from tasks.teacher.refining import refined
from tasks.teacher.solving import in_program, in_words
from tasks.teacher.writing import problems


@dataclass(frozen=True, slots=True)
class Forced:
    """`response_format`: free text, any JSON object, or JSON of a schema."""

    json: bool = False
    schema: dict[str, Any] | None = None


FREE = Forced()
AGAIN = "That answer cannot be used"


def job_of(messages: Sequence[tuple[str, str]]) -> PromptRequest:
    """Return the job that a conversation of (role, text) pairs requests: that of its last user message, with its system
    message. A re-ask requests the same job again."""
    system = "\n".join(text for role, text in messages if role in ("system", "developer"))
    tasks = [text for role, text in messages if role == "user" and not text.startswith(AGAIN)]
    user = tasks[-1] if tasks else ""
    return read(system, user)


def answer(job: PromptRequest, character: Character, rng: random.Random, forced: Forced = FREE) -> str:
    """Return the text of the completion."""
    if job.kind in ("write", "similar"):
        return problems(job, character, rng, valid_json=forced.json)
    if job.kind == "extract":
        return pairs(job, character, rng, valid_json=forced.json)
    if job.kind == "judge":
        return critique(job, character, rng, valid_json=forced.json)
    if job.kind == "compare":
        text = compare(job)
    elif job.kind in ("refine", "think"):
        text = refined(job, character, rng)
    else:
        text = in_program(job, character, rng) if job.kind == "program" else in_words(job, character, rng)
    if not forced.json:
        return text
    if forced.schema is None:
        return orjson.dumps({"answer": text}).decode()
    return orjson.dumps(fill_schema(forced.schema, text)).decode()
