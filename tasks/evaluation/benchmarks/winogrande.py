"""WinoGrande (Sakaguchi et al. 2019, arXiv:1907.10641): a `sentence` with a blank `_`, `option1`, `option2`, and the number of the right one, from 1,
in `answer`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.evaluation.shapes import numbered_choice, text_of

names = ("winogrande",)
domain = "commonsense"
capability = "reasoning"


def items(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    options = [record.get("option1"), record.get("option2")]
    return [numbered_choice(text_of(dict(record), "sentence"), options, record.get("answer"), first=1)]
