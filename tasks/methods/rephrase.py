"""A problem in other words, after MetaMath (Yu et al. 2023, arXiv:2309.12284): the answer stays what it is.

A row has the trusted answer of the question that it rewords, where there is one. A rewording that has other numbers or units is
refused, and so is one that changes nothing.
"""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from prompts.schemas.rewording import Rewording
from storage.reasons import Code
from tasks.dedup.normalise import canonical
from tasks.methods import Ask, Item, Makes, Quota, Takes
from tasks.rewriting.numbers import changed_number, changed_unit
from tasks.rewriting.parents import inherited, is_open, parents
from tasks.rewriting.replies import written_question
from tasks.seeding import seed_of

prompt = "rephrase"
makes: Makes = "questions"
takes: Takes = "rows"
columns: tuple[str, ...] = ("method",)


def plan(pool: pa.Table, quota: Quota, *, per_call: int, examples: int, seed: int) -> list[Ask]:
    """Return one call per problem of the pool, until the quota is met."""
    return [
        Ask(
            prompt,
            prompt,
            language=row["language"],
            subdomain=row["subdomain"],
            count=1,
            variables={"question": row["question"]},
            parent_ids=[row["id"]],
            seed=seed_of(seed, prompt, row["id"], "asked"),
            inherited=inherited(row, "reference_answer"),
        )
        for row in parents(
            pool, quota, seed, prompt, usable=lambda row: row["method"] != prompt and is_open(row)
        )
    ]


def read(text: str, *, cut: bool) -> list[Item]:
    """Return the rewording of a completion as one item."""
    return written_question(text, Rewording, "rewording")


def check(item: Item, ask: Ask) -> Item:
    """Return the rewording, or the reason that it is none: the same text, another number or another unit."""
    question = ask.variables["question"]
    if canonical([question]) == canonical([item.question]):
        return replace(item, code=Code.UNCHANGED)
    if number := changed_number(question, item.question):
        return replace(item, code=Code.NUMBER_CHANGED, values={"text": number})
    if number := changed_unit(question, item.question):
        return replace(item, code=Code.UNIT_CHANGED, values={"text": number})
    return item
