"""Finds items in the other language (English, Chinese): the same numbers, formulas and unknowns, in other
words.

It compares what a translation does not change: numbers, operators, LaTeX commands and single letters, as a
multiset. Only pairs of different script are compared. Word problems have few such signs: if there is a judge
for near pairs, few signs suffice to ask it; without one, only an item with enough signs to identify it is a
hit.

Word problems have few formulas: their numbers are compared in order, number words of both languages as
values, together with the things that they count (tasks.decontamination.quantities). `WORDS_SURE` bits of
agreement are a hit. This part supports English and Chinese; an item in another language is found by its signs
alone.

Measured without a judge, by signs alone: 81 of the 100 problems that OlymMATH has in both languages, 29 of
125 GSM8K test problems in MGSM's Chinese are found, and 3 of 7,473 GSM8K training questions are mistaken for one of 854
Chinese problems.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tasks.decontamination.benchmarks import Items
from tasks.decontamination.hit import Hit, nearest_few, strongest
from tasks.decontamination.judge import RuleTools, decided
from tasks.decontamination.planting import chinese
from tasks.decontamination.quantities import Quantities, common, multiset, quantities, rarity, share
from tasks.decontamination.quantities import near as near_numbers
from tasks.dedup.bands import multisets
from tasks.dedup.jaccard import join
from tasks.dedup.normalise import folded_array
from tasks.dedup.tokens import I64, Ragged, tokens

NEEDS = ("judge",)
# Jaccard similarity of the multisets, and least weight of an item's signs, to ask a judge
NEAR, NEAR_TELLING = 0.75, 6
# the same for a hit without a judge: 3, 4, 5 and + identify no item
SURE, SURE_TELLING = 0.85, 11
WORDS_NEAR, WORDS_SURE = 9.0, 12.0  # bits of agreement of two word problems: to ask a judge, and to be a hit
WORDS_SHARE = 0.6  # least share of the numbers of both that agree in order
# factor on the bits of the common things less the number of things that only one of the texts has
THING = 0.6
ASKED = 3  # nearest items per row that a judge is asked about
_WORDS = ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


@dataclass(frozen=True, slots=True)
class Signs:
    names: list[str]
    texts: list[str]
    telling: I64
    by_script: dict[bool, tuple[I64, Ragged]]  # is Chinese -> item numbers and their multisets
    quantities: list[Quantities]
    numbers: dict[bool, tuple[I64, Ragged]]  # is Chinese -> item numbers and their multisets of numbers


def signs(texts: list[str]) -> pa.Array:
    """Return the numbers, operators, LaTeX commands and single letters of each text; the rest is blank."""
    array = folded_array(texts)
    for number, word in enumerate(_WORDS, 2):
        array = pc.replace_substring_regex(array, rf"(?i)\b{word}\b", str(number))
    # an English word is two letters or more, or an article; behind a backslash it is a command
    array = pc.replace_substring_regex(array, r"\\([A-Za-z]+)", r" 7\1 ")
    array = pc.replace_substring_regex(array, r"(?:^|[^A-Za-z0-9])(?:[A-Za-z]{2,}|a|A|I)\b(?:'s)?", " ")
    return pc.replace_substring_regex(array, r"[^\x00-\x7F]+", " ")


def telling(text: str) -> int:
    """Return the weight of a text's signs: each different one counts, more if it is long; LaTeX commands count
    little.
    """
    return sum(
        1 if re.match(r"7[A-Za-z]", sign) else 2 + (len(sign) > 1) + (len(sign) > 2)
        for sign in set(re.findall(r"[A-Za-z0-9]+|[-+*/=<>^%]", text))
    )


def prepare(items: Items) -> Signs:
    texts = signs(items.texts)
    how_telling = np.array([telling(text) for text in texts.to_pylist()], dtype=np.int64)
    cut = tokens(texts, None)
    zh = np.array([chinese(text) for text in items.texts], dtype=bool)
    by_script = {}
    for script in (False, True):
        rows = np.flatnonzero((how_telling >= NEAR_TELLING) & (zh == script))
        by_script[script] = (rows, multisets(cut.take(rows)))
    item_quantities = quantities(items.texts)
    numbers = {}
    for script in (False, True):
        rows = np.flatnonzero(
            (zh == script) & np.array([len(one.numbers) > 1 for one in item_quantities], dtype=bool)
        )
        numbers[script] = (rows, multiset([item_quantities[k] for k in rows.tolist()]))
    return Signs(items.names, items.texts, how_telling, by_script, item_quantities, numbers)


def find(rows: Items, prepared: Signs, tools: RuleTools) -> list[Hit]:
    zh = np.array([chinese(text) for text in rows.texts], dtype=bool)
    hits = []
    for script, (items, sets) in prepared.by_script.items():
        others = np.flatnonzero(zh != script)
        if not len(others) or not len(items):
            continue
        row_sets = multisets(tokens(signs([rows.texts[k] for k in others.tolist()]), None))
        pairs = join(row_sets, sets, threshold=SURE if tools.judge is None else NEAR)
        pairs = pairs.where(nearest_few(pairs.left, pairs.right, pairs.score, ASKED))
        row, item = others[pairs.left], items[pairs.right]
        texts = [(rows.texts[a], prepared.texts[b]) for a, b in zip(row.tolist(), item.tolist(), strict=True)]
        sure = (pairs.score >= SURE) & (prepared.telling[item] >= SURE_TELLING)
        same = decided(texts, sure, tools.judge)
        hits += strongest(row[same], item[same], pairs.score[same], prepared.names)
    by_row = {hit.row for hit in hits}
    return hits + [hit for hit in _word_problems(rows, zh, prepared, tools) if hit.row not in by_row]


def _word_problems(rows: Items, zh: npt.NDArray[np.bool_], prepared: Signs, tools: RuleTools) -> list[Hit]:
    """Return the hits by numbers in order and by things."""
    hits = []
    for script, (items, sets) in prepared.numbers.items():
        others = np.flatnonzero((zh != script) & np.array([bool(text) for text in rows.texts], dtype=bool))
        if not len(others) or not len(items):
            continue
        row_quantities = quantities([rows.texts[k] for k in others.tolist()])
        pairs = near_numbers(multiset(row_quantities), sets)
        score = np.array(
            [
                agreement(row_quantities[row], prepared.quantities[items[item]])
                for row, item in zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)
            ],
            dtype=np.float64,
        )
        good = score >= (WORDS_SURE if tools.judge is None else WORDS_NEAR)
        left, right, score = pairs.left[good], pairs.right[good], score[good]
        few = nearest_few(left, right, score, ASKED)
        row, item, score = others[left[few]], items[right[few]], score[few]
        texts = [(rows.texts[a], prepared.texts[b]) for a, b in zip(row.tolist(), item.tolist(), strict=True)]
        same = decided(texts, score >= WORDS_SURE, tools.judge)
        overlap = np.array(
            [
                share(quantities([rows.texts[a]])[0].numbers, prepared.quantities[b].numbers)
                for a, b in zip(row[same].tolist(), item[same].tolist(), strict=True)
            ],
            dtype=np.float64,
        )
        hits += strongest(row[same], item[same], overlap, prepared.names)
    return hits


def agreement(a: Quantities, b: Quantities) -> float:
    """Return the agreement of two texts in bits: common numbers, weighted by the share that agrees, and
    common things.
    """
    agreed = share(a.numbers, b.numbers)
    if agreed < WORDS_SHARE:
        return 0.0
    things = sum(rarity(thing) for thing in a.things & b.things) - len(a.things ^ b.things)
    return common(a.numbers, b.numbers) * agreed + THING * things
