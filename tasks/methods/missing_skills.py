"""Plan prompts for skills that a student lacks: problems that need what a diagnosis names, whatever the failed problem was about.

After STAT (arXiv:2510.10023): a teacher names the skills that are missing in failed solutions (tasks/stages/diagnose.py), and new problems are
written for these skills instead of for the nearest texts. The skills of a row are its column `concepts`; the failed problem is an example.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from storage.rows import column
from tasks.conditions import readable_concepts
from tasks.methods import UNLABELLED, Ask, Makes, Quota, Takes, as_written, rounds, written_questions
from tasks.seeding import rng_of, seed_of
from tasks.taxonomy import local_name

prompt = "concepts"
makes: Makes = "questions"
takes: Takes = "rows"
read = written_questions
check = as_written

NAME = "missing_skills"
MOST = 3  # skills of one call


def plan(pool: pa.Table, quota: Quota, *, per_call: int, examples: int, seed: int) -> list[Ask]:
    """Return calls that go through the rows without parents that have concepts, topic by topic; none for a topic without any."""
    own = pool.filter(pc.equal(pc.list_value_length(pool["parent_ids"]), 0))
    names = ("id", "question", "language", "subdomain", "concepts")
    by_topic: dict[tuple[str, str], list[tuple[str, str, list[str]]]] = {}
    for row, question, language, subdomain, skills in sorted(
        zip(*(column(own, n) for n in names), strict=True)
    ):
        if shown := readable_concepts(skills or (), subdomain, language):
            by_topic.setdefault((language, subdomain or UNLABELLED), []).append((row, question, shown))
    asks = []
    for (language, subdomain), questions in sorted(quota.items()):
        diagnosed = by_topic.get((language, subdomain), [])
        for index, count in enumerate(rounds(questions, per_call) if diagnosed else ()):
            rng = rng_of(seed, NAME, language, subdomain, index)
            row, question, skills = diagnosed[index % len(diagnosed)]
            asks.append(
                Ask(
                    method=NAME,
                    prompt=prompt,
                    language=language,
                    subdomain=subdomain,
                    count=count,
                    variables={
                        "subdomain": local_name(subdomain, language),
                        "concepts": skills[:MOST],
                        "difficulty": rng.randint(1, 4),
                        "count": count,
                        "examples": [{"question": question}] if examples else [],
                    },
                    parent_ids=[row],
                    seed=seed_of(seed, NAME, language, subdomain, index, "asked"),
                )
            )
    return asks
