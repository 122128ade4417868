"""Concepts of one meaning in different words, found by their embeddings.

Names are taken by how often they occur, and each joins the nearest one before it that is near enough, so that no chain of small steps
joins names that are far apart. Three conditions keep concepts apart that an encoder holds for near: both occur in one topic (the product
rule of derivatives is not the rule of product), neither has an opposite or another word that changes a problem (left and right
limits; tasks/dedup/contrast.py), and the encoder was trained on the language.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np

from storage.indexes.vectors import Vectors
from tasks.dedup.contrast import different_problems


@dataclass(frozen=True, slots=True)
class NamedConcept:
    """A concept before merging: its form by `tasks.concepts.graph.normal`, its name, how many of its questions have a topic, and these topics."""

    key: str
    name: str
    questions: int
    topics: Set[str]


def merged(concepts: Sequence[NamedConcept], vectors: Vectors, threshold: float) -> Mapping[str, str]:
    """Return key -> key of the concept that it joins, for those that join one.

    vectors: unit vectors of the names, shape (len(concepts), dimensions). threshold: the least cosine of two names of one concept.
    """
    order = sorted(range(len(concepts)), key=lambda k: (-concepts[k].questions, concepts[k].key))
    leaders: list[int] = []
    joined: dict[str, str] = {}
    for k in order:
        one = concepts[k]
        nearness = vectors[leaders] @ vectors[k]
        for place in np.argsort(-nearness, kind="stable"):
            if nearness[place] < threshold:
                leaders.append(k)
                break
            leader = concepts[leaders[place]]
            if (
                not one.topics.isdisjoint(leader.topics)
                and not different_problems([one.name], [leader.name])[0]
            ):
                joined[one.key] = leader.key
                break
        else:
            leaders.append(k)
    return joined
