"""Wrong options for a question with a numeric answer, so that GSM8K can be asked as multiple choice (after GSM-MC,
Zhang et al. 2024): results on the way to the answer first, then slips of it."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

from tasks.seeding import rng_of

OPTIONS = 4
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.]*\d)")


def with_options(item: dict[str, Any]) -> dict[str, Any] | None:
    """The item with four options in an order of its own and the letter of the right one; None where the answer is no
    plain number."""
    reference = str(item["reference"]).replace(",", "").replace("$", "").strip()
    if not _NUMBER.fullmatch(reference):
        return None
    right = Fraction(reference)
    on_the_way = [Fraction(text) for text in _NUMBER.findall((item["solution"] or "").replace(",", ""))]
    slips = [right + 1, right * 2, right - 1, right + 10, right / 2, right * 10, right + 2]
    rng = rng_of("distractors", item["id"])
    values = list(dict.fromkeys(value for value in reversed(on_the_way) if value != right))
    rng.shuffle(values)
    if right.denominator == 1:
        slips = [value for value in slips if value.denominator == 1]
    wrong = list(dict.fromkeys([*values, *(value for value in slips if value != right)]))[: OPTIONS - 1]
    options = [right, *wrong]
    rng.shuffle(options)
    shown = [_plain(value) for value in options]
    return item | {"options": shown, "reference": chr(65 + options.index(right))}


def _plain(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else f"{float(value):g}"
