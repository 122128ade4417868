"""Reads a reply that is one question with the plan before it and the writer's check after it."""

from __future__ import annotations

import re

from pydantic import BaseModel

from prompts.asking_again import ReplyFault
from tasks.methods import Item, malformed
from tasks.replies.items import OWN_CHECK_FAILED, no_words, single
from tasks.replies.solutions import solution_of


def written_question(text: str, model: type[BaseModel], key: str) -> list[Item]:
    """Return the question in the field `key` of a reply of the schema `model` as one item, or the reason why it has none.

    The schema has the fields `sound` and `difficulty` besides.
    """
    reply = single(text, model, key=key)
    if isinstance(reply, ReplyFault):
        return [malformed(reply)]
    fields = reply.model_dump()
    question = solution_of(fields[key]).strip()
    if not fields["sound"]:
        return [malformed(OWN_CHECK_FAILED)]
    if not re.search(r"\w", question):
        return [malformed(no_words(key))]
    return [Item(question, difficulty=fields["difficulty"])]
