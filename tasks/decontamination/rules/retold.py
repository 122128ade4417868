"""The item with other names and other things: the same numbers in the same order, in a sentence built alike.

Who has the apples, and that they are apples, is easily replaced; the numbers and the words between them stay. Compared are
texts of one script whose numbers agree in order and say enough to be an item's own; names and numbers are
masked, and what is left must be alike by ROUGE-L.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.decontamination.benchmarks import Items
from tasks.decontamination.hit import Hit, strongest
from tasks.decontamination.planting import chinese
from tasks.decontamination.quantities import Quantities, bits, multiset, near, quantities, share
from tasks.decontamination.rules.template import masked
from tasks.dedup.rouge import f_measure
from tasks.dedup.tokens import Ragged

TELLING = 10.0  # bits that an item's numbers must say: 3 and 5 are anybody's
SHARE = 0.9  # of both texts' numbers that agree in order, by bits
ALIKE = 0.6  # ROUGE-L of the masked words


@dataclass(frozen=True, slots=True)
class Told:
    names: list[str]
    found: list[Quantities]
    numbers: Ragged
    words: Ragged
    script: list[bool]


def prepare(items: Items) -> Told:
    found = quantities(items.texts)
    kept = [k for k, one in enumerate(found) if sum(map(bits, one.numbers)) >= TELLING]
    chosen = [found[k] for k in kept]
    texts = [items.texts[k] for k in kept]
    return Told(
        [items.names[k] for k in kept],
        chosen,
        multiset(chosen),
        masked(texts),
        [chinese(text) for text in texts],
    )


def find(rows: Items, prepared: Told) -> list[Hit]:
    if not prepared.names:
        return []
    found = quantities(rows.texts)
    pairs = near(multiset(found), prepared.numbers)
    good = [
        chinese(rows.texts[row]) == prepared.script[item]
        and share(found[row].numbers, prepared.found[item].numbers) >= SHARE
        for row, item in zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)
    ]
    pairs = pairs.where(np.array(good, dtype=bool))
    asked, place = np.unique(pairs.left, return_inverse=True)
    words = masked([rows.texts[k] for k in asked.tolist()])
    score = f_measure(words, prepared.words, place, pairs.right)
    alike = score >= ALIKE
    return strongest(pairs.left[alike], pairs.right[alike], score[alike], prepared.names)
