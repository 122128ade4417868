"""Rejection sampling (Yuan et al. 2023, arXiv:2308.01825): a model's own right solutions, the distinct ones of each question.

Two solutions are the same where they calculate the same: in words, the same equations in the same order; programs,
the same code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.seeding import seed_of
from tasks.training.completion import Completer
from tasks.training.config import Rollout
from tasks.training.reward import Verifier, Worth

QUESTIONS = 512  # sampled and verified at a time

SAMPLED = pa.schema(
    [
        ("question", pa.string()),
        ("solution", pa.string()),
        ("solution_format", pa.string()),
        ("loss_weight", pa.float32()),
    ]
)
_EQUATION = re.compile(r"[^\s=]*(?:\s*[-+*/^]\s*[^\s=]+)*\s*=\s*[^\s,;.]+")


def sample(
    completer: Completer,
    rows: Any,
    rollout: Rollout,
    path: Path,
    *,
    seed: int,
    log: Callable[[str], None] = lambda text: None,
) -> dict[str, int]:
    """Write the right, distinct solutions to `path` (Parquet, columns SAMPLED); whole or not at all.

    rows: of `prompt` (a conversation), `answer`, `language`. Returns how many were sampled,
    right, kept, and (neither right nor wrong) unknown or lost to infrastructure.
    """
    counts = {"sampled": 0, "right": 0, "kept": 0, "unknown": 0, "infrastructure": 0}
    beside = path.with_suffix(".new")
    beside.parent.mkdir(parents=True, exist_ok=True)
    with (
        Verifier(most_unjudged=rollout.most_unjudged) as verifier,
        pq.ParquetWriter(beside, SAMPLED) as writer,
    ):
        for start in range(0, len(rows), QUESTIONS):
            asked = rows[start : start + QUESTIONS]
            drawn = completer.complete(
                asked["prompt"],
                max_new_tokens=rollout.max_new_tokens,
                temperature=rollout.temperature,
                samples=rollout.samples,
                seed=seed_of(seed, "rejection", start),
            )
            texts = [one.text for some in drawn for one in some]
            each = [number for number, some in enumerate(drawn) for _ in some]
            worth = verifier.worths(
                texts, [asked["answer"][i] for i in each], [asked["language"][i] for i in each]
            )
            right = [
                (i, text) for i, text, good in zip(each, texts, worth, strict=True) if good == Worth.RIGHT
            ]
            kept = distinct(right)
            writer.write_table(
                pa.Table.from_pylist(
                    [
                        {
                            "question": asked["prompt"][i][0]["content"],
                            "solution": text,
                            "solution_format": "cot",
                        }
                        for i, text in kept
                    ],
                    SAMPLED,
                )
            )
            for name, more in (("sampled", len(texts)), ("right", len(right)), ("kept", len(kept))):
                counts[name] += more
            counts |= {name: verifier.counts[Worth(name)] for name in ("unknown", "infrastructure")}
            log(f"sampled {counts['sampled']}, right {counts['right']}, kept {counts['kept']}")
    beside.rename(path)
    return counts


def distinct(solutions: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    """The first of those of a question that calculate the same; (question, text) in their order."""
    seen: set[tuple[int, str]] = set()
    kept = []
    for question, text in solutions:
        key = (question, calculation(text))
        if key not in seen:
            seen.add(key)
            kept.append((question, text))
    return kept


def calculation(text: str) -> str:
    """What makes two solutions the same: their equations without spaces; of a text without any, the text itself."""
    if "```" in text:
        return "".join(text.split())
    found = ["".join(one.split()) for one in _EQUATION.findall(text)]
    return "\n".join(found) or " ".join(text.split())
