"""Finds the sentences of an item in any order and apart: in the cells of a table, in a list, between other sentences.

It searches for runs of five words within sentences, so the text between two sentences does not matter.
"""

from __future__ import annotations

import re

import numpy as np

from tasks.decontamination import ngrams
from tasks.decontamination.benchmarks import Items
from tasks.decontamination.hit import Hit
from tasks.dedup.tokens import offsets_of

LEAST = 0.8  # of the item's runs
RUN = 5  # words; a shorter sentence is one run
SHORTEST = 12  # words of an item: a shorter one is a phrase
_END = re.compile(r"(?<=[.?!])\s+|(?<=[。？！；])|\n+")


def prepare(items: Items) -> ngrams.Grams:
    sentences = [[part for part in _END.split(text) if part.strip()] for text in items.texts]
    counts = np.array([len(parts) for parts in sentences], dtype=np.int64)
    cut = ngrams.words([part for parts in sentences for part in parts])
    ends = np.concatenate([[0], np.cumsum(cut.lengths)])[offsets_of(counts)]
    long = np.repeat(np.diff(ends) >= SHORTEST, counts)
    owner = np.repeat(np.arange(len(items)), counts)
    return ngrams.index(cut.take(np.flatnonzero(long)), items.names, RUN, 3, owner[long])


def find(rows: Items, prepared: ngrams.Grams) -> list[Hit]:
    return ngrams.lookup(rows.words, prepared, LEAST)
