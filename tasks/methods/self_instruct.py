"""Self-instruct (Wang et al. 2023, arXiv:2212.10560) by subdomain: few-shot from seeds and accepted rows."""

from __future__ import annotations

import random

import pyarrow as pa

from tasks.seeding import rng_of, seed_of
from tasks.stages.generate import UNLABELLED, Ask, Quota, examples_by_topic, rounds
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
            picked = _picked(shown, topics.get((language, UNLABELLED), []), examples, rng)
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


def _picked(
    shown: list[tuple[str, str]], unlabelled: list[tuple[str, str]], examples: int, rng: random.Random
) -> list[tuple[str, str]]:
    """Examples of the topic; one in three is of the seeds that name no subdomain, where there are such,
    so that a user's own problems set the tone of every topic."""
    others = rng.sample(unlabelled, min(-(-examples // 3), len(unlabelled))) if examples else []
    own = [example for example in shown if example not in others]
    return rng.sample(own, min(examples - len(others), len(own))) + others
