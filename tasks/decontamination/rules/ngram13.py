"""Finds rows with thirteen consecutive words of an item (the rule of Brown et al. 2020, appendix C)."""

from __future__ import annotations

from tasks.decontamination import ngrams
from tasks.decontamination.benchmarks import Items
from tasks.decontamination.hit import Hit

LEAST = 0.0  # one n-gram suffices


def prepare(items: Items) -> ngrams.Grams:
    return ngrams.index(items.words, items.names, 13, ngrams.SHORTEST)


def find(rows: Items, prepared: ngrams.Grams) -> list[Hit]:
    return ngrams.lookup(rows.words, prepared, LEAST)
