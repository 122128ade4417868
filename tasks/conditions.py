"""The conditions under which a problem is written: concepts, kind, setting, difficulty and form of the answer.

A writer that is only given a subdomain writes the same few problems again. So each call states one combination out of
prompts/conditions.yaml (after the attributes of "AttrPrompt", arXiv:2306.15895, and the personas of arXiv:2406.20094). The
values of each condition are dealt like cards: all of them, in an order that is hashed from the seed, before one is dealt
again. The choice depends on the seed and on the number of the call alone, not on which worker makes it or when.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Final, TypeVar

from prompts.conditions import WordPair, load
from tasks.seeding import rng_of
from tasks.taxonomy import domain_of

LEVELS = {1: (1, 2), 2: (3,), 3: (4, 5)}  # easy, medium and hard on the scale from 1 to 5

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Conditions:
    """The content of conditions.yaml. `version` is its name with the first eight digits of its hash."""

    version: str
    kinds: tuple[WordPair, ...]
    stories: tuple[WordPair, ...]
    bare: WordPair
    contexts: tuple[WordPair, ...]
    answers: Mapping[str, tuple[WordPair, ...]]
    concepts: Mapping[str, tuple[WordPair, ...]]

    def of_call(self, language: str, subdomain: str, index: int, band: int, seed: int) -> dict[str, Any]:
        """Return the variables of the call `index` for a subdomain, in words of the language.

        `band` is 1 (easy), 2 or 3 (hard). The keys are concepts, kind, context, level and answer_type.
        """
        place = ("conditions", language, subdomain)
        local = 1 if language == "zh" else 0
        points = self.concepts[subdomain]
        sets: list[tuple[WordPair, ...]] = list(combinations(points, 2)) if len(points) > 1 else [points]
        kind = dealt([*self.kinds, *self.stories], index, seed, *place, "kind")
        context = dealt(self.contexts, index, seed, *place, "context") if kind in self.stories else self.bare
        answers = self.answers[domain_of(subdomain) or ""]
        return {
            "concepts": [point[local] for point in dealt(sets, index, seed, *place, "concepts")],
            "kind": kind[local],
            "context": context[local],
            "level": rng_of(seed, *place, "level", index).choice(LEVELS[band]),
            "answer_type": dealt(answers, index, seed, *place, "answer")[local],
        }


# Concepts of problems that procedures make and for which no condition asks: English -> Chinese
_PROCEDURAL: Final = {
    "dependencies between quantities": "数量之间的依赖关系",
    "irrelevant information": "多余条件的识别",
    "deduction": "演绎推理",
    "propositional logic": "命题逻辑",
    "truth-tellers and liars": "真话与假话问题",
    "proof by contradiction": "反证法",
    "constraint satisfaction": "约束满足问题",
    "elimination of cases": "排除法",
}
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_LATIN_WORD = re.compile(r"[A-Za-z]*[a-z]{3}")


def local_concepts(names: Iterable[str], subdomain: str | None, language: str) -> list[str]:
    """Return concepts as they are named in `language`, each once, in order. Chinese names replace the English ones of the shipped
    conditions, those of the subdomain first, where two subdomains have one English name; a name that is not known stays."""
    if language != "zh":
        return list(names)
    own, every = _chinese_concepts()
    of_topic = own.get(subdomain or "", {})
    return list(
        dict.fromkeys(
            of_topic.get(name.strip().casefold()) or every.get(name.strip().casefold()) or name
            for name in names
        )
    )


def readable_concepts(names: Iterable[str], subdomain: str | None, language: str) -> list[str]:
    """Return what `local_concepts` does, without names that a text in `language` cannot show: in Chinese those of Latin words."""
    local = local_concepts(names, subdomain, language)
    if language != "zh":
        return local
    return [name for name in local if _HAN.search(name) or not _LATIN_WORD.search(name)]


@functools.cache
def _chinese_concepts() -> tuple[Mapping[str, Mapping[str, str]], Mapping[str, str]]:
    """Return the Chinese name of each concept, by subdomain and English name in lower case, and by the English name alone."""
    own = {
        subdomain: {english.casefold(): chinese for english, chinese in points}
        # those that are shipped, whatever the user's own file has: families name their concepts by them
        for subdomain, points in conditions(None).concepts.items()
    }
    every: dict[str, str] = dict(_PROCEDURAL)
    for names in own.values():
        every = names | every
    return own, every


def dealt(values: Sequence[T], index: int, *seed: object) -> T:
    """Return the value that the call `index` gets: every value once, in a hashed order, before any of them again."""
    turn, place = divmod(index, len(values))
    order = list(range(len(values)))
    rng_of(*seed, turn).shuffle(order)
    return values[order[place]]


@functools.cache
def conditions(overlay: Path | None = None) -> Conditions:
    """Return the conditions of prompts/conditions.yaml, or of the file of that name in the user's overlay. Raises
    prompts.PromptError if the file cannot be used."""
    lists, version = load(overlay)
    return Conditions(
        version,
        lists.kinds,
        lists.stories,
        lists.bare,
        lists.contexts,
        lists.answers,
        lists.concepts,
    )
