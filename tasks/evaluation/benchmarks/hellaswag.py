"""HellaSwag (Zellers et al. 2019, arXiv:1905.07830): a context `ctx`, four `endings`, and the number of the right one in `label`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.evaluation.shapes import numbered_choice, text_of

names = ("hellaswag",)
domain = "commonsense"
capability = "reasoning"


def items(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    context = text_of(dict(record), "ctx", "ctx_a")
    topic = record.get("activity_label")
    item = numbered_choice(context, record.get("endings"), record.get("label"))
    return [item | ({"subdomain": topic} if isinstance(topic, str) and topic else {})]
