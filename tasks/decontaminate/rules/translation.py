"""The item in the other language (English, Chinese): the same numbers, formulas and unknowns, in other words.

What a translator leaves alone is compared: numbers, operators, LaTeX commands and single letters, as a multiset. Only
pairs of different script are looked at, and only items with enough of it to be theirs alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.decontaminate.benchmarks import Items
from tasks.decontaminate.hit import Hit, strongest
from tasks.decontaminate.planting import chinese
from tasks.dedup.bands import multisets
from tasks.dedup.jaccard import join
from tasks.dedup.normalise import folded_array
from tasks.dedup.tokens import I64, Ragged, tokens

LEAST = 0.75  # Jaccard similarity of the multisets
TELLING = 11  # what an item must say in signs: 3, 4, 5 and + may be anybody's
_WORDS = ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


@dataclass(frozen=True, slots=True)
class Signs:
    names: list[str]
    by_script: dict[bool, tuple[I64, Ragged]]  # is Chinese -> item numbers and their multisets


def signs(texts: list[str]) -> pa.Array:
    """What of each text is numbers, operators, LaTeX commands and single letters; the rest blank."""
    array = folded_array(texts)
    for number, word in enumerate(_WORDS, 2):
        array = pc.replace_substring_regex(array, rf"(?i)\b{word}\b", str(number))
    # an English word is two letters or more, or an article; behind a backslash it is a command
    array = pc.replace_substring_regex(array, r"\\([A-Za-z]+)", r" 7\1 ")
    array = pc.replace_substring_regex(array, r"(?:^|[^A-Za-z0-9])(?:[A-Za-z]{2,}|a|A|I)\b(?:'s)?", " ")
    return pc.replace_substring_regex(array, r"[^\x00-\x7F]+", " ")


def telling(text: str) -> int:
    """How much a text's signs say: each different one counts, and more if it is long."""
    return sum(
        2 + (len(sign) > 1) + (len(sign) > 2) for sign in set(re.findall(r"[A-Za-z0-9]+|[-+*/=<>^%]", text))
    )


def prepare(items: Items) -> Signs:
    texts = signs(items.texts)
    enough = np.array([telling(text) >= TELLING for text in texts.to_pylist()], dtype=bool)
    found = tokens(texts, None)
    zh = np.array([chinese(text) for text in items.texts], dtype=bool)
    by_script = {}
    for script in (False, True):
        rows = np.flatnonzero(enough & (zh == script))
        by_script[script] = (rows, multisets(found.take(rows)))
    return Signs(items.names, by_script)


def find(rows: Items, prepared: Signs) -> list[Hit]:
    zh = np.array([chinese(text) for text in rows.texts], dtype=bool)
    found = []
    for script, (items, sets) in prepared.by_script.items():
        others = np.flatnonzero(zh != script)
        if len(others) and len(items):
            own = multisets(tokens(signs([rows.texts[k] for k in others.tolist()]), None))
            pairs = join(own, sets, threshold=LEAST)
            found += strongest(others[pairs.left], items[pairs.right], pairs.score, prepared.names)
    return found
