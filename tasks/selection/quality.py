"""Keep the solutions of the best quality by the rules of LIMO (arXiv:2502.03387), and spread them over four signs of reasoning.

The signs are those of the paper, with its weights: how elaborate a solution is (its length, 30 %), how often it verifies itself
(20 %), how often it explores ("perhaps", "might", 25 %) and how often it connects its steps ("therefore", "since", 25 %). The
counts of words are per length, so that a long solution does not win by its length twice. Each sign is ranked among the rows of
the same language and format, because their lengths and words are not comparable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from pydantic import Field
from scipy.stats import rankdata

from storage.reasons import Code, Reason, reason
from storage.rows import column
from tasks.arrays import Floats
from tasks.selection import Selection
from tasks.settings import Section, Share
from tasks.stages.outcome import Tick

STAGE = "select"
NAME = "quality"

whole = True
parents = False

WEIGHTS = {"length": 0.3, "verification": 0.2, "exploration": 0.25, "connection": 0.25}
SIGNS: Mapping[str, re.Pattern[str]] = {
    "verification": re.compile(
        r"(?i)\b(?:check(?:s|ed|ing)?|verif(?:y|ies|ied|ying)|confirm(?:s|ed)?|substitut(?:e|ing) back)\b|检验|验证|验算|检查|代入"
    ),
    "exploration": re.compile(
        r"(?i)\b(?:perhaps|maybe|might|alternatively|wait|suppose|let me try|another way|consider)\b|也许|可能|不妨|或者|假设|另一种|试试|考虑"
    ),
    "connection": re.compile(
        r"(?i)\b(?:therefore|since|because|thus|hence|so that|it follows|which means)\b|因此|所以|因为|由于|于是|从而|可得|即"
    ),
}


class QualitySettings(Section, title="Quality"):
    keep: Share = Field(0.8, description="share of the rows that is kept, those of the best quality")


own_settings = QualitySettings


def needs(settings: QualitySettings) -> Mapping[str, str]:
    return {}


def select(rows: pa.Table, *, settings: QualitySettings, seed: int, tick: Tick) -> Selection:
    """Give every row the score `quality` from 0 to 1, and keep the best ones."""
    texts = [
        f"{thinking or ''}\n{solution}"
        for thinking, solution in zip(column(rows, "reasoning"), column(rows, "solution"), strict=True)
    ]
    groups = list(zip(column(rows, "language"), column(rows, "solution_format"), strict=True))
    values = quality(texts, groups)
    ids = column(rows, "id")
    ranked = sorted(range(len(ids)), key=lambda i: (-values[i], ids[i]))
    kept = ranked[: round(settings.keep * len(ids))]
    threshold = f"{values[kept[-1]]:.3f}" if kept else "1"
    reasons: list[Reason | None] = [None] * len(ids)
    for i in ranked[len(kept) :]:
        reasons[i] = reason(
            STAGE, Code.BELOW_THRESHOLD, name=NAME, score=f"{values[i]:.3f}", threshold=threshold
        )
    tick(rows.num_rows)
    return Selection(reasons, {NAME: [float(value) for value in values]})


def quality(texts: Sequence[str], groups: Sequence[object]) -> Floats:
    """Return the quality of each text from 0 to 1, shape (texts,): the weighted mean of its ranks among the texts of its group."""
    lengths = np.array([len(text) for text in texts], dtype=np.float64)
    signs = {"length": lengths} | {
        name: np.array([len(pattern.findall(text)) for text in texts]) / np.maximum(lengths, 1)
        for name, pattern in SIGNS.items()
    }
    values = np.zeros(len(texts))
    for group in dict.fromkeys(groups):
        members = np.array([i for i, one in enumerate(groups) if one == group])
        for name, weight in WEIGHTS.items():
            values[members] += weight * _ranks(signs[name][members])
    return values


def _ranks(values: Floats) -> Floats:
    """Return ranks from 0 to 1; equal values have the same, and a single one has 0.5."""
    if len(values) == 1:
        return np.array([0.5])
    return np.asarray((rankdata(values) - 1) / (len(values) - 1), dtype=np.float64)
