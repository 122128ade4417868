"""Rejection sampling (Yuan et al. 2023, arXiv:2308.01825): sample solutions and keep the distinct right ones per question.

Two solutions in words are the same if they have the same equations in the same order; two programs, if they have the same
code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from storage.atomic import replacing
from tasks.seeding import seed_of
from tasks.solution_paths import BY_EQUATIONS, paths_of
from tasks.training.completion import Completer
from tasks.training.config import Rollout
from tasks.training.reward import Verifier
from tasks.worth import Worth

QUESTIONS = 512  # questions per round of sampling and verification

SAMPLED = pa.schema(
    [
        ("question", pa.string()),
        ("solution", pa.string()),
        ("solution_format", pa.string()),
        ("loss_weight", pa.float32()),
    ]
)


def sample(
    completer: Completer,
    rows: Any,
    rollout: Rollout,
    path: Path,
    *,
    seed: int,
    log: Callable[[str], None] = lambda text: None,
) -> dict[str, int]:
    """Write the distinct right solutions to `path` (Parquet, columns SAMPLED), completely or not at all.

    rows: have `prompt` (a conversation), `answer` and `language`. Returns how many solutions were sampled, right and kept,
    and how many are neither right nor wrong: unknown, or lost to infrastructure.
    """
    counts = {"sampled": 0, "right": 0, "kept": 0, "unknown": 0, "infrastructure": 0}
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        Verifier(most_unjudged=rollout.most_unjudged) as verifier,
        replacing(path) as beside,
        pq.ParquetWriter(beside, SAMPLED) as writer,
    ):
        for start in range(0, len(rows), QUESTIONS):
            questions = rows[start : start + QUESTIONS]
            drawn = completer.complete(
                questions["prompt"],
                max_new_tokens=rollout.max_new_tokens,
                temperature=rollout.temperature,
                samples=rollout.samples,
                seed=seed_of(seed, "rejection", start),
            )
            texts = [completion.text for completions in drawn for completion in completions]
            each = [number for number, completions in enumerate(drawn) for _ in completions]
            worth = verifier.worths(
                [questions["prompt"][i][0]["content"] for i in each],
                texts,
                [questions["answer"][i] for i in each],
                [questions["language"][i] for i in each],
            )
            right = [
                (i, text) for i, text, good in zip(each, texts, worth, strict=True) if good == Worth.RIGHT
            ]
            kept = distinct(right)
            writer.write_table(
                pa.Table.from_pylist(
                    [
                        {
                            "question": questions["prompt"][i][0]["content"],
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
    return counts


def distinct(solutions: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    """Return the solutions, as (question number, text), without those that repeat the calculation of an earlier one to the
    same question."""
    by_question: dict[int, list[int]] = {}
    for place, (question, _) in enumerate(solutions):
        by_question.setdefault(question, []).append(place)
    first = {
        places[path[0]]
        for places in by_question.values()
        for path in paths_of(
            [
                {"solution": solutions[place][1], "solution_format": "cot", "params": None, "language": None}
                for place in places
            ],
            BY_EQUATIONS,
        )
    }
    return [solutions[place] for place in sorted(first)]
