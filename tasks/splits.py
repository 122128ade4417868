"""Split problems into training and test problems that are decontaminated against each other."""

from __future__ import annotations

import re
from collections.abc import Callable

import pyarrow as pa

from tasks.decontamination.benchmarks import Items
from tasks.decontamination.judge import RuleTools
from tasks.decontamination.matching import Search
from tasks.seeding import seed_of
from tasks.text.shared import Shared

RULES = ("exact", "ngram13", "template")
ROUNDS = 20
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def split_by_problem(share: float, seed: int = 0) -> Callable[[pa.Table], pa.Array]:
    """Return a function that chooses the ids of about `share` of the problems of a table (problem_id, question) as test problems.

    Problems whose texts differ in their numbers only are on the same side, by a hash of the text without numbers. A test problem that the rules of
    decontamination find in a training problem becomes a training problem, until they find none: so the test problems may be fewer than `share`.
    """

    def chosen(rows: pa.Table) -> pa.Array:
        questions = dict(
            zip(rows.column("problem_id").to_pylist(), rows.column("question").to_pylist(), strict=True)
        )
        bound = share * 2**32
        test = {
            name
            for name, text in questions.items()
            if seed_of(seed, "test split", masked(text)) % 2**32 < bound
        }
        for _ in range(ROUNDS):
            leaked = _leaked(questions, test)
            if not leaked:
                break
            test -= leaked
        else:
            test = set()  # no round was the last: nothing is known to be clean
        return pa.array(sorted(test), pa.string())

    return chosen


def masked(text: str) -> str:
    """Return a text without its numbers and spacing."""
    return " ".join(_NUMBER.sub("#", text).casefold().split())


def _leaked(questions: dict[str, str], test: set[str]) -> set[str]:
    """Return the test problems that are found in a training problem."""
    if not test:
        return set()
    held = sorted(test)
    items = Items(held, [questions[name] for name in held], [questions[name] for name in held])
    rest = [name for name in sorted(questions) if name not in test]
    texts = [questions[name] for name in rest]
    search = Search.of(items, RULES, RuleTools(), Shared())
    return {hit.item for _, hit in search.hits(Items(rest, texts, texts)).values()} if rest else set()
