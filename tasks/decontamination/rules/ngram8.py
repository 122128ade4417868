"""Finds rows with half of an item's runs of eight words, such as items that are cut into pieces or edited in a few
places.
"""

from __future__ import annotations

from tasks.decontamination import ngrams
from tasks.decontamination.benchmarks import Items
from tasks.decontamination.hit import Hit

LEAST = 0.5  # eight words alone are often a common phrase ("how many does she have left in total")


def prepare(items: Items) -> ngrams.Grams:
    return ngrams.index(items.words, items.names, 8, ngrams.SHORTEST)


def find(rows: Items, prepared: ngrams.Grams) -> list[Hit]:
    return ngrams.lookup(rows.words, prepared, LEAST)
