"""Held-out problems from the problem families, which are in no training set. A version is evaluated on them if no benchmark
is given."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pyarrow as pa

from storage.rows import Row, to_table
from tasks.evaluation.items import of_rows
from tasks.problems.machinery.family import LEVELS, families, make
from tasks.seeding import rng_of

NAME = "held-out problems"
TRIES = 20  # draws for one problem that is in neither training set


def held_out(topics: Sequence[tuple[str, str]], count: int, seed: int, known: Collection[str]) -> pa.Table:
    """Return `count` items that go through the (language, subdomain) topics in turn and are not among the `known` problem ids.

    There are fewer if the families cannot draw so many. Topics without a family are left out.
    """
    by_topic = {
        topic: [f for f in families().values() if f.subdomain == topic[1] and topic[0] in f.phrasings]
        for topic in sorted(topics)
    }
    by_topic = {topic: family_list for topic, family_list in by_topic.items() if family_list}
    rows: list[Row] = []
    seen = set(known)
    for number in range(count if by_topic else 0):
        language, subdomain = topic = list(by_topic)[number % len(by_topic)]
        for attempt in range(TRIES):
            rng = rng_of(seed, "held out", number, attempt)
            problem = make(rng.choice(by_topic[topic]), rng, rng.choice(LEVELS), language)
            row = Row(problem.question, language, subdomain=subdomain, reference_answer=problem.worked.answer)
            if row.problem_id not in seen:
                seen.add(row.problem_id)
                rows.append(row)
                break
    return of_rows(to_table(rows), NAME)
