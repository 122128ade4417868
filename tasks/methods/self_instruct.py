"""Self-instruct (Wang et al. 2023, arXiv:2212.10560) per subdomain: few-shot prompts with seed problems and accepted rows."""

from __future__ import annotations

import random

import pyarrow as pa

from tasks.seeding import rng_of, seed_of
from tasks.stages.generate import UNLABELLED, Ask, Quota, examples_by_topic, rounds
from tasks.taxonomy import local_name

prompt = "self_instruct"


def plan(pool: pa.Table, quota: Quota, *, per_call: int, examples: int, seed: int) -> list[Ask]:
    """Return one planned call per `per_call` questions, each with examples of its topic that are drawn for this call."""
    topics = examples_by_topic(pool)
    asks = []
    for (language, subdomain), questions in sorted(quota.items()):
        candidates = topics.get((language, subdomain)) or topics.get((language, None)) or []
        for index, count in enumerate(rounds(questions, per_call)):
            rng = rng_of(seed, prompt, language, subdomain, index)
            chosen = _draw_examples(candidates, topics.get((language, UNLABELLED), []), examples, rng)
            asks.append(
                Ask(
                    method="self_instruct",
                    prompt=prompt,
                    language=language,
                    subdomain=subdomain,
                    count=count,
                    variables={
                        "subdomain": local_name(subdomain, language),
                        "examples": [{"question": question} for _, question in chosen],
                        "count": count,
                        "difficulty": rng.randint(1, 3),
                    },
                    parent_ids=[row_id for row_id, _ in chosen],
                    seed=seed_of(seed, prompt, language, subdomain, index),
                )
            )
    return asks


def _draw_examples(
    candidates: list[tuple[str, str]], unlabelled: list[tuple[str, str]], examples: int, rng: random.Random
) -> list[tuple[str, str]]:
    """Draw examples of the topic, a third of them from seed problems that name no subdomain, so that the problems of a user
    influence every topic."""
    others = rng.sample(unlabelled, min(-(-examples // 3), len(unlabelled))) if examples else []
    labelled = [example for example in candidates if example not in others]
    return rng.sample(labelled, min(examples - len(others), len(labelled))) + others
