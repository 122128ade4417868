"""What every generator of puzzles returns, and the asks and items that a method makes of it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tasks.conditions import local_concepts
from tasks.methods import Ask, Item, Quota, rounds
from tasks.seeding import rng_of, seed_of
from tasks.settings import Section

ENDS: Final = {"en": ".", "zh": "。"}
CLOSINGS: Final = {
    "en": ("The answer is $\\boxed{{{}}}$.", "So the answer is $\\boxed{{{}}}$.", "Answer: $\\boxed{{{}}}$"),
    "zh": ("答案是 $\\boxed{{{}}}$。", "所以答案是 $\\boxed{{{}}}$。", "答：$\\boxed{{{}}}$"),
}


@dataclass(frozen=True, slots=True)
class Puzzle:
    """A question with its exact answer and the deduction that leads to it, one step per line.

    difficulty: from 1 to 5. sizes: what the puzzle consists of, such as its depth; they are stored in the column `params`. program:
    one that prints the answer, where there is one.
    """

    question: str
    steps: tuple[str, ...]
    answer: str
    difficulty: int
    sizes: Mapping[str, Any]
    program: str | None = None


class SizeSettings(Section):
    """Settings of which `least_x` and `most_x` are the bounds of one size."""

    def model_post_init(self, _context: Any) -> None:
        for name in type(self).model_fields:
            if name.startswith("least_") and getattr(self, name) > getattr(self, f"most_{name[6:]}"):
                raise ValueError(f"{name} is above most_{name[6:]}")


def drawn(rng: random.Random, settings: Mapping[str, Any], name: str) -> int:
    """Draw the size `name` between its bounds in the settings of an ask."""
    return rng.randint(settings[f"least_{name}"], settings[f"most_{name}"])


def listed(words: Sequence[str], language: str) -> str:
    """Join words as a sentence lists them: `a, b and c`, `a、b和c`."""
    if len(words) < 2:
        return "".join(words)
    first, last = words[:-1], words[-1]
    return f"{'、'.join(first)}和{last}" if language == "zh" else f"{', '.join(first)} and {last}"


def capital(text: str) -> str:
    """Return the text with its first letter as a capital."""
    return text[:1].upper() + text[1:]


def asks(name: str, subdomain: str, quota: Quota, per_call: int, seed: int, settings: Section) -> list[Ask]:
    """Return one ask per `per_call` puzzles of a language. All of them are of the subdomain, whatever those of the quota are."""
    rows = Counter[str]()
    for (language, _), count in quota.items():
        rows[language] += count
    return [
        Ask(
            method=name,
            prompt="",
            language=language,
            subdomain=subdomain,
            count=count,
            variables=settings.model_dump(),
            parent_ids=[],
            seed=seed_of(seed, name, language, index),
        )
        for language, puzzles in sorted(rows.items())
        for index, count in enumerate(rounds(puzzles, per_call))
    ]


def items(
    ask: Ask, concepts: Sequence[str], make: Callable[[random.Random, Mapping[str, Any], str], Puzzle]
) -> list[Item]:
    """Return `ask.count` puzzles; those with a program are solved by it in half of the rows."""
    return [_item(ask, concepts, make, rng_of(ask.seed, ask.method, number)) for number in range(ask.count)]


def _item(
    ask: Ask,
    concepts: Sequence[str],
    make: Callable[[random.Random, Mapping[str, Any], str], Puzzle],
    rng: random.Random,
) -> Item:
    puzzle = make(rng, ask.variables, ask.language)
    program = puzzle.program if puzzle.program and rng.random() < 0.5 else None
    closing = rng.choice(CLOSINGS[ask.language]).format(puzzle.answer)
    return Item(
        puzzle.question,
        solution=program or "\n".join([*puzzle.steps, closing]),
        solution_format="pot" if program else "cot",
        solution_by="procedure",
        answer=puzzle.answer,
        reference_answer=puzzle.answer,
        difficulty=puzzle.difficulty,
        concepts=tuple(local_concepts(concepts, ask.subdomain, ask.language)),
        params=dict(puzzle.sizes),
    )
