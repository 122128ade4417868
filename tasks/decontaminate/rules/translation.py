"""The item in the other language (English, Chinese): the same numbers, formulas and unknowns, in other words.

What a translator leaves alone is compared: numbers, operators, LaTeX commands and single letters, as a multiset. Only
pairs of different script are looked at. Word problems say little in signs: where a judge reads the near ones, few signs
suffice to ask; without one, only an item with enough of them to be its alone is a hit.

Measured without a judge: 81 of the 100 problems that OlymMATH has in both languages, 29 of 125 GSM8K test problems
in MGSM's Chinese, and 3 of 7,473 GSM8K training questions taken for one of 854 Chinese problems.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.decontaminate.benchmarks import Items
from tasks.decontaminate.hit import Hit, nearest_few, strongest
from tasks.decontaminate.judge import Tools, decided
from tasks.decontaminate.planting import chinese
from tasks.dedup.bands import multisets
from tasks.dedup.jaccard import join
from tasks.dedup.normalise import folded_array
from tasks.dedup.tokens import I64, Ragged, tokens

NEEDS = ("judge",)
NEAR, NEAR_TELLING = (
    0.75,
    6,
)  # Jaccard similarity of the multisets, and what an item must say in them, to ask a judge
SURE, SURE_TELLING = 0.85, 11  # what counts without one: 3, 4, 5 and + may be anybody's
ASKED = 3  # nearest items a row that a judge is asked about
_WORDS = ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


@dataclass(frozen=True, slots=True)
class Signs:
    names: list[str]
    texts: list[str]
    telling: I64
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
    """How much a text's signs say: each different one counts, more if it is long; LaTeX commands say little."""
    return sum(
        1 if re.match(r"7[A-Za-z]", sign) else 2 + (len(sign) > 1) + (len(sign) > 2)
        for sign in set(re.findall(r"[A-Za-z0-9]+|[-+*/=<>^%]", text))
    )


def prepare(items: Items) -> Signs:
    texts = signs(items.texts)
    said = np.array([telling(text) for text in texts.to_pylist()], dtype=np.int64)
    found = tokens(texts, None)
    zh = np.array([chinese(text) for text in items.texts], dtype=bool)
    by_script = {}
    for script in (False, True):
        rows = np.flatnonzero((said >= NEAR_TELLING) & (zh == script))
        by_script[script] = (rows, multisets(found.take(rows)))
    return Signs(items.names, items.texts, said, by_script)


def find(rows: Items, prepared: Signs, tools: Tools) -> list[Hit]:
    zh = np.array([chinese(text) for text in rows.texts], dtype=bool)
    found = []
    for script, (items, sets) in prepared.by_script.items():
        others = np.flatnonzero(zh != script)
        if not len(others) or not len(items):
            continue
        own = multisets(tokens(signs([rows.texts[k] for k in others.tolist()]), None))
        near = join(own, sets, threshold=SURE if tools.judge is None else NEAR)
        near = near.where(nearest_few(near.left, near.right, near.score, ASKED))
        row, item = others[near.left], items[near.right]
        pairs = [(rows.texts[a], prepared.texts[b]) for a, b in zip(row.tolist(), item.tolist(), strict=True)]
        sure = (near.score >= SURE) & (prepared.telling[item] >= SURE_TELLING)
        same = decided(pairs, sure, tools.judge)
        found += strongest(row[same], item[same], near.score[same], prepared.names)
    return found
