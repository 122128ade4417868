"""A question backwards, after FOBAR (Jiang et al. 2023, arXiv:2308.07758) and MetaMath (Yu et al. 2023, arXiv:2309.12284): one of its
numbers is hidden, its answer is stated, and the hidden number is asked for.

The hidden number is the trusted answer, and no model is asked. Which number is hidden follows from a hash. It is positive, and the question
says so, since a square often has a negative number as its second root. Questions about remainders, common factors, digits and the like are
not turned, since several numbers fit their answer. Whether the rest of another question determines it is left to the votes of the solutions:
with an answer that others also fit, samples differ from it.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from tasks.methods import Ask, Item, Makes, Quota, Takes
from tasks.problems.machinery.typesetting import with_prices_escaped
from tasks.rewriting.numbers import hidden, stated
from tasks.rewriting.parents import Parent, answer_of, inherited, is_open, parents
from tasks.seeding import seed_of

makes: Makes = "questions"
takes: Takes = "rows"
columns: tuple[str, ...] = ("answer", "method")

NAME: Final = "backward"
LONGEST: Final = 80  # characters of an answer that is stated in a question
TURNED: Final = ("backward", "self_verification")  # methods whose questions ask for a hidden number already
ASKS: Final = {
    "en": "{question}\n\nThe answer to this question is known to be {answer}. What is the value of the unknown positive number {letter}?",
    "zh": "{question}\n\n已知这道题的答案是 {answer}，求未知正数 {letter} 的值。",
}


def plan(pool: pa.Table, quota: Quota, *, per_call: int, examples: int, seed: int) -> list[Ask]:
    """Return one ask per problem with a known answer and a number that can be hidden, until the quota is met."""
    asks = []
    for row in parents(pool, quota, seed, NAME, usable=usable):
        turned = hidden(row["question"], seed, NAME, row["id"])
        if turned is None:
            continue  # the pool has been looked through for such rows before
        asks.append(
            Ask(
                NAME,
                "",
                language=row["language"],
                subdomain=row["subdomain"],
                count=1,
                variables={
                    "question": turned.question,
                    "letter": turned.letter,
                    "hidden": turned.value,
                    "answer": answer_of(row),
                    "parent": row["problem_id"],
                },
                parent_ids=[row["id"]],
                seed=seed_of(seed, NAME, row["id"], "asked"),
                inherited=inherited(row),
            )
        )
    return asks


def usable(row: Parent) -> bool:
    """Return whether a row can be asked backwards: it has an answer that fits into a sentence, and a number to hide."""
    answer = answer_of(row)
    return (
        answer is not None
        and 0 < len(answer) <= LONGEST
        and "\n" not in answer
        and row["method"] not in TURNED
        and is_open(row)
        and hidden(row["question"]) is not None
    )


def make(ask: Ask) -> list[Item]:
    """Return the question backwards, with the hidden number as its trusted answer."""
    given = ask.variables
    text = ASKS[ask.language].format(
        question=given["question"], answer=stated(given["answer"]), letter=given["letter"]
    )
    return [
        Item(
            with_prices_escaped(text),
            reference_answer=given["hidden"],
            derived_from=(given["parent"],),
            params={name: given[name] for name in ("letter", "hidden", "answer")},
        )
    ]
