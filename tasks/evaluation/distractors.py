"""Wrong options for a question with a numeric answer, so that GSM8K can be asked as multiple choice (after GSM-MC,
Zhang et al. 2024): intermediate results of the solution first, then near misses of the answer."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

from tasks.seeding import rng_of

OPTIONS = 4
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.]*\d)")


def with_options(item: dict[str, Any]) -> dict[str, Any] | None:
    """Return the item with four options in a random order, fixed by its id, and the letter of the right one. Returns None if
    the answer is not a plain number."""
    reference = str(item["reference"]).replace(",", "").replace("$", "").strip()
    if not _NUMBER.fullmatch(reference):
        return None
    right = Fraction(reference)
    intermediate = [Fraction(text) for text in _NUMBER.findall((item["solution"] or "").replace(",", ""))]
    near_misses = [right + 1, right * 2, right - 1, right + 10, right / 2, right * 10, right + 2]
    rng = rng_of("distractors", item["id"])
    values = list(dict.fromkeys(value for value in reversed(intermediate) if value != right))
    rng.shuffle(values)
    if right.denominator == 1:
        near_misses = [value for value in near_misses if value.denominator == 1]
    wrong = list(dict.fromkeys([*values, *(value for value in near_misses if value != right)]))[: OPTIONS - 1]
    options = [right, *wrong]
    rng.shuffle(options)
    shown = [_plain(value) for value in options]
    return item | {"options": shown, "reference": chr(65 + options.index(right))}


def _plain(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else f"{float(value):g}"
