"""Procedural problems of the project as benchmark items whose paraphrases and translations are known.

A family of tasks/problems/ writes one problem in several wordings and in two languages; for a real benchmark, a person or a
model would have to write these. The problems of half of the families are items. Those of the others, which resemble no
item, are clean rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from tasks.decontamination.benchmarks import Items
from tasks.decontamination.planting import Leak
from tasks.problems.machinery.family import LANGUAGES, LEVELS, families
from tasks.seeding import rng_of, seed_of

PARAPHRASED, TRANSLATED = "paraphrased, own problems", "translated, own problems"


@dataclass(frozen=True, slots=True)
class OwnProblems:
    items: Items
    leaks: list[Leak]
    clean: list[str]


def own_problems(seed: int, each: int) -> OwnProblems:
    """Draw `each` problems per family; an item is in English or in Chinese, its translation in the other
    language.
    """
    items, leaks, clean = Items([], [], []), list[Leak](), list[str]()
    for place, (name, family) in enumerate(
        sorted(families().items(), key=lambda entry: seed_of(seed, "own", entry[0]))
    ):
        rng = rng_of(seed, "own", name)
        for number in range(each):
            values = family.draw(rng, LEVELS[number % len(LEVELS)])
            language, other = LANGUAGES[:: 1 if number % 2 else -1]
            text = family.write(values, language)
            if place % 2:
                clean.append(text)
                continue
            item = f"own#{len(items)}"
            items += Items([item], [text], [text])
            reworded = family.write(values, language, 1)
            if reworded != text:
                leaks.append(Leak(PARAPHRASED, item, reworded))
            leaks.append(Leak(TRANSLATED, item, family.write(values, other, number)))
    return OwnProblems(items, leaks, clean)
