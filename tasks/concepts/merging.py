"""Concepts of one meaning in different words.

Names are taken by how often they occur, and each joins the nearest one before it that is the same by one of these rules, so that no chain
of small steps joins names that are far apart:

* their word forms agree (tasks/concepts/word_forms.py): endings, spellings, "of", abbreviations, a thesaurus;
* English: the cosine of their embeddings reaches the threshold, if the encoder was trained on the language;
* Chinese: they share most pairs of neighbouring characters, and neither is a part of the other.

Two conditions keep concepts apart that look near: both occur in one topic (the product rule of derivatives is not the rule of
product), and neither has an opposite or another word that changes a problem (left and right limits; tasks/dedup/contrast.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Final

import numpy as np

from storage.indexes.vectors import Vectors
from tasks.concepts.word_forms import different_characters, initials, reordered, shared_bigrams, signature
from tasks.dedup.contrast import different_problems

LEAST_BIGRAMS: Final = 0.8  # Dice coefficient of the bigrams of two Chinese names of one concept
_NEGATED = re.compile(r"\b(?:non-?|in|un|ir|im|dis)(?=[a-z]{4})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class NamedConcept:
    """A concept before merging: its form by `tasks.concepts.graph.normal`, its name, how many of its questions have a topic, and these topics."""

    key: str
    name: str
    questions: int
    topics: Set[str]


def merged(
    concepts: Sequence[NamedConcept], language: str, threshold: float, vectors: Vectors | None = None
) -> Mapping[str, str]:
    """Return key -> key of the concept that it joins, for those that join one.

    threshold: the least cosine of two names of one concept. vectors: unit vectors of the names, shape (len(concepts), dimensions);
    None where no encoder knows the language.
    """
    order = sorted(range(len(concepts)), key=lambda k: (-concepts[k].questions, concepts[k].key))
    leaders: list[int] = []
    joined: dict[str, str] = {}
    for k in order:
        one = concepts[k]
        nearness = np.zeros(len(leaders)) if vectors is None else vectors[leaders] @ vectors[k]
        near = [
            (rank, -float(nearness[place]), place)
            for place, leader in enumerate(leaders)
            if not one.topics.isdisjoint(concepts[leader].topics)
            and (
                rank := _rank(concepts[leader].name, one.name, language, float(nearness[place]) >= threshold)
            )
        ]
        if near:
            joined[one.key] = concepts[leaders[min(near)[2]]].key
        else:
            leaders.append(k)
    return joined


def _rank(leader: str, name: str, language: str, near: bool) -> int:
    """Return 1 if the word forms of two names agree, 2 if they are near and not opposed, else 0."""
    if same_words(leader, name, language):
        return 1
    if language == "zh":
        near = near or (
            shared_bigrams(leader, name) >= LEAST_BIGRAMS and leader not in name and name not in leader
        )
        return 2 if near and not different_characters(leader, name) else 0
    return 2 if near and not _opposed(leader, name) else 0


def same_words(one: str, other: str, language: str) -> bool:
    """Return whether the words of two names say the same."""
    forms = signature(one, language), signature(other, language)
    if forms[0] == forms[1]:
        return bool(forms[0])
    if language == "zh":
        return False
    short, long = sorted((one, other), key=len)
    abbreviated = short.isupper() and short.isalpha() and short.casefold() == initials(long)
    return abbreviated or reordered(one, other)


def _opposed(one: str, other: str) -> bool:
    """Return whether two names that an encoder holds for near are different concepts: by an opposite, a negation, or the order of
    their words."""
    if bool(different_problems([one], [other])[0]):
        return True
    forms = [signature(name, "en") for name in (one, other)]
    if sorted(forms[0]) == sorted(forms[1]):
        return True  # the same words in another order, which `reordered` does not take for the same
    bare = [_NEGATED.sub("", name.casefold()) for name in (one, other)]
    return bare[0] == bare[1]
