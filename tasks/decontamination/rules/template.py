"""Finds items with other numbers and other names: nearly all of their runs of eight words, with numbers and names
masked.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.decontamination import ngrams
from tasks.decontamination.benchmarks import Items
from tasks.decontamination.hit import Hit
from tasks.dedup.normalise import as_array, folded_array
from tasks.dedup.tokens import Ragged, tokens

LEAST = 0.75  # share of the item's runs; a name in the middle of a word list breaks a few
SHORTEST = 12  # words that are neither masked number nor masked name: "what is # plus #" identifies no item

_NAME = r"\b\p{Lu}[\p{Ll}’']+\b|\b(?:he|she|they|him|her|his|hers|them|their)\b|小\p{Han}"


def masked(texts: list[str] | pa.Array) -> Ragged:
    """Return the words, with every number as one word and every capitalised word and pronoun as another."""
    array = pc.replace_substring_regex(as_array(texts), _NAME, " zwho ")
    # one word for 1,000 and for 3.5, two for a fraction's two numbers
    array = pc.replace_substring_regex(folded_array(array), r"\d+(?:\.\d+)?", " znum ")
    return tokens(array, None, operators=False)


def prepare(items: Items) -> ngrams.Grams:
    item_words = masked(items.texts)
    masks = tokens(as_array(["zwho znum"]), None).values
    plain = np.bincount(
        item_words.row_of_value[~np.isin(item_words.values, masks)], minlength=len(item_words)
    )
    usable = np.flatnonzero(plain >= SHORTEST)
    return ngrams.index(item_words.take(usable), [items.names[k] for k in usable.tolist()], 8, SHORTEST)


def find(rows: Items, prepared: ngrams.Grams) -> list[Hit]:
    return ngrams.lookup(masked(rows.passages), prepared, LEAST)
