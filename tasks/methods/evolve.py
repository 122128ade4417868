"""Harder problems made from others, after Evol-Instruct as WizardMath uses it (Luo et al. 2023, arXiv:2308.09583): deeper, under a further
constraint, or wider.

The strategies take turns. A text that changes nothing, or only the words, is refused, and so is one that adds sentences which change nothing. Whether a problem is harder for the student is a
measurement: its row keeps the strategy (`params`) and its parent, whose pass rates can be compared. Whether it still has one answer is
decided by the votes of its solutions, like that of every question without a trusted one.
"""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from prompts.schemas.evolved_problem import EvolvedProblem
from storage.reasons import Code
from tasks.dedup.contrast import different_problems
from tasks.dedup.normalise import canonical
from tasks.methods import Ask, Item, Makes, Quota, Takes
from tasks.rewriting.additions import harder, padding
from tasks.rewriting.numbers import changed_number
from tasks.rewriting.parents import inherited, is_open, parents
from tasks.rewriting.replies import written_question
from tasks.seeding import seed_of
from tasks.taxonomy import local_name

prompt = "evolve"
makes: Makes = "questions"
takes: Takes = "rows"
columns: tuple[str, ...] = ()

STRATEGIES = ("deeper", "constraint", "wider")
LONGER = 1.25  # times the length of the problem from which a text with the same numbers counts as more than a rewording


def plan(pool: pa.Table, quota: Quota, *, per_call: int, examples: int, seed: int) -> list[Ask]:
    """Return one call per problem of the pool, until the quota is met; the strategies take turns."""
    first = seed_of(seed, prompt, "strategy")
    return [
        Ask(
            prompt,
            prompt,
            language=row["language"],
            subdomain=row["subdomain"],
            count=1,
            variables={
                "question": row["question"],
                "subdomain": local_name(row["subdomain"], row["language"]) if row["subdomain"] else "",
                "strategy": STRATEGIES[(first + number) % len(STRATEGIES)],
                "parent": row["problem_id"],
            },
            parent_ids=[row["id"]],
            seed=seed_of(seed, prompt, row["id"], "asked"),
            inherited=inherited(row),
        )
        for number, row in enumerate(parents(pool, quota, seed, prompt, usable=is_open))
    ]


def read(text: str, *, cut: bool) -> list[Item]:
    """Return the problem of a completion as one item, with the difficulty that its writer states."""
    return written_question(text, EvolvedProblem, "evolved")


def check(item: Item, ask: Ask) -> Item:
    """Return the problem with its strategy, or the reason that it is the old one."""
    question = ask.variables["question"]
    if canonical([question]) == canonical([item.question]):
        return replace(item, code=Code.UNCHANGED)
    if only_reworded(question, item.question):
        return replace(item, code=Code.ONLY_REWORDED)
    if (added := padding(question, item.question)) is not None:
        return replace(item, code=Code.PADDED, values={"text": added[:200]})
    return replace(
        item, derived_from=(ask.variables["parent"],), params={"strategy": ask.variables["strategy"]}
    )


def only_reworded(question: str, new: str) -> bool:
    """Return whether a text has the numbers of the question, is hardly longer, and neither adds anything to it nor asks for anything else that
    can be seen."""
    return (
        changed_number(question, new) is None
        and len(new) < LONGER * len(question)
        and not different_problems([question], [new])[0]
        and not harder(question, new)
    )
