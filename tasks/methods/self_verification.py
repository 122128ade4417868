"""A question and its answer as one statement with a hidden number, which is asked for: the self-verification questions of MetaMath (Yu et
al. 2023, arXiv:2309.12284), after Weng et al. 2022, arXiv:2212.09561.

`backward` keeps the question and appends its answer; here the model turns both into statements, so that the text reads as a problem
of its own. The hidden number is the trusted answer. A text that still shows it, leaves out another number, or does not state the answer
is refused.
"""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

import pyarrow as pa

from prompts.schemas.inverted_problem import InvertedProblem
from storage.reasons import Code
from tasks.methods import Ask, Item, Makes, Quota, Takes, backward
from tasks.rewriting.numbers import hidden, left_out, stated, values_of
from tasks.rewriting.parents import Parent, answer_of, inherited, parents
from tasks.rewriting.replies import written_question
from tasks.seeding import seed_of

prompt = "self_verification"
makes: Makes = "questions"
takes: Takes = "rows"
columns = backward.columns


def plan(pool: pa.Table, quota: Quota, *, per_call: int, examples: int, seed: int) -> list[Ask]:
    """Return one call per problem with a known answer and a number that can be hidden, until the quota is met."""
    asks = []
    for row in parents(pool, quota, seed, prompt, usable=_usable):
        turned = hidden(row["question"], seed, prompt, row["id"])
        if turned is None:
            continue  # the pool has been looked through for such rows before
        asks.append(
            Ask(
                prompt,
                prompt,
                language=row["language"],
                subdomain=row["subdomain"],
                count=1,
                variables={
                    "question": turned.question,
                    "answer": stated(answer_of(row) or ""),
                    "letter": turned.letter,
                    "hidden": turned.value,
                    "parent": row["problem_id"],
                },
                parent_ids=[row["id"]],
                seed=seed_of(seed, prompt, row["id"], "asked"),
                inherited=inherited(row) | {"reference_answer": turned.value},
            )
        )
    return asks


def _usable(row: Parent) -> bool:
    return backward.usable(row)


def read(text: str, *, cut: bool) -> list[Item]:
    """Return the problem of a completion as one item."""
    return written_question(text, InvertedProblem, "inverted")


def check(item: Item, ask: Ask) -> Item:
    """Return the problem, or the reason that it is not what was asked for."""
    given = ask.variables
    values, value = values_of(item.question), Fraction(given["hidden"])
    if value in values and value not in values_of(f"{given['question']} {given['answer']}"):
        return replace(item, code=Code.NUMBER_SHOWN, values={"text": given["hidden"]})
    if number := left_out(given["question"], item.question):
        return replace(item, code=Code.NUMBER_LEFT_OUT, values={"text": number})
    if values_of(given["answer"]) - values or (
        not values_of(given["answer"]) and given["answer"].strip("$ ").lower() not in item.question.lower()
    ):
        return replace(item, code=Code.NOT_STATED, values={"text": given["answer"]})
    if len(re.findall(rf"(?<![A-Za-z\\]){given['letter']}(?![A-Za-z])", item.question)) < 2:
        return replace(item, code=Code.NOT_STATED, values={"text": given["letter"]})
    params = {name: given[name] for name in ("letter", "hidden", "answer")}
    return replace(item, derived_from=(given["parent"],), params=params)
