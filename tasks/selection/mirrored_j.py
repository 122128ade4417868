"""Thin out easy questions, so that the numbers of questions by pass rate have the shape of a mirrored J (POLARIS, 2025).

A set made by a strong teacher has the shape of a J: most questions are easy for the student. Here the hardest level that has
questions keeps all of them, and each easier level keeps at most a part of what the level before it kept. It reads the score
`pass_rate`, which the selector of that name measures.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
from pydantic import Field

from storage.reasons import Code, Reason, reason
from storage.rows import column
from tasks.seeding import seeds_of
from tasks.selection import PASS_RATE, Selection
from tasks.settings import Section
from tasks.stages.outcome import Tick

STAGE = "select"

whole = True
parents = False


class MirroredJSettings(Section, title="Mirrored J"):
    fall: float = Field(
        0.8,
        gt=0,
        le=1,
        description="questions of a pass rate, as a part of those of the next harder one, at most",
    )


own_settings = MirroredJSettings


def needs(settings: MirroredJSettings) -> Mapping[str, str]:
    return {}


def select(rows: pa.Table, *, settings: MirroredJSettings, seed: int, tick: Tick) -> Selection:
    """Keep all rows of the chosen questions. Which questions of a level are kept follows from a hash of their ids; rows without
    a pass rate are kept."""
    problems = column(rows, "problem_id")
    rates = [dict(pairs or ()).get(PASS_RATE) for pairs in column(rows, "scores")]
    levels: dict[float, set[str]] = {}
    for problem, rate in zip(problems, rates, strict=True):
        if rate is not None:
            levels.setdefault(rate, set()).add(problem)
    most: dict[
        str, tuple[int, float]
    ] = {}  # question that is left out -> how many of its level are kept, and the level
    before: int | None = None
    for rate, questions in sorted(levels.items()):
        ids = sorted(questions)
        hashes = seeds_of((seed, STAGE, "mirrored_j"), ids).tolist()
        kept = len(ids) if before is None else min(len(ids), max(1, int(settings.fall * before)))
        for _, problem in sorted(zip(hashes, ids, strict=True))[kept:]:
            most[problem] = (kept, rate)
        before = kept
    tick(rows.num_rows)
    reasons: list[Reason | None] = []
    for problem in problems:
        if problem in most:
            kept, rate = most[problem]
            reasons.append(reason(STAGE, Code.OVER_LEVEL, most=kept, name=PASS_RATE, value=f"{rate:.2f}"))
        else:
            reasons.append(None)
    return Selection(reasons)
