"""Finds questions that are a benchmark item: equal canonical text, except for letter case and punctuation."""

from __future__ import annotations

from tasks.decontamination.benchmarks import Items
from tasks.decontamination.hit import Hit
from tasks.decontamination.ngrams import words


def prepare(items: Items) -> dict[bytes, str]:
    prepared: dict[bytes, str] = {}
    for key, name in zip(_keys(items.texts), items.names, strict=True):
        if key:
            prepared.setdefault(key, name)
    return prepared


def find(rows: Items, prepared: dict[bytes, str]) -> list[Hit]:
    hits = []
    for row, key in enumerate(_keys(rows.texts)):
        name = prepared.get(key)
        if name is not None:
            hits.append(Hit(row, name, 1.0))
    return hits


def _keys(texts: list[str]) -> list[bytes]:
    cut = words(texts, operators=True)
    return [cut[row].tobytes() for row in range(len(cut))]
