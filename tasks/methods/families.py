"""Problem families: questions with exact answers and worked solutions, drawn and computed without a model (tasks/problems).

Such data costs nothing and is right by construction, and it is narrow: each family has a few phrasings. On its own it was not
found to help ("More Data or Better Data?", 2025); it fills subdomains that other methods leave thin.
"""

from __future__ import annotations

import random
from typing import Final

import pyarrow as pa

from tasks.conditions import local_concepts
from tasks.methods import Ask, Item, Makes, Quota, Takes, rounds
from tasks.problems.machinery.family import LEVELS, Family, of_subdomain
from tasks.problems.machinery.family import make as draw
from tasks.seeding import rng_of, seed_of

makes: Makes = "questions"
takes: Takes = "rows"

NAME: Final = "families"
CLOSING: Final = {"en": "The answer is ", "zh": "答案是 "}
DIFFICULTY: Final = {1: 1, 2: 2, 3: 4}  # level of a family -> the scale from 1 to 5 that writers state


def plan(pool: pa.Table, quota: Quota, *, per_call: int, examples: int, seed: int) -> list[Ask]:
    """Return one ask per `per_call` questions of a subdomain; the pool is not looked at."""
    return [
        Ask(
            method=NAME,
            prompt="",
            language=language,
            subdomain=subdomain,
            count=count,
            variables={},
            parent_ids=[],
            seed=seed_of(seed, NAME, language, subdomain, index),
        )
        for (language, subdomain), questions in sorted(quota.items())
        for index, count in enumerate(rounds(questions, per_call))
    ]


def make(ask: Ask) -> list[Item]:
    """Return `ask.count` problems of the families of the subdomain, half of them solved by a program."""
    every = of_subdomain(str(ask.subdomain))
    return [_item(every, ask.language, rng_of(ask.seed, NAME, number)) for number in range(ask.count)]


def _item(every: list[Family], language: str, rng: random.Random) -> Item:
    family, level, program = rng.choice(every), rng.choice(LEVELS), rng.random() < 0.5
    problem = draw(family, rng, level, language)
    answer = problem.worked.answer
    closing = f"{CLOSING[language]}$\\boxed{{{answer}}}${'。' if language == 'zh' else '.'}"
    return Item(
        problem.question,
        solution=problem.worked.program if program else "\n".join([*problem.worked.steps, closing]),
        solution_format="pot" if program else "cot",
        solution_by="procedure",
        answer=answer,
        reference_answer=answer,
        difficulty=DIFFICULTY[level],
        concepts=tuple(local_concepts(problem.concepts, problem.subdomain, language)),
        params={"family": family.name, "level": level},
    )
