"""SWAG (Zellers et al. 2018, arXiv:1808.05326): `sent1`, the beginning of the next sentence in `sent2`, `ending0` to `ending3`, and the number of the
right one in `label`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.evaluation.shapes import numbered_choice, text_of

names = ("swag",)
domain = "commonsense"
capability = "reasoning"
subsets = False


def items(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    fields = dict(record)
    next_words = record.get("sent2")
    context = (
        f"{text_of(fields, 'sent1')} {next_words}" if next_words else text_of(fields, "startphrase", "sent1")
    )
    endings = [record.get(f"ending{place}") for place in range(4)]
    return [numbered_choice(context, endings, record.get("label"))]
