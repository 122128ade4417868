"""Self-instruct (Wang et al. 2023, arXiv:2212.10560) by subdomain: few-shot from seeds and accepted rows."""

from __future__ import annotations

import pyarrow as pa

from tasks.generate import Ask, Quota, examples_by_topic, rounds
from tasks.seeding import rng_of, seed_of
from tasks.taxonomy import local_name

prompt = "self_instruct"


def plan(pool: pa.Table, quota: Quota, *, per_call: int, examples: int, seed: int) -> list[Ask]:
    """One ask a `per_call` questions; every ask draws its own examples of its own topic."""
    topics = examples_by_topic(pool)
    asks = []
    for (language, subdomain), wanted in sorted(quota.items()):
        shown = topics.get((language, subdomain)) or topics.get((language, None)) or []
        for index, count in enumerate(rounds(wanted, per_call)):
            rng = rng_of(seed, prompt, language, subdomain, index)
            picked = rng.sample(shown, min(examples, len(shown)))
            asks.append(
                Ask(
                    method="self_instruct",
                    prompt=prompt,
                    language=language,
                    subdomain=subdomain,
                    count=count,
                    variables={
                        "subdomain": local_name(subdomain, language),
                        "examples": [{"question": question} for _, question in picked],
                        "count": count,
                        "difficulty": rng.randint(1, 3),
                    },
                    parent_ids=[row_id for row_id, _ in picked],
                    seed=seed_of(seed, prompt, language, subdomain, index),
                )
            )
    return asks
