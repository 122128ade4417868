"""Finds items with other names and other things: the same numbers in the same order, in sentences of the same structure.

The people and things of a problem are easily replaced; the numbers and the words between them
remain. Texts of one script are compared if their numbers agree in order and have enough information to identify an item.
Names and numbers are masked, and the rest must be similar by ROUGE-L.
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

TELLING = 10.0  # least information of an item's numbers in bits: 3 and 5 identify no item
SHARE = 0.9  # least share of both texts' numbers, by bits, that agree in order
ALIKE = 0.6  # ROUGE-L of the masked words


@dataclass(frozen=True, slots=True)
class Masked:
    """The items whose numbers suffice to identify them: their numbers, masked words and script."""

    names: list[str]
    quantities: list[Quantities]
    numbers: Ragged
    words: Ragged
    script: list[bool]


def prepare(items: Items) -> Masked:
    all_quantities = quantities(items.texts)
    kept = [k for k, one in enumerate(all_quantities) if sum(map(bits, one.numbers)) >= TELLING]
    chosen = [all_quantities[k] for k in kept]
    texts = [items.texts[k] for k in kept]
    return Masked(
        [items.names[k] for k in kept],
        chosen,
        multiset(chosen),
        masked(texts),
        [chinese(text) for text in texts],
    )


def find(rows: Items, prepared: Masked) -> list[Hit]:
    if not prepared.names:
        return []
    row_quantities = quantities(rows.texts)
    pairs = near(multiset(row_quantities), prepared.numbers)
    good = [
        chinese(rows.texts[row]) == prepared.script[item]
        and share(row_quantities[row].numbers, prepared.quantities[item].numbers) >= SHARE
        for row, item in zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)
    ]
    pairs = pairs.where(np.array(good, dtype=bool))
    near_rows, place = np.unique(pairs.left, return_inverse=True)
    words = masked([rows.texts[k] for k in near_rows.tolist()])
    score = f_measure(words, prepared.words, place, pairs.right)
    alike = score >= ALIKE
    return strongest(pairs.left[alike], pairs.right[alike], score[alike], prepared.names)
