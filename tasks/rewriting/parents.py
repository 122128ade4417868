"""The rows of the pool that questions are made from: one per problem, dealt over the quota in an order that follows from the random
seed."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any, Final

import pyarrow as pa

from tasks.methods import Quota
from tasks.seeding import seeds_of

FROM_PARENT: Final = ("source", "license", "domain", "concepts")

Parent = dict[str, Any]


def parents(
    pool: pa.Table, quota: Quota, *seed: object, usable: Callable[[Parent], bool] = lambda row: True
) -> list[Parent]:
    """Return rows of the pool, one per row of the quota: those of its topic, then those of its language that name no topic. Fewer
    where the pool has no more. No problem comes twice; `usable` says which rows can be taken."""
    waiting: defaultdict[tuple[str, str | None], deque[Parent]] = defaultdict(deque)
    for row in in_turn(pool, *seed):
        if usable(row):
            waiting[(row["language"], row["subdomain"])].append(row)
    chosen: list[Parent] = []
    missing: defaultdict[str, int] = defaultdict(int)
    for (language, subdomain), count in sorted(quota.items()):
        own = waiting[(language, subdomain)]
        taken = min(count, len(own))
        chosen += [own.popleft() for _ in range(taken)]
        missing[language] += count - taken
    for language, count in sorted(missing.items()):
        unlabelled = waiting[(language, None)]
        chosen += [unlabelled.popleft() for _ in range(min(count, len(unlabelled)))]
    return chosen


def in_turn(pool: pa.Table, *seed: object) -> list[Parent]:
    """Return the first row of each problem by id, in an order that follows from the seed."""
    by_problem: dict[str, Parent] = {}
    for row in sorted(pool.to_pylist(), key=lambda row: row["id"]):
        by_problem.setdefault(row["problem_id"], row)
    turns = seeds_of(seed, list(by_problem)).tolist()
    ranked = sorted(zip(turns, by_problem.values(), strict=True), key=lambda entry: entry[0])
    return [row for _, row in ranked]


def inherited(row: Parent, *names: str) -> dict[str, Any]:
    """Return what a row made from `row` has from it: FROM_PARENT, and the columns `names`, where they are not empty."""
    return {name: row[name] for name in (*FROM_PARENT, *names) if row[name]}


def answer_of(row: Parent) -> str | None:
    """Return the answer of a row: the trusted one, or else that of its solution."""
    answer: str | None = row["reference_answer"] or row["answer"]
    return answer
