"""Self-instruct (Wang et al. 2023, arXiv:2212.10560) per subdomain: few-shot prompts with seed problems and accepted rows.

Each call also states conditions of its own (tasks/conditions.py), and the beginnings of accepted questions under the same
ones, which are not to be written again. These are of waves that have ended, so that the plan of a wave is known before its
first call, whatever the number of workers.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from storage.rows import column
from tasks.conditions import conditions
from tasks.methods import (
    UNLABELLED,
    Ask,
    Makes,
    Quota,
    Takes,
    as_written,
    examples_by_topic,
    rounds,
    written_questions,
)
from tasks.seeding import rng_of, seed_of, seeds_of
from tasks.taxonomy import local_name

prompt = "self_instruct"
makes: Makes = "questions"
takes: Takes = "rows"
read = written_questions
check = as_written

AVOIDED = 5  # questions that a call names as not to be written again
SHOWN = 160  # characters of each of them

# (row id, question, concepts)
WrittenQuestion = tuple[str, str, frozenset[str]]


def plan(
    pool: pa.Table,
    quota: Quota,
    *,
    per_call: int,
    examples: int,
    seed: int,
    overlay: Path | None = None,
) -> list[Ask]:
    """Return one planned call per `per_call` questions, each with its conditions and with examples of its topic that are
    drawn for this call."""
    topics = examples_by_topic(pool)
    written = _written(pool)
    asks = []
    for (language, subdomain), questions in sorted(quota.items()):
        candidates = topics.get((language, subdomain)) or topics.get((language, None)) or []
        for index, count in enumerate(rounds(questions, per_call)):
            rng = rng_of(seed, prompt, language, subdomain, index)
            chosen = _draw_examples(candidates, topics.get((language, UNLABELLED), []), examples, rng)
            band = rng.randint(1, 3)
            stated = conditions(overlay).of_call(language, subdomain, index, band, seed)
            shown = {row_id for row_id, _ in chosen}
            near = [one for one in written.get((language, subdomain), ()) if one[0] not in shown]
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
                        "difficulty": band,
                        "avoid": _avoided(near, stated["concepts"], (seed, prompt, "avoid", index)),
                        **stated,
                    },
                    parent_ids=[row_id for row_id, _ in chosen],
                    seed=seed_of(seed, prompt, language, subdomain, index),
                )
            )
    return asks


def _written(pool: pa.Table) -> Mapping[tuple[str, str], Sequence[WrittenQuestion]]:
    """Return (language, subdomain) -> its questions in the pool whose concepts are known, each once, by id."""
    by_topic: dict[tuple[str, str], dict[str, WrittenQuestion]] = {}
    names = ("id", "problem_id", "question", "language", "subdomain", "concepts")
    rows = zip(*(column(pool, name) for name in names), strict=True)
    for row_id, problem, question, language, subdomain, points in sorted(rows, key=lambda row: row[0]):
        if points:
            entries = by_topic.setdefault((language, subdomain), {})
            entries.setdefault(problem, (row_id, question, frozenset(points)))
    return {topic: list(entries.values()) for topic, entries in by_topic.items()}


def _avoided(written: Sequence[WrittenQuestion], points: Sequence[str], seed: Sequence[object]) -> list[str]:
    """Return the beginnings of up to AVOIDED questions, those with the most common concepts first, equals by a hash."""
    if not written:
        return []
    turns = seeds_of(seed, [row_id for row_id, _, _ in written]).tolist()
    ranked = sorted(
        zip(written, turns, strict=True), key=lambda entry: (-len(entry[0][2].intersection(points)), entry[1])
    )
    return [" ".join(question.split())[:SHOWN] for (_, question, _), _ in ranked[:AVOIDED]]


def _draw_examples(
    candidates: list[tuple[str, str]], unlabelled: list[tuple[str, str]], examples: int, rng: random.Random
) -> list[tuple[str, str]]:
    """Draw examples of the topic, a third of them from seed problems that name no subdomain, so that the problems of a user
    influence every topic."""
    others = rng.sample(unlabelled, min(-(-examples // 3), len(unlabelled))) if examples else []
    labelled = [example for example in candidates if example not in others]
    return rng.sample(labelled, min(examples - len(others), len(labelled))) + others
