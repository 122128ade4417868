"""MMLU (Hendrycks et al. 2021, arXiv:2009.03300): `question`, `subject`, four `choices` and the number of the right one in `answer`; its CSV
files have no names of columns, and are called by their subject.

The domain of an item follows its subject: the sciences are STEM, mathematics is other mathematics (MMLU-math), and all other subjects
ask for what is known about the world, which counts as commonsense.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

names = ("mmlu",)
domain = "commonsense"
capability = "knowledge"
folders = True
header = ("question", "a", "b", "c", "d", "answer")
MATHEMATICS = ("mathematics", "algebra", "math", "statistics")
SCIENCES = (
    "physics",
    "chemistry",
    "biology",
    "computer",
    "engineering",
    "astronomy",
    "machine learning",
    "anatomy",
    "security",
)


def placed(subject: str) -> dict[str, str]:
    """Return domain and capability of an item of this subject, nothing where the benchmark's own hold."""
    words = subject.lower().replace("_", " ")
    if any(one in words for one in MATHEMATICS):
        return {"domain": "other mathematics", "capability": "mathematics"}
    return {"domain": "STEM"} if any(one in words for one in SCIENCES) else {}


def of_record(record: Mapping[str, Any]) -> dict[str, str]:
    return placed(str(record.get("subject") or record.get("category") or record.get("type") or ""))
