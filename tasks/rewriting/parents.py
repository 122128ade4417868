"""The rows of the pool that questions are made from: one per problem, dealt over the quota in an order that follows from the random
seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

import pyarrow as pa

from tasks.conditions import local_concepts
from tasks.ingestion.options import written_in
from tasks.methods import Quota
from tasks.seeding import seeds_of
from tasks.taxonomy import domain_of

FROM_PARENT: Final = ("source", "license", "domain", "concepts")

Parent = dict[str, Any]


def parents(
    pool: pa.Table,
    quota: Quota,
    *seed: object,
    usable: Callable[[Parent], bool] = lambda row: True,
    each: int = 1,
) -> list[Parent]:
    """Return rows of the pool, one per `each` rows of the quota, rounded up per language: those of its topics first, then, for topics with too few, those of its language
    that name no topic, and those of the domains of its topics. Fewer where the pool has no more. No problem comes twice; `usable`
    says which rows can be taken."""
    rows = [row for row in in_turn(pool, *seed) if usable(row)]
    missing = Counter({topic: count for topic, count in quota.items() if count > 0})
    chosen: list[Parent] = []
    for stand_in in (False, True):
        left = []
        for row in rows:
            topic = topic_for(row, missing, stand_in=stand_in)
            if topic is None:
                left.append(row)
            else:
                missing[topic] -= 1
                chosen.append(row)
        rows = left
    return chosen if each == 1 else _fewer(chosen, quota, each)


def _fewer(chosen: Sequence[Parent], quota: Quota, each: int) -> list[Parent]:
    """Return the first of the chosen rows, of each language as many as give the rows of the quota with `each` of one."""
    rows: Counter[str] = Counter()
    for (language, _), count in quota.items():
        rows[language] += count
    left = {language: -(-count // each) for language, count in rows.items()}
    fewer = []
    for row in chosen:
        if left[row["language"]] > 0:
            left[row["language"]] -= 1
            fewer.append(row)
    return fewer


def topic_for(row: Parent, missing: Counter[tuple[str, str]], *, stand_in: bool) -> tuple[str, str] | None:
    """Return the topic of the quota that a row is taken for, None if there is none: its own, or, as a `stand_in`, another one of its
    language, if the row names no topic or has the domain of one."""
    own = (row["language"], row["subdomain"])
    if missing[own] > 0 or not stand_in:
        return own if missing[own] > 0 else None
    open_topics = [
        topic for topic, count in sorted(missing.items()) if count > 0 and topic[0] == row["language"]
    ]
    if not open_topics or row["subdomain"] is None:
        return open_topics[0] if open_topics else None
    domains = {domain_of(topic) for language, topic in missing if language == row["language"]}
    return open_topics[0] if domain_of(row["subdomain"]) in domains else None


def in_turn(pool: pa.Table, *seed: object) -> list[Parent]:
    """Return the first row of each problem by id, in an order that follows from the seed."""
    by_problem: dict[str, Parent] = {}
    for row in sorted(pool.to_pylist(), key=lambda row: row["id"]):
        by_problem.setdefault(row["problem_id"], row)
    turns = seeds_of(seed, list(by_problem)).tolist()
    ranked = sorted(zip(turns, by_problem.values(), strict=True), key=lambda entry: entry[0])
    return [row for _, row in ranked]


def is_open(row: Parent) -> bool:
    """Return whether a question lists no options: a rewritten list could have another order, and its letter be another option."""
    return written_in(row["question"]) is None


def inherited(row: Parent, *names: str) -> dict[str, Any]:
    """Return what a row made from `row` has from it: FROM_PARENT, and the columns `names`, where they are not empty."""
    values = {name: row[name] for name in (*FROM_PARENT, *names) if row[name]}
    if points := values.get("concepts"):
        values["concepts"] = local_concepts(points, row["subdomain"], row["language"])
    return values


def answer_of(row: Parent) -> str | None:
    """Return the answer of a row: the trusted one, or else that of its solution."""
    answer: str | None = row["reference_answer"] or row["answer"]
    return answer
