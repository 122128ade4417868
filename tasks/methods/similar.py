"""Plan prompts for the student's weaknesses: problems like those that it failed, shown with their nearest neighbours.

As in SwS (arXiv:2506.08989), the failures decide which problems are written. Retrieval of neighbours alone did not help in
"More Data or Better Data?" (2025), so the neighbours are examples and not the result.
"""

from __future__ import annotations

import pyarrow as pa

from tasks.methods import (
    Ask,
    Makes,
    Quota,
    Takes,
    as_written,
    examples_by_topic,
    rounds,
    written_questions,
)
from tasks.seeding import rng_of, seed_of
from tasks.taxonomy import local_name

prompt = "similar"
makes: Makes = "questions"
takes: Takes = "rows"
read = written_questions
check = as_written


def plan(pool: pa.Table, quota: Quota, *, per_call: int, examples: int, seed: int) -> list[Ask]:
    """Return planned calls that each show a failed question and its neighbours, for the topics that have a failure.

    `pool` holds both: a failure is a row without parents, and a neighbour names the failures that it is
    near to in `parent_ids` (see tasks.stages.retrieve.retrieve).
    """
    neighbours_by_failure: dict[str, list[tuple[str, str]]] = {}
    rows = pool.select(["id", "question", "language", "parent_ids"]).to_pylist()
    language_of = {row["id"]: row["language"] for row in rows}
    for row in rows:
        for failure in row["parent_ids"]:
            if row["language"] == language_of.get(
                failure
            ):  # an example of another language is answered in that
                neighbours_by_failure.setdefault(failure, []).append((row["id"], row["question"]))
    failures = examples_by_topic(
        pool.filter(pa.compute.equal(pa.compute.list_value_length(pool["parent_ids"]), 0))
    )
    asks = []
    for (language, subdomain), questions in sorted(quota.items()):
        failed = failures.get((language, subdomain))
        if failed is None:
            continue  # the pool has no failure of this topic
        for index, count in enumerate(rounds(questions, per_call)):
            rng = rng_of(seed, prompt, language, subdomain, index)
            failure_id, question = failed[index % len(failed)]
            neighbours = neighbours_by_failure.get(failure_id, [])
            chosen = rng.sample(neighbours, min(examples, len(neighbours)))
            asks.append(
                Ask(
                    method="similar",
                    prompt=prompt,
                    language=language,
                    subdomain=subdomain,
                    count=count,
                    variables={
                        "question": question,
                        "subdomain": local_name(subdomain, language),
                        "examples": [{"question": text} for _, text in chosen],
                        "count": count,
                    },
                    parent_ids=[failure_id, *(row_id for row_id, _ in chosen)],
                    seed=seed_of(seed, prompt, language, subdomain, index),
                )
            )
    return asks
